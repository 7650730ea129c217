"""Whatever bytes an image has: pixels come out, or a DatasetError that names the file."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from arc_core.data.reader import MAX_SIDE_PX, decode_image, decode_mask
from arc_core.errors import DatasetError
from tests.security.strategies import AGAIN

MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "I;16B", "F"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
}
KINDS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]


def written(kind: str, mode: str, width_px: int, height_px: int, orientation: int = 1) -> bytes:
    """A file of noise."""
    content, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, height_px * width_px * 4, np.uint8).tobytes()
    bytes_in = {"1": (width_px + 7) // 8 * height_px, "I;16": 2 * width_px * height_px}
    size = bytes_in.get(mode) or len(Image.new(mode, (width_px, height_px)).tobytes())
    image = Image.frombytes(mode, (width_px, height_px), noise[:size])
    image.save(content, kind, **({} if kind == "BMP" else {"exif": exif}))
    return content.getvalue()


@settings(AGAIN, max_examples=120)
@given(
    how=st.sampled_from(KINDS),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    orientation=st.integers(1, 8),
)
def test_images_of_every_kind_are_read_or_refused(how, size, orientation):
    width, height = size
    data = written(*how, width, height, orientation)
    shape = (width, height) if orientation > 4 and how[0] != "BMP" else (height, width)
    with suppress(DatasetError):
        image = decode_image(data, Path("a"))
        assert (image.shape, image.dtype) == ((*shape, 3), np.uint8)
    with suppress(DatasetError):
        mask = decode_mask(data, Path("a"))
        assert mask.shape == shape
        assert mask.max() <= 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what it could make out all the same
@settings(AGAIN, max_examples=400)
@given(how=st.sampled_from(KINDS), data=st.data())
def test_images_that_are_damaged(how, data):
    whole = bytearray(written(*how, 9, 7))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(whole[: data.draw(st.integers(0, len(whole)))] or whole)
    for decode in (decode_image, decode_mask):
        try:
            pixels = decode(content, Path("a"))
        except DatasetError as error:
            assert str(error).startswith("a: ")
        else:
            assert 0 < pixels.size <= 3 * 80_000_000


@settings(AGAIN, max_examples=100)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.binary(max_size=60).map(lambda rest: b"\x89PNG\r\n\x1a\n" + rest)
    )
)
def test_bytes_that_are_no_image(content):
    with pytest.raises(DatasetError):
        decode_image(content, Path("a"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PPM", "TGA", "ICO", "EPS"])
def test_a_file_of_another_kind_is_refused_whatever_it_is_called(kind):
    """For EPS, Pillow would start Ghostscript on it."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, kind)
    with pytest.raises(DatasetError, match="no known image format"):
        decode_image(content.getvalue(), Path("a.png"))


@pytest.mark.parametrize("size", [(MAX_SIDE_PX + 1, 1), (1, MAX_SIDE_PX + 1), (10_000, 9_000)])
def test_a_file_that_would_take_the_memory_is_refused_unread(size, monkeypatch):
    content = io.BytesIO()
    Image.new("1", size).save(content, "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(DatasetError, match="too large"):
        decode_image(content.getvalue(), Path("a"))
