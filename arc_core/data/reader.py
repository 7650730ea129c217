"""Fundus photographs and their masks: decode a file, enter the network's square frame, and come back.

The square frame is the image centred on a black square of its longer side, then resized. Aspect is
kept, because the vertical cup-to-disc ratio is a ratio of heights.
"""

import io
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from arc_core.errors import DatasetError
from arc_core.provenance.files import write_atomically

Pixels = NDArray[np.uint8]
MAX_PIXELS = 80_000_000  # under Pillow's own warning; the largest fundus cameras give about 30 million
MAX_BYTES = 2**30
MAX_SIDE_PX = 12_000
"""The square frame is as wide as the longer side: a strip of few pixels could take any memory."""
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
"""Pillow would know others by their content, whatever the file is called; for EPS it starts Ghostscript."""
MASK_PALETTE = (0, 0, 0, 0, 158, 115, 240, 228, 66)  # background black, rim green, cup yellow
SAVE_AS = "Export it again as an 8-bit RGB PNG, or remove it."

_UNREADABLE = (
    OSError,
    SyntaxError,  # Pillow's word for a broken PNG
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_image(path: Path) -> Pixels:
    """The photograph as it is meant to be seen: (height, width, 3), RGB. DatasetError if unreadable."""
    return decode_image(read_bytes(path), path)


def read_mask(path: Path) -> Pixels:
    """A mask: (height, width), 0 background, 1 rim, 2 cup. DatasetError if it holds anything else."""
    return decode_mask(read_bytes(path), path)


def read_grey(path: Path) -> Pixels:
    """A picture of one 8-bit channel: (height, width). DatasetError if it is any other."""
    image = _decode(read_bytes(path), path)
    if image.mode != "L":
        raise DatasetError(
            "the picture is not grey", where=path, got=f"mode {image.mode}", expected="mode L", cure=SAVE_AS
        )
    return np.array(image)


def read_bytes(path: Path) -> bytes:
    """The file's bytes. DatasetError if it cannot be opened, or is no file of a photograph's size."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:  # a pipe would be waited for
            raise DatasetError(
                "it is no file that could be read whole",
                where=path,
                expected=f"a regular file of at most {MAX_BYTES:,} bytes",
                cure="Remove it, or put the file itself there.",
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            "the file cannot be opened",
            where=path,
            got=error.strerror,
            cure="Check that it exists and may be read.",
        ) from None


def decode_image(data: bytes, where: Path) -> Pixels:
    """`read_image` for bytes already in memory; `where` names the file in errors."""
    image = _decode(data, where)
    if image.mode == "F":
        raise DatasetError(
            "the image has floating-point pixels", where=where, expected="8 or 16 bits", cure=SAVE_AS
        )
    if image.mode.startswith("I"):
        image = Image.fromarray(_to_eight_bits(np.asarray(image)))
    if image.has_transparency_data:
        # Outside the field of view a fundus photograph is black, so transparent becomes black.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.array(image.convert("RGB"))  # a copy: torch refuses read-only memory


def decode_mask(data: bytes, where: Path) -> Pixels:
    """`read_mask` for bytes already in memory; `where` names the file in errors."""
    image = _decode(data, where)
    if image.mode not in ("1", "L", "P", "I") and not image.mode.startswith("I;16"):
        raise DatasetError(
            "the mask is in colour, or not of whole numbers",
            where=where,
            got=f"mode {image.mode}",
            expected="one channel, grey or palette",
            cure="Save it as a grey or palette PNG: 0 background, 1 rim, 2 cup.",
        )
    mask = np.array(image)
    values = np.flatnonzero(np.bincount(mask.ravel())) if mask.dtype == np.uint8 else np.unique(mask)
    if values[-1] > 2 or values[0] < 0:
        raise _wrong_values(where, [int(value) for value in values])
    return mask.astype(np.uint8, copy=False)


def to_square(image: Pixels, size_px: int) -> Pixels:
    """An image (H, W, 3) or a mask (H, W) in the square frame of side `size_px`.

    Images are resized with an antialiased bilinear filter, masks by the nearest pixel.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = _margins(height, width)
    square = np.zeros((side, side, *image.shape[2:]), np.uint8)
    square[top : top + height, left : left + width] = image
    if side == size_px:
        return square
    method = Image.Resampling.BILINEAR if image.ndim == 3 else Image.Resampling.NEAREST
    return np.array(Image.fromarray(square).resize((size_px, size_px), method))


def from_square(probabilities: NDArray[np.float32], height_px: int, width_px: int) -> NDArray[np.float32]:
    """Maps (C, S, S) in the square frame back to the original frame: (C, height, width)."""
    side = max(height_px, width_px)
    top, left = _margins(height_px, width_px)
    planes = [_resize_plane(plane, side) for plane in probabilities]
    return np.stack([plane[top : top + height_px, left : left + width_px] for plane in planes])


def write_mask(path: Path, mask: Pixels) -> None:
    """Writes a palette PNG with visible colours; the file is complete or absent."""
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(MASK_PALETTE)
    write_png(path, image)


def write_png(path: Path, image: Image.Image) -> None:
    """Writes the whole file or none."""
    content = io.BytesIO()
    image.save(content, format="PNG", compress_level=3)
    write_atomically(path, content.getvalue())


def _decode(data: bytes, where: Path) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as header:
            _refuse_bomb(header, where)
            header.verify()  # checksums; the image must be opened anew afterwards
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        image.load()
        return ImageOps.exif_transpose(image)
    except _BOMB as error:
        raise DatasetError(
            "the image is too large to be a fundus photograph",
            where=where,
            got=str(error),
            expected=f"at most {MAX_PIXELS:,} pixels, and {MAX_SIDE_PX:,} a side",
            cure="Check where the file comes from, and scale it down.",
        ) from None
    except _UNREADABLE as error:
        raise DatasetError(
            "the file is not an image, or is damaged", where=where, got=_reason(error), cure=SAVE_AS
        ) from None


def _reason(error: Exception) -> str:
    # Pillow's own words name the buffer in memory.
    return "no known image format" if isinstance(error, UnidentifiedImageError) else str(error)


def _refuse_bomb(header: Image.Image, where: Path) -> None:
    if header.width * header.height > MAX_PIXELS or max(header.size) > MAX_SIDE_PX:
        raise Image.DecompressionBombError(f"{header.width} × {header.height} pixels")


def _to_eight_bits(pixels: NDArray[np.generic]) -> Pixels:
    """Sensors fill 8, 10, 12, 14 or 16 bits of a wider file; the smallest that holds the maximum counts."""
    wide = np.clip(pixels.astype(np.int64), 0, None)
    bits = next((bits for bits in (8, 10, 12, 14, 16) if wide.max() < 2**bits), 32)
    return (wide >> (bits - 8)).astype(np.uint8)


def _wrong_values(where: Path, values: list[int]) -> DatasetError:
    shown = ", ".join(map(str, values[:8])) + (", …" if len(values) > 8 else "")
    if len(values) == 3 and values[0] == 0:
        cure = f"Write 1 for {values[1]} (rim) and 2 for {values[2]} (cup)."
    elif len(values) > 3:
        cure = "Save it without smoothing or JPEG: 0 background, 1 rim, 2 cup (often stored as 0, 128, 255)."
    else:
        cure = "Save disc and cup in one file: 0 background, 1 rim, 2 cup (often stored as 0, 128, 255)."
    return DatasetError(
        "the mask holds other values than 0, 1, 2", where=where, got=f"values {shown}", cure=cure
    )


def _margins(height: int, width: int) -> tuple[int, int]:
    side = max(height, width)
    return (side - height) // 2, (side - width) // 2


def _resize_plane(plane: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    if plane.shape == (side, side):
        return plane
    image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
