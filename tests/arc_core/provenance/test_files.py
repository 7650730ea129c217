"""Files that are complete or absent."""

import errno
from pathlib import Path

import pytest

from arc_core.errors import StoreError
from arc_core.provenance.files import whole, write_atomically


def test_what_is_in_the_way_is_named_and_nothing_else(tmp_path):
    path = tmp_path / "index.html"
    path.mkdir()
    with pytest.raises(StoreError) as refused:
        write_atomically(path, b"content")
    assert str(refused.value).startswith(f"{path}: ")
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_a_command_names_is_told_by_that_name(tmp_path, monkeypatch):
    def refuse(draft: Path, **_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(draft))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError) as refused, whole(tmp_path / "out"):
        pass
    assert str(refused.value).startswith(f"{tmp_path / 'out'}: it can't be written: No such file")
    assert str(refused.value).endswith("or name another folder.")
