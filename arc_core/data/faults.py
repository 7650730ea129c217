"""The faults of a dataset, gathered so that one error tells of them and not of the first alone."""

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
        """DatasetError where there are any: the fault itself, or the first ten and how many there are."""
        if not self._found:
            return
        if len(self._found) == 1:
            raise self._found[0]
        which = "the first ten:" if len(self._found) > TOLD else "they are:"
        told = "".join("\n  " + str(fault).replace("\n", r"\n") for fault in self._found[:TOLD])
        raise DatasetError(
            f"{len(self._found)} faults", where=self._root, cure=f"Mend them all; {which}{told}"
        )
