"""The experiments' run folders: here, and in the storage that machines share, where there is one.

Training and reading happen in the local folder. In the storage a file lies under its experiment by its
SHA-256, so that what one machine puts there never replaces what another has recorded.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from arc_core.errors import StoreError
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.files import clear_errors, write_atomically
from arc_core.provenance.storage import Storage
from arc_core.settings import Settings

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,119}", re.ASCII)
LONGEST_BYTES = 255  # of a name, on all usual file systems
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Runs:
    """`folder` has a folder for each experiment; without a `storage` that is all there is."""

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        self.folder, self.storage = folder, storage

    @classmethod
    def of(cls, settings: Settings) -> "Runs":
        """The run folders that the settings name; nothing is connected to yet."""
        return cls(settings.runs, Storage(settings.storage_url) if settings.storage_url else None)

    def folder_of(self, experiment_id: str) -> Path:
        """The experiment's run folder here. StoreError when that is no name of one."""
        if not _ID.fullmatch(experiment_id):
            raise _astray(experiment_id, self.folder)
        return self.folder / experiment_id

    def path(self, experiment_id: str, name: str) -> Path:
        """Where `name`, a path under the run folder, lies here. StoreError when it leads out of it."""
        return inside(self.folder_of(experiment_id), name)

    def check(self) -> None:
        """StoreError when the storage can't be written."""
        if self.storage is not None:
            self.storage.check()

    def keep(self, experiment_id: str, files: Mapping[str, str]) -> None:
        """Put `files`, path under the run folder → SHA-256, into the storage, unless they are there.

        StoreError when it can't be written, or a file is not what its SHA-256 says.
        """
        storage = self.storage
        if storage is None:
            return
        paths = {sha256: self.path(experiment_id, name) for name, sha256 in files.items()}
        known = storage.sizes(experiment_id)

        def put(sha256: str) -> None:
            content = paths[sha256].read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise StoreError(
                    "it has changed since it was measured, so it is not put into the shared storage",
                    where=paths[sha256],
                    expected=f"SHA-256 {sha256}",
                    cure="Check this machine's disk, and delete the fold's folder: it is trained again.",
                )
            if known.get(sha256) != len(content):
                storage.put(experiment_id, sha256, content)

        storage.each(put, paths)

    def fetch(self, experiment_id: str, files: Mapping[str, str], to: Path | None = None) -> dict[str, str]:
        """See that `files`, path → SHA-256, lie here as recorded; those that don't come from the storage.

        `to`: they lie in that folder, not in the experiment's own. Returns what nobody has: path → in which
        way, such as "is missing". StoreError when the storage has to be asked and can't be.
        """
        paths = {name: inside(to, name) if to else self.path(experiment_id, name) for name in files}
        lacking = {
            name: why for name, sha256 in files.items() if (why := _fault(paths[name], sha256)) is not None
        }
        storage = self.storage
        if storage is None or not lacking:
            return lacking

        def get(name: str) -> str | None:
            content = storage.get(experiment_id, files[name]) if _SHA256.fullmatch(files[name]) else None
            if content is None:
                return f"{lacking[name]}, and {storage.url} does not have it"
            if (found := hashlib.sha256(content).hexdigest()) != files[name]:
                return f"{lacking[name]}, and in {storage.url} it has changed too: SHA-256 {found}"
            with clear_errors(paths[name]):
                paths[name].parent.mkdir(parents=True, exist_ok=True)
            write_atomically(paths[name], content)
            return None

        faults = zip(lacking, storage.each(get, lacking), strict=True)
        return {name: why for name, why in faults if why is not None}


def inside(folder: Path, name: str) -> Path:
    """The path `name`, which a record gives, under `folder`. StoreError when it leads out of it."""
    parts = PurePosixPath(name)
    path = folder / parts
    if not name or parts.is_absolute() or ".." in parts.parts or not _is_writable(name):
        raise _astray(name, folder)
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        stays = False
    if not stays:
        raise _astray(name, folder)
    return path


def _is_writable(name: str) -> bool:
    """Whether a file system can have a file of that name."""
    raw = name.encode(errors="replace")
    return b"\0" not in raw and len(raw) <= 1024 and max(map(len, raw.split(b"/"))) <= LONGEST_BYTES


def _fault(path: Path, sha256: str) -> str | None:
    """In which way the file is not the recorded one."""
    if not path.is_file():
        return "is missing"
    found = sha256_of_file(path)
    return (
        None if found == sha256 else f"has changed since it was recorded: SHA-256 {found}, expected {sha256}"
    )


def _astray(name: str, folder: Path) -> StoreError:
    return StoreError(
        "a record names a path outside of its run folder",
        where=folder,
        got=repr(name),
        expected="a path within it",
        cure="The store was changed by hand or is damaged; restore a backup of it.",
    )
