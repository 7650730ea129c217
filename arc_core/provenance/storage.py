"""Storage that several machines share, through fsspec: S3, or a folder of a shared file system.

Whatever it holds lies at `FOLDER/NAME` under its address, and is there whole or not at all.
"""

import errno
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from arc_core.errors import StoreError
from arc_core.provenance.files import NO_FOLDER, NO_RIGHT, NO_ROOM, write_atomically
from arc_core.redaction import Redaction

T = TypeVar("T")
R = TypeVar("R")

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Between tries: what can pass by itself is tried five times."""
CONNECT_S, READ_S = 10, 60
AT_ONCE = 8
"""Objects that are moved side by side: a run has many small ones, each of which waits for an answer."""
README = "README.txt"
ABOUT = b"Run folders of ARC: EXPERIMENT/SHA-256 of a file. Which file that is, the store of ARC says.\n"

_FINAL = (*NO_ROOM, *NO_RIGHT, *NO_FOLDER, errno.EINVAL)
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "NoAuthTokenError")

log = logging.getLogger(__name__)


class Storage:
    """A shared place. StoreError when it can't be used, after a few tries where it may come back.

    `url`: `s3://BUCKET/PREFIX` or `file:///FOLDER`, as the settings have checked it. Who we are to S3, and
    where it is, botocore finds in its standard places, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        scheme, _, rest = self.url.partition("://")
        self._root, self._is_s3 = rest, scheme == "s3"

    def check(self) -> None:
        """Write a note of what lies there: StoreError now, rather than after hours of training."""
        self.put("", README, ABOUT)

    def put(self, folder: str, name: str, content: bytes) -> None:
        """Write an object, in place of the one there is."""
        try:
            self._tried(lambda: self._write(self._path(folder, name), content))
        except FileNotFoundError as error:
            raise self._explained(error) from error

    def get(self, folder: str, name: str) -> bytes | None:
        """An object's bytes; None when there is none."""
        try:
            found: bytes = self._tried(lambda: self._files.cat_file(self._path(folder, name)))
        except FileNotFoundError:
            return None
        return found

    def sizes(self, folder: str) -> dict[str, int]:
        """Name → bytes of every object of the folder; none of a folder that isn't there."""
        found = self._tried(lambda: self._files.find(self._path(folder), detail=True))
        return {path.rpartition("/")[2]: each["size"] for path, each in found.items()}

    def remove(self, folder: str, name: str) -> None:
        """Delete an object, if it is there."""
        try:
            self._tried(lambda: self._files.rm_file(self._path(folder, name)))
        except FileNotFoundError:
            return

    def each(self, act: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """`act` on all, several at once; the first error ends it."""
        _ = self._files  # one connection, made once
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="arc-storage") as pool:
            futures = [pool.submit(act, thing) for thing in things]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    @cached_property
    def _files(self) -> Any:
        """fsspec's file system. What is listed may change at any time by another machine's hand."""
        import fsspec  # S3's part takes most of a second to import

        if not self._is_s3:
            return fsspec.filesystem("file", use_listings_cache=False, skip_instance_cache=True)
        patience = {"connect_timeout": CONNECT_S, "read_timeout": READ_S, "retries": {"max_attempts": 0}}
        files = fsspec.filesystem(
            "s3", use_listings_cache=False, skip_instance_cache=True, config_kwargs=patience
        )
        files.retries = 1  # tried again here, with the lease's heartbeat beside it, and nowhere else
        return files

    def _write(self, path: str, content: bytes) -> None:
        if self._is_s3:  # which shows an object once it is complete
            self._files.pipe_file(path, content)
            return
        if not Path(self._root).is_dir():  # not mounted: what is made now would be on this machine only
            raise FileNotFoundError(errno.ENOENT, "there is no such folder", self._root)
        Path(path).parent.mkdir(exist_ok=True)
        try:
            write_atomically(Path(path), content)
        except StoreError as error:  # its cure is that of ARC_HOME
            raise (error.__cause__ or error) from None

    def _path(self, *parts: str) -> str:
        if any("/" in part or part == ".." for part in parts):
            raise ValueError(f"{parts} are no ids and hashes")
        return "/".join(filter(None, (self._root, *parts)))

    def _tried(self, ask: Callable[[], R]) -> R:
        for pause_s in (*PAUSES_S, None):
            try:
                return ask()
            except FileNotFoundError:
                raise
            except Exception as error:
                if pause_s is None or _is_final(error):
                    raise self._explained(error) from error
                log.warning("%s: %s; tried again in %.0f s", self.url, _words(error), pause_s)
                time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def _explained(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        asked = "bucket" if self._is_s3 else "folder, which has to be made once on the shared disk"
        if isinstance(error, FileNotFoundError):
            cure = f"Check ARC_STORAGE_URL; it has to name an existing {asked}."
        elif _is_refusal(error):
            keys = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL in the environment"
            rights = f"Check {keys}, and that they may read, write, list and delete there."
            cure = rights if self._is_s3 else "Let this user read and write there."
        elif isinstance(error, OSError) and error.errno in NO_ROOM:
            cure = "Make room there; then the same command goes on from what is kept."
        else:
            where = " (AWS_ENDPOINT_URL, the network)" if self._is_s3 else ""
            cure = f"See that it can be reached{where}; then the same command goes on from what is kept."
        return StoreError(
            "the shared storage can't be used",
            where=self.url,
            got=_words(error),
            expected="a place that this machine may read and write",
            cure=cure,
        )


def _is_refusal(error: Exception) -> bool:
    refused = isinstance(error, PermissionError) or getattr(error, "errno", None) in NO_RIGHT
    return refused or type(error).__name__ in _NO_CREDENTIALS


def _is_final(error: Exception) -> bool:
    """Whether asking again can't help."""
    known = isinstance(error, StoreError) or (isinstance(error, OSError) and error.errno in _FINAL)
    return known or _is_refusal(error)


def _words(error: Exception) -> str:
    """One line, with no secret that the server or botocore might repeat."""
    text = " ".join(str(error).split()).rstrip(".") or "no reason given"
    return Redaction.of_environment()(f"{type(error).__name__}: {text}")
