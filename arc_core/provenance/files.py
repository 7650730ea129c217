"""Files that are complete or absent, never half written."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from arc_core.errors import StoreError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_FOLDER = (errno.ENOTDIR, errno.EISDIR)
NAMED = {
    **dict.fromkeys(NO_ROOM, "Make room on its disk"),
    **dict.fromkeys(NO_RIGHT, "Let this user write there"),
    errno.ENOENT: "Check that a folder can be made there",
}
"""What to do where the folder is one that a command names."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, flush to the disk, then rename over it. StoreError when that can't be done."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")
    with clear_errors(path):
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                error.filename = str(path)  # the other is gone, and no name that anybody knows
            raise


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes the new or empty `folder` at the end, or leaves no trace.

    StoreError when it can't be written. It is one that a command names.
    """
    draft = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        with clear_errors(folder, named=True), _told_of(folder, draft):
            draft.mkdir(parents=True)
            yield draft
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _told_of(folder: Path, draft: Path) -> Iterator[None]:
    """What is refused of the draft is told of the folder: the draft is gone, and nobody knows its name."""
    try:
        yield
    except OSError as error:
        if str(error.filename).startswith(str(draft)):
            error.filename, error.filename2 = str(folder), None
        raise


@contextmanager
def clear_errors(path: Path, *, named: bool = False) -> Iterator[None]:
    """What the file system refuses in here is a StoreError, which names the file and the cure.

    `named`: a command names the path, which does not lie in ARC_HOME.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, path, named=named) from error


def is_of_the_disk(error: OSError) -> bool:
    """Whether it is full or closed to us, or what lies on it is in the way: no fault of ours."""
    return error.errno in NO_ROOM or (error.filename is not None and error.errno in NO_RIGHT + NO_FOLDER)


def explained(error: OSError, path: Path | None = None, *, named: bool = False) -> StoreError:
    """The error in words that a user can act on."""
    if named and error.errno in NAMED:
        cure = f"{NAMED[error.errno]}, or name another folder."
    elif error.errno in NO_ROOM:
        cure = "Make room on its disk; then the same command goes on from what is kept."
    elif error.errno in NO_RIGHT:
        cure = "Let this user write there, or choose another folder with ARC_HOME."
    elif error.errno in (*NO_FOLDER, errno.EEXIST, errno.ENOTEMPTY):
        cure = "A file stands where a folder belongs, or the other way round: move it away."
    else:
        cure = "Check ARC_HOME and its disk; then the same command goes on from what is kept."
    return StoreError(
        f"it can't be written: {error.strerror or error}",
        where=error.filename2 or error.filename or path,
        cure=cure,
    )
