"""What fuzz tests are fed with, and how."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
AGAIN = settings(derandomize=True, deadline=None, suppress_health_check=SLOW, database=None)
"""The same examples in every run."""
DEEP = "[" * 100_000
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.builds(lambda: 10**5000),
    st.floats(),
    st.text(max_size=12),
    st.just(DEEP),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
