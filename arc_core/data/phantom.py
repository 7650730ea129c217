"""Draws one simulated fundus crop around the optic disc, with its exact mask. Pure but for its generator.

What makes real discs hard is drawn: the cup is a gradual change of pallor without an edge, vessels
hide the rim, atrophy around the disc looks like disc, and light, colour and focus differ by camera.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from pydantic import Field

from arc_core.data.reader import Pixels
from arc_core.record import Record

Map = NDArray[np.float32]

ARTERY = np.array([0.80, 0.42, 0.34], np.float32)  # what a vessel leaves of red, green, blue
VEIN = np.array([0.66, 0.26, 0.24], np.float32)


class Camera(Record):
    """How a site's pictures look."""

    name: str
    gain: float = Field(description="brightness")
    tint: tuple[float, float, float] = Field(description="factor on red, green, blue")
    haze: float = Field(ge=0, le=1, description="grey veil over the picture")


class Eye(Record):
    """Anatomy and difficulty of one picture; lengths are shares of the image's side."""

    vcdr: float = Field(gt=0, lt=1)
    disc_height: float
    disc_aspect: float = Field(description="width over height")
    tilt_rad: float
    left: bool = Field(description="temporal side on the left")
    cup_contrast: float = Field(ge=0, le=1)
    blur_px: float
    noise_sigma: float
    atrophy: bool
    exudates: bool
    glare: bool


def draw_eye(eye: Eye, camera: Camera, size_px: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """The photograph (S, S, 3) and its mask (S, S): 0 background, 1 rim, 2 cup."""
    side = -1.0 if eye.left else 1.0  # towards the temple
    centre = rng.uniform(-0.05, 0.05, 2)
    shift = side * rng.uniform(0.0, 0.12) * eye.disc_height / 2
    cup_centre = centre + np.array([shift, rng.normal(0, 0.006)])
    disc = _depth(size_px, centre, eye.disc_height, eye.disc_aspect, eye.tilt_rad, rng)
    cup_aspect = eye.disc_aspect * rng.uniform(0.85, 1.1)
    cup = _depth(size_px, cup_centre, eye.disc_height * eye.vcdr, cup_aspect, eye.tilt_rad, rng)
    cup = np.minimum(cup, disc - 0.02)
    mask = (disc > 0).astype(np.uint8) + (cup > 0).astype(np.uint8)

    picture = _retina(size_px, rng)
    if eye.atrophy:
        picture = _atrophy(picture, disc, side, rng)
    picture = _tissue(picture, disc, cup, eye, rng)
    if eye.exudates:
        picture = _exudates(picture, rng)
    picture = picture * _vessels(size_px, centre, side, eye.disc_height, rng)
    picture = _light(picture, eye, camera, rng)
    return _sensor(picture, eye, rng), mask


def _grid(size_px: int) -> tuple[Map, Map]:
    """x and y of every pixel's centre, from −0.5 to 0.5."""
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5
    return np.broadcast_to(axis, (size_px, size_px)), np.broadcast_to(axis[:, None], (size_px, size_px))


def _depth(
    size_px: int,
    centre: NDArray[np.float64],
    height: float,
    aspect: float,
    tilt_rad: float,
    rng: np.random.Generator,
) -> Map:
    """How far inside a wobbly ellipse each pixel lies, as a share of the image's side; negative outside."""
    x, y = _grid(size_px)
    x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
    cos, sin = math.cos(tilt_rad), math.sin(tilt_rad)
    u, v = (x * cos + y * sin) / aspect, y * cos - x * sin
    angle = np.arctan2(v, u)
    wobble = np.ones_like(angle)
    for order in (2, 3, 5):
        wobble += rng.normal(0, 0.03 / order) * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    return np.asarray(height / 2 * wobble - np.hypot(u, v), dtype=np.float32)


def _cloud(size_px: int, cells: int, rng: np.random.Generator) -> Map:
    """Smooth random texture around 0, about 1 high, with `cells` bumps along a side."""
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((size_px, size_px), Image.Resampling.BICUBIC))


