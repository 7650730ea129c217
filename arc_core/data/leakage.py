"""The same photograph under two patients: what would leak from training into testing.

Files of equal pixels are refused as the folder is read; here are copies that were encoded anew, resized,
brightened, cropped or mirrored. They are looked for once, as a study is registered, and kept with its split.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import Field

from arc_core.data.likeness import HASH_BITS, MIN_CORRELATION, Spectra, Spectrum, alike, spectrum
from arc_core.data.manifest import Dataset
from arc_core.data.reader import read_image
from arc_core.data.sealed import Sealed, need_unlike
from arc_core.errors import DatasetError
from arc_core.record import Record

S = TypeVar("S")

METHOD = f"pHash of {HASH_BITS} bits of the middle of the field of view, confirmed by correlation"


class Pair(Record):
    """Two images of different patients that show the same."""

    one: str = Field(description="image_id, as is `other`")
    other: str
    bits: int = Field(description="of the hashes, that differ")
    correlation: float
    mirrored: bool


class Leakage(Record):
    """What was looked for, how, and what was found. Without patient ids each image is its own patient."""

    method: str
    images: int = Field(description="compared, each with each of another patient")
    max_bits: int
    min_correlation: float
    pairs: tuple[Pair, ...]


def spectra_of(dataset: Dataset) -> Spectra:
    """Of its images, in their order. Decodes every one, so it takes its time."""
    return np.stack(_spectra(map(dataset.image_path, dataset.cases), _spectrum_at))


def look_for_leakage(dataset: Dataset, max_bits: int, spectra: Spectra | None = None) -> Leakage:
    """Near-duplicates among the images of different patients. `spectra`: of its images, if they are known."""
    if spectra is None:
        spectra = spectra_of(dataset)
    _, patients = np.unique([case.patient_id for case in dataset.cases], return_inverse=True)
    pairs = tuple(
        Pair(
            one=dataset.cases[found.one].image_id,
            other=dataset.cases[found.other].image_id,
            bits=found.bits,
            correlation=round(found.correlation, 3),
            mirrored=found.mirrored,
        )
        for found in alike(spectra, patients, max_bits)
    )
    return Leakage(
        method=METHOD,
        images=len(dataset.cases),
        max_bits=max_bits,
        min_correlation=MIN_CORRELATION,
        pairs=pairs,
    )


def need_none_sealed(images: Iterable[Path], sealed: Mapping[str, Sealed]) -> None:
    """DatasetError where one of the files looks like an image of a test part; decodes each, if there is one.

    Those that can't be read are passed over.
    """
    if any(part.spectra for part in sealed.values()):
        paths = list(images)
        found = zip(paths, _spectra(paths, _spectrum_if_readable), strict=True)
        readable = {path: spectrum for path, spectrum in found if spectrum is not None}
        if readable:
            need_unlike(list(readable), np.stack(list(readable.values())), sealed)


def _spectra(paths: Iterable[Path], of: Callable[[Path], S]) -> list[S]:
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(of, paths))


def _spectrum_at(path: Path) -> Spectrum:
    return spectrum(read_image(path))


def _spectrum_if_readable(path: Path) -> Spectrum | None:
    with suppress(DatasetError):
        return _spectrum_at(path)
    return None


def need_apart(dataset: Dataset, parts: Mapping[str, str], leakage: Leakage) -> None:
    """DatasetError where a pair lies in two parts; names the closest. `parts`: image_id → its part's name."""
    torn = [pair for pair in leakage.pairs if parts[pair.one] != parts[pair.other]]
    if not torn:
        return
    pair = min(torn, key=lambda pair: (pair.bits, pair.one, pair.other))
    cases = {case.image_id: case for case in dataset.cases}
    one, other = cases[pair.one], cases[pair.other]
    raise DatasetError(
        f"nearly the same image as {one.image}{', mirrored' if pair.mirrored else ''}, of another patient, "
        f"in another part of the split: {parts[pair.one]} and {parts[pair.other]}",
        where=dataset.image_path(other),
        got=f"{pair.bits} of {HASH_BITS} bits differ, correlation {pair.correlation:.2f}"
        + (f"; {len(torn)} such pairs" if len(torn) > 1 else ""),
        expected=f"more than {leakage.max_bits} bits, as between different eyes",
        cure="Give both the same patient_id in labels.csv, or remove one: a copy would leak from training "
        "into testing."
        + (f" If they are two eyes, set data.near_duplicate_bits={pair.bits - 1}." if pair.bits else ""),
    )
