"""The faults of a dataset, gathered so that one error tells of them and not of the first alone."""

from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

from arc_core.errors import DatasetError

TOLD = 10


class Faults:
    """At most one of each image: what is wrong with a file makes others look wrong too."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: list[DatasetError] = []
        self._images: set[str] = set()

    def add(self, fault: DatasetError, image_id: str | None = None) -> None:
        if image_id is not None:
            if image_id in self:
                return
            self._images.add(image_id)
        self._found.append(fault)

    def __contains__(self, image_id: str) -> bool:
        """Whether one of this image is known."""
        return image_id in self._images

    def end(self) -> None:
        """DatasetError where there are any: the fault itself, or ten of them and how many there are.

        Where there are more than ten, of each kind one before any second: fifty of one don't hide another.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            raise self._found[0]
        which, found = "they are:", self._found
        if len(found) > TOLD:
            which, found = "ten of them:", _mixed(found)[:TOLD]
        told = "".join("\n  " + str(fault).replace("\n", r"\n") for fault in found)
        raise DatasetError(
            f"{len(self._found)} faults", where=self._root, cure=f"Mend them all; {which}{told}"
        )


def _mixed(faults: list[DatasetError]) -> list[DatasetError]:
    """The first of each kind, then the seconds, and so on. Of one kind are those with one cure."""
    kinds = defaultdict[tuple[str | None, str], list[DatasetError]](list)
    for fault in faults:
        kinds[fault.expected, fault.cure].append(fault)
    return [fault for rank in zip_longest(*kinds.values()) for fault in rank if fault is not None]