def _retina(size_px: int, rng: np.random.Generator) -> Map:
    base = (
        np.array([0.56, 0.27, 0.11])
        * rng.uniform(0.8, 1.15)
        * rng.uniform([0.95, 0.8, 0.6], [1.05, 1.2, 1.5])
    )
    texture = 0.06 * _cloud(size_px, 6, rng) + 0.04 * _cloud(size_px, 20, rng)
    return np.asarray(base * (1 + texture[..., None]), dtype=np.float32)


def _blend(picture: Map, colour: NDArray[np.floating], share: Map) -> Map:
    return np.asarray(picture + share[..., None] * (colour - picture), dtype=np.float32)


def _edge(depth: Map, width: float) -> Map:
    """0 outside, 1 inside, and a gradual change about `width` wide between."""
    return np.asarray(1 / (1 + np.exp(np.clip(-4 * depth / width, -30, 30))), dtype=np.float32)


def _atrophy(picture: Map, disc: Map, side: float, rng: np.random.Generator) -> Map:
    """A pale crescent outside the disc, mostly towards the temple."""
    x, y = _grid(len(picture))
    facing = np.clip((side * x + rng.normal(0, 0.3) * y) / np.hypot(x, y).clip(0.05), 0, 1)
    width = rng.uniform(0.03, 0.09)
    ring = _edge(disc + width * facing, 0.015) * facing
    ragged = 0.75 + 0.25 * _cloud(len(picture), 14, rng)
    colour = picture.mean((0, 1)) * rng.uniform(1.25, 1.6) + 0.03
    return _blend(picture, colour, np.asarray(rng.uniform(0.5, 0.9) * ring * ragged, dtype=np.float32))


def _tissue(picture: Map, disc: Map, cup: Map, eye: Eye, rng: np.random.Generator) -> Map:
    """The rim, orange, and the cup, paler; no step between them, and the pallor is uneven."""
    background = picture.mean((0, 1))
    rim = background * rng.uniform(1.25, 1.55) * rng.uniform([0.97, 0.9, 0.85], [1.05, 1.15, 1.1])
    pale = rim * (1 + eye.cup_contrast * np.array([0.16, 0.75, 0.95])) + eye.cup_contrast * 0.06
    picture = _blend(picture, rim, _edge(disc, rng.uniform(0.012, 0.04)))
    share = _edge(cup, rng.uniform(0.03, 0.1)) * (1 + 0.12 * _cloud(len(picture), 4, rng))
    patch = np.clip(0.12 * eye.cup_contrast * _cloud(len(picture), 5, rng), -0.15, 0.15) * _edge(disc, 0.02)
    return np.asarray(_blend(picture, pale, share) * (1 + patch[..., None]), dtype=np.float32)


def _exudates(picture: Map, rng: np.random.Generator) -> Map:
    """A few small bright deposits anywhere, the disc included."""
    x, y = _grid(len(picture))
    share = np.zeros_like(x)
    for _ in range(int(rng.integers(2, 7))):
        spot_x, spot_y, radius = *rng.uniform(-0.48, 0.48, 2), rng.uniform(0.01, 0.035)
        share = np.maximum(share, _edge(radius - np.hypot(x - spot_x, y - spot_y), 0.015))
    return _blend(picture, np.array([0.9, 0.75, 0.4]), np.asarray(rng.uniform(0.4, 0.8) * share, np.float32))


