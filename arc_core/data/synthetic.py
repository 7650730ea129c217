"""A simulated dataset, for the first cycle and for the tests. Its figures say nothing about patients."""

import csv
import os
import shutil
import uuid
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from arc_core.data.anatomy import vertical_cdr
from arc_core.data.manifest import SIMULATED_MARK
from arc_core.data.phantom import Camera, Eye, draw_eye
from arc_core.data.reader import write_mask, write_png
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record

GENERATOR_VERSION = 1  # raise it when the pictures change, so that old folders are not taken for new ones
README = f"""{SIMULATED_MARK} images: drawn by ARC's synthetic generator, not taken from any patient.
They exercise the software. No figure measured on them is evidence about glaucoma.
"""


class SyntheticConfig(Record):
    """Size and difficulty of the simulated dataset."""

    cases: int = Field(48, ge=4, le=5000)
    image_size_px: int = Field(160, ge=32, le=1024)
    seed: int = Field(0, ge=0, lt=2**31)
    both_eyes: float = Field(1 / 3, ge=0, le=1, description="share of patients with two images")
    vcdr_mean: float = Field(0.6, ge=0.2, le=0.9)
    vcdr_spread: float = Field(0.15, ge=0, le=0.4, description="standard deviation between patients")
    label_noise: float = Field(
        0.065, ge=0, le=1, description="scale of the logistic noise between vCDR and label, in vCDR"
    )
    cup_contrast: float = Field(0.5, ge=0, le=1, description="how clearly the cup stands out of the rim")
    noise_sigma: float = Field(5.0, ge=0, le=50, description="sensor noise, in grey levels of 255")
    blur: float = Field(0.006, ge=0, le=0.05, description="mean blur radius, as a share of the image's side")
    distractors: float = Field(0.5, ge=0, le=1, description="probability of each misleading structure")

    @property
    def id(self) -> str:
        """Equal configs of one generator version, equal id."""
        return sha256_of({"version": GENERATOR_VERSION, **self.model_dump(mode="json")})[:12]


def generate(config: SyntheticConfig, root: Path) -> None:
    """Draws the dataset into the new folder `root`: images/, masks/, labels.csv, README.txt.

    The folder appears complete or not at all. FileExistsError if it is there already.
    """
    if root.exists():
        raise FileExistsError(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    draft = root.parent / f".{root.name}-{uuid.uuid4().hex}"
    try:
        draft.mkdir()
        _write(config, draft)
        try:
            os.rename(draft, root)  # noqa: PTH104 - Path.rename hides that a full folder is never replaced
        except OSError:
            if root.exists():
                raise FileExistsError(root) from None
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class _Subject(Record):
    """One picture to draw: whose, which eye, where taken."""

    image_id: str
    patient_id: str
    vcdr: float
    left: bool
    camera: Camera


CAMERAS = (
    Camera(name="alpha", gain=1.0, tint=(1.0, 0.95, 0.85), haze=0.02),
    Camera(name="beta", gain=0.72, tint=(0.92, 1.06, 1.0), haze=0.12),
)


def _write(config: SyntheticConfig, folder: Path) -> None:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    subjects = _subjects(config, np.random.default_rng((config.seed, 0)))
    ratios: list[float] = []
    for number, subject in enumerate(subjects):
        rng = np.random.default_rng((config.seed, 1, number))
        image, mask = draw_eye(_eye(config, subject, rng), subject.camera, config.image_size_px, rng)
        write_png(folder / "images" / f"{subject.image_id}.png", Image.fromarray(image))
        write_mask(folder / "masks" / f"{subject.image_id}.png", mask)
        ratios.append(vertical_cdr(mask) or 0.0)
    labels = _labels(config, np.array(ratios), np.random.default_rng((config.seed, 2)))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image_id", "label", "patient_id", "site", "camera"])
        for subject, label in zip(subjects, labels, strict=True):
            camera = subject.camera.name
            table.writerow(
                [subject.image_id, label, subject.patient_id, f"site-{camera}", f"camera-{camera}"]
            )
    (folder / "README.txt").write_text(README, encoding="utf-8")


def _subjects(config: SyntheticConfig, rng: np.random.Generator) -> list[_Subject]:
    """Patients one after the other, until there are enough pictures; both eyes resemble each other."""
    subjects: list[_Subject] = []
    patient = 0
    while len(subjects) < config.cases:
        patient += 1
        # Alternate, so that neither site nor eye says anything about the label.
        camera = CAMERAS[patient % len(CAMERAS)]
        usual = rng.normal(config.vcdr_mean, config.vcdr_spread)
        first_left, both = bool(rng.integers(2)), rng.random() < config.both_eyes
        for left in (first_left, not first_left)[: 2 if both else 1]:
            subjects.append(
                _Subject(
                    image_id=f"sim_{patient:04d}_{'left' if left else 'right'}",
                    patient_id=f"sim_{patient:04d}",
                    vcdr=float(np.clip(usual + rng.normal(0, 0.03), 0.25, 0.9)),
                    left=left,
                    camera=camera,
                )
            )
    return subjects[: config.cases]


def _eye(config: SyntheticConfig, subject: _Subject, rng: np.random.Generator) -> Eye:
    return Eye(
        vcdr=subject.vcdr,
        disc_height=rng.uniform(0.52, 0.76),
        disc_aspect=rng.uniform(0.84, 1.04),
        tilt_rad=rng.normal(0, 0.15),
        left=subject.left,
        cup_contrast=float(np.clip(config.cup_contrast * rng.lognormal(0, 0.45), 0, 1)),
        blur_px=config.blur * config.image_size_px * rng.uniform(0.4, 1.6),
        noise_sigma=config.noise_sigma * rng.uniform(0.6, 1.4),
        atrophy=rng.random() < config.distractors,
        exudates=rng.random() < config.distractors / 2,
        glare=rng.random() < config.distractors / 2,
    )


def _labels(config: SyntheticConfig, ratios: np.ndarray, rng: np.random.Generator) -> list[int]:
    """P(glaucoma) rises with the vCDR as a logistic curve; the threshold makes half of them ill."""
    latent = ratios + config.label_noise * rng.logistic(size=len(ratios))
    return [int(value > np.median(latent)) for value in latent]
