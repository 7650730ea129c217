import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from arc_core.data.reader import from_square, read_grey, read_image, read_mask, to_square, write_mask
from arc_core.errors import DatasetError


@pytest.fixture
def grey():
    return np.linspace(0, 255, 12 * 20).astype(np.uint8).reshape(12, 20)


def test_grey_becomes_three_equal_channels(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (12, 20, 3)
    assert (image == grey[..., None]).all()
    image[0, 0] = 1  # torch needs writable memory


def test_a_grey_picture_is_read_as_it_is_and_no_other(tmp_path, grey):
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert (read_grey(tmp_path / "a.png") == grey).all()
    Image.fromarray(grey).convert("RGB").save(tmp_path / "b.png")
    with pytest.raises(DatasetError, match=r"b\.png: the picture is not grey; got mode RGB"):
        read_grey(tmp_path / "b.png")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_sixteen_bit_files_use_the_range_of_their_sensor(tmp_path, grey, bits):
    Image.fromarray((grey.astype(np.uint16) << (bits - 8)).astype(np.uint16)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == grey[..., None]).all()


def test_transparent_becomes_black(tmp_path):
    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[..., 3] = 255
    pixels[0, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image[0] == 0).all()
    assert (image[1:] == 200).all()


def test_camera_orientation_is_applied(tmp_path, grey):
    image = Image.fromarray(grey)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise when shown
    image.save(tmp_path / "a.png", exif=exif)
    assert (read_image(tmp_path / "a.png")[..., 0] == np.rot90(grey, -1)).all()


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DatasetError, match="floating-point"):
        read_image(tmp_path / "a.tif")


def test_missing_file_names_itself(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png"):
        read_image(tmp_path / "gone.png")


def test_masks_round_trip_and_can_be_seen(tmp_path):
    mask = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    write_mask(tmp_path / "a.png", mask)
    assert (read_mask(tmp_path / "a.png") == mask).all()
    colours = np.array(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_square_frame_centres_and_pads_with_black():
    image = np.full((10, 20, 3), 9, np.uint8)
    square = to_square(image, 20)
    assert square.shape == (20, 20, 3)
    assert (square[5:15] == 9).all()
    assert (square[:5] == 0).all()
    assert (square[15:] == 0).all()


def test_shrinking_averages_rather_than_drops():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.ptp(to_square(stripes, 16)[2:-2, 2:-2]) < 20


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    height=st.integers(16, 90), width=st.integers(16, 90), size=st.sampled_from([32, 64, 128]), data=st.data()
)
def test_there_and_back_keeps_every_shape_in_place(height, width, size, data):
    """A box that goes into the square frame comes back where it was, within the frame's own pixel."""
    top, left = data.draw(st.integers(0, height - 8)), data.draw(st.integers(0, width - 8))
    mask = np.zeros((height, width), np.uint8)
    mask[top : top + 8, left : left + 8] = 1
    back = from_square(to_square(mask, size)[None].astype(np.float32), height, width)
    assert back.shape == (1, height, width)
    assert back.dtype == np.float32
    rows, columns = np.nonzero(back[0] > 0.5)
    pixel = max(1.0, max(height, width) / size)
    assert abs(rows.mean() - (top + 3.5)) <= pixel
    assert abs(columns.mean() - (left + 3.5)) <= pixel


def test_same_size_is_exact():
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 3, (24, 40)).astype(np.uint8)
    assert (from_square(to_square(mask, 40)[None].astype(np.float32), 24, 40)[0] == mask).all()


def test_the_tall_real_image(drishti):
    path = next(p for p in sorted(drishti.glob("images/*.png")) if read_mask_shape(p) == (1024, 512))
    mask = read_mask(drishti / "masks" / path.name)
    back = from_square((to_square(mask, 256) >= 1)[None].astype(np.float32), *mask.shape)[0] > 0.5
    disc = mask >= 1
    assert 2 * (back & disc).sum() / (back.sum() + disc.sum()) > 0.98


def read_mask_shape(path):
    return read_image(path).shape[:2]