def _vessels(
    size_px: int, centre: NDArray[np.float64], side: float, height: float, rng: np.random.Generator
) -> Map:
    """What the vessels leave of the light: (S, S, 3). They rise from the disc and bend to the temple."""
    layers = {kind: Image.new("L", (2 * size_px, 2 * size_px)) for kind in ("artery", "vein")}
    pens = {kind: ImageDraw.Draw(layer) for kind, layer in layers.items()}
    trunk = centre + np.array([-side * rng.uniform(0.02, 0.2) * height, rng.normal(0, 0.02)])
    for vertical in (-1, 1):
        for kind, width in (("artery", 0.022), ("vein", 0.03)):
            start = trunk + rng.normal(0, 0.015, 2)
            heading = math.atan2(vertical, rng.normal(-0.1, 0.25) * side)
            _branch(pens[kind], start, heading, width * rng.uniform(0.8, 1.25), side, rng, forks=2)
    for _ in range(int(rng.integers(3, 7))):
        kind = "artery" if rng.random() < 0.5 else "vein"
        heading = rng.uniform(-math.pi, math.pi)
        _branch(pens[kind], trunk, heading, rng.uniform(0.006, 0.013), side, rng, forks=1)
    left = np.ones((size_px, size_px, 3), np.float32)
    for kind, colour in (("artery", ARTERY), ("vein", VEIN)):
        small = layers[kind].reduce(2).filter(ImageFilter.GaussianBlur(size_px / 320))
        cover = np.asarray(small, np.float32)[..., None] / 255 * np.float32(rng.uniform(0.65, 0.95))
        left *= 1 - cover * (1 - colour)
    return left


def _branch(
    pen: ImageDraw.ImageDraw,
    start: NDArray[np.float64],
    heading: float,
    width: float,
    side: float,
    rng: np.random.Generator,
    forks: int,
) -> None:
    """A curved, tapering line until it leaves the picture, with side branches."""
    scale, steps, bend = pen.im.size[0], 30, 0.0
    x, y = float(start[0]), float(start[1])
    bends = rng.normal(0, 0.07, steps).tolist()
    fork_at = set(rng.integers(4, 16, forks).tolist())
    for step in range(steps):
        ahead_x, ahead_y = x + 0.03 * math.cos(heading), y + 0.03 * math.sin(heading)
        pixels = max(1, round(width * scale * (1 - 0.5 * step / steps)))
        line = [(place + 0.5) * scale for place in (x, y, ahead_x, ahead_y)]
        pen.line(line, fill=255, width=pixels)
        if step in fork_at:
            turn = rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
            _branch(pen, np.array([ahead_x, ahead_y]), heading + turn, width * 0.6, side, rng, forks - 1)
        if max(abs(ahead_x), abs(ahead_y)) > 0.55:
            return
        bend = 0.7 * bend + bends[step]
        heading += bend - 0.03 * side * math.copysign(1, math.sin(heading))
        x, y = ahead_x, ahead_y


def _light(picture: Map, eye: Eye, camera: Camera, rng: np.random.Generator) -> Map:
    """Uneven illumination, the camera's colours, and its haze."""
    x, y = _grid(len(picture))
    slope = rng.normal(0, 0.22, 2)
    field = 1 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.5) * (x**2 + y**2)
    field += 0.05 * _cloud(len(picture), 3, rng)
    if eye.glare:
        spot = rng.uniform(-0.5, 0.5, 2)
        field += rng.uniform(0.15, 0.35) * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 0.03)
    exposure = camera.gain * rng.uniform(0.8, 1.2)
    tint = np.array(camera.tint) * rng.uniform(0.94, 1.06, 3)
    haze = camera.haze * rng.uniform(0.5, 1.5)
    lit = picture * field[..., None].clip(0.2) * exposure * tint
    return np.asarray(lit * (1 - haze) + haze * np.array([0.45, 0.38, 0.3]), dtype=np.float32)


def _sensor(picture: Map, eye: Eye, rng: np.random.Generator) -> Pixels:
    """Soft shoulder instead of clipping, focus blur, then noise."""
    levels = 255 * (1 - np.exp(-1.6 * picture.clip(0))) / (1 - math.exp(-1.6))
    sharp = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    seen = np.asarray(sharp.filter(ImageFilter.GaussianBlur(eye.blur_px)), np.float32)
    grain = rng.standard_normal(seen.shape, np.float32) * np.float32(eye.noise_sigma)
    return (seen + grain).clip(0, 255).astype(np.uint8)
