"""The same photograph under two patients: what would leak from training into testing.

Files of equal pixels are refused as the folder is read; here are copies that were encoded anew, resized,
brightened, cropped or mirrored. They are looked for once, as a study is registered, and kept with its split.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydantic import Field

from arc_core.data.likeness import HASH_BITS, MIN_CORRELATION, Spectrum, alike, spectrum
from arc_core.data.manifest import Dataset
from arc_core.data.reader import read_image
from arc_core.errors import DatasetError
from arc_core.record import Record

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


def look_for_leakage(dataset: Dataset, max_bits: int) -> Leakage:
    """Near-duplicates among the images of different patients. Decodes every image, so it takes its time."""

    def spectrum_at(path: Path) -> Spectrum:
        return spectrum(read_image(path))

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        spectra = np.stack(list(pool.map(spectrum_at, map(dataset.image_path, dataset.cases))))
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
