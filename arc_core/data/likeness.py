"""How alike two photographs look: a perceptual hash, and a correlation that confirms it.

The hash is a pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010)
of 256 bits: the middle of the field of view in 64 × 64 grey pixels, its 16 × 16 lowest spatial frequencies by
the cosine transform, and of each whether it is above their median. Fundus photographs share their lowest
frequencies, a bright disc on a darker ground, so likeness is confirmed by a correlation without those. Both
come from one transform, as does the hash of the mirror image. The library ImageHash would give the first
alone, for the start of SciPy in every dry run, 0.15 s.
"""

from base64 import b64decode, b64encode
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arc_core.data.reader import Pixels

Spectrum = NDArray[np.float32]  # (16, 16): vertical × horizontal frequency, of one photograph
Spectra = NDArray[np.float32]  # (N, 16, 16)

HASH_BITS = 256
MIN_CORRELATION = 0.8  # docs/data.md has what was measured
_KEPT = 16
_COMMON = 4  # the frequencies under it, in both directions, are those of disc, field and light
_SIDE_PX = 64
_SHRUNK_PX = 256  # where the field of view is looked for
_MIDDLE = 0.7  # of its height and width: the square in a circle, whose edge all photographs share
_ROWS = 256  # compared with all the others at once
_SCALE = 16  # the brightest photograph's mean, 522,240, is over what 2 bytes hold

_PLACES = np.arange(_SIDE_PX)
_COSINES = np.cos(np.pi * np.arange(_KEPT)[:, None] * (2 * _PLACES + 1) / (2 * _SIDE_PX))
_COSINES[0] /= np.sqrt(2)  # orthonormal but for one factor, so that a product of spectra is one of images
_MIRRORED = np.where(np.arange(_KEPT) % 2, -1, 1).astype(np.float32)  # odd frequencies turn their sign


class Likeness(NamedTuple):
    """Two photographs, by their place in the row, that look like one."""

    one: int
    other: int
    bits: int
    correlation: float
    mirrored: bool


def spectrum(image: Pixels) -> Spectrum:
    """The 16 × 16 lowest spatial frequencies of a photograph's field of view, in grey levels."""
    small = Image.fromarray(image).convert("L")
    small.thumbnail((_SHRUNK_PX, _SHRUNK_PX), Image.Resampling.BOX)
    seen = small.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR, _middle(np.asarray(small)))
    grey = np.asarray(seen, np.float64)
    return (_COSINES @ grey @ _COSINES.T).astype(np.float32)


def alike(spectra: Spectra, patients: NDArray[np.int64], bits: int) -> list[Likeness]:
    """The pairs of photographs of different patients that look like one another, or like its mirror image.

    Both: of the 256 bits of their hashes at most `bits` differ, and they correlate by 0.8 or more.
    """
    pairs: dict[tuple[int, int], Likeness] = {}
    mine, mirrored = _Compared(spectra), _Compared(spectra * _MIRRORED)
    for turned, theirs in ((False, mine), (True, mirrored)):
        for start in range(0, len(spectra), _ROWS):
            rows = slice(start, start + _ROWS)
            distances = (HASH_BITS - mine.signs[rows] @ theirs.signs[start:].T) / 2
            near = np.triu(distances <= bits, 1) & (patients[rows, None] != patients[None, start:])
            if not near.any():
                continue
            correlations = mine.bands[rows] @ theirs.bands[start:].T
            for row, column in np.argwhere(near & (correlations >= MIN_CORRELATION)).tolist():
                pair, distance = (start + row, start + column), int(distances[row, column])
                found = Likeness(*pair, distance, float(correlations[row, column]), turned)
                pairs[pair] = min(found, pairs.get(pair, found), key=lambda like: like.bits)
    return sorted(pairs.values())


def packed(spectra: Spectra) -> str:
    """Base64 of their numbers in 2 bytes each: 684 characters a photograph."""
    return b64encode((spectra / _SCALE).astype("<f2").tobytes()).decode()


def unpacked(text: str) -> Spectra:
    """What was packed, to three digits. ValueError where that is nothing of the kind."""
    numbers = np.frombuffer(b64decode(text, validate=True), "<f2")
    return numbers.astype(np.float32).reshape(-1, _KEPT, _KEPT) * _SCALE


class _Compared:
    """`signs` (N, 256): the bits of a hash as ±1, so that products count. `bands` (N, 256): length 1."""

    def __init__(self, spectra: Spectra) -> None:
        flat = spectra.reshape(len(spectra), HASH_BITS)
        self.signs = np.where(flat > np.median(flat, axis=1, keepdims=True), 1, -1).astype(np.float32)
        band = spectra.copy()
        band[:, :_COMMON, :_COMMON] = 0
        self.bands = band.reshape(flat.shape)
        self.bands /= np.maximum(np.linalg.norm(self.bands, axis=1, keepdims=True), 1)  # 1: nothing to see


def _middle(grey: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in pixels, of the middle of what is not black around the photograph."""
    lit = grey > max(8, 0.1 * float(np.percentile(grey, 99)))
    top, bottom = _middle_of(lit.mean(axis=1))
    left, right = _middle_of(lit.mean(axis=0))
    return left, top, right, bottom


def _middle_of(lit: NDArray[np.float64]) -> tuple[float, float]:
    """Of a share of lit pixels for each row; of all rows where hardly any is lit."""
    seen = np.flatnonzero(lit > 0.02)
    first, last = (int(seen[0]), int(seen[-1]) + 1) if seen.size > 8 else (0, len(lit))
    margin = (last - first) * (1 - _MIDDLE) / 2
    return first + margin, last - margin
