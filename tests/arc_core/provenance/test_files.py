"""Files that are complete or absent."""

import pytest

from arc_core.errors import StoreError
from arc_core.provenance.files import write_atomically


def test_what_is_in_the_way_is_named_and_nothing_else(tmp_path):
    path = tmp_path / "index.html"
    path.mkdir()
    with pytest.raises(StoreError) as refused:
        write_atomically(path, b"content")
    assert str(refused.value).startswith(f"{path}: ")
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]
