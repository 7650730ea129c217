"""Hypothesis on a busy machine: no verdict may hang on how long an example took."""

from hypothesis import HealthCheck, settings

settings.register_profile("arc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("arc")
