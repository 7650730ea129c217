"""Whatever bytes or trees come in: ARC's own errors come out, or what was meant."""

import io
import json
import shutil
import sqlite3
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from arc_core.config import load_config
from arc_core.data.labels import COLUMNS, read_labels
from arc_core.data.reader import MAX_SIDE_PX, decode_image, decode_mask
from arc_core.errors import ArcError, DatasetError, SpecError, Unverified
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.spec import parse_spec
from arc_core.experiments.verification import Verified, seal, verify
from arc_core.provenance.heads import Heads, key_of
from arc_core.provenance.ledger import GENESIS
from arc_core.settings import load_settings
from tests.contracts.records import RESULT, SPEC, STUDY, approve, holding

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
AGAIN = settings(derandomize=True, deadline=None, suppress_health_check=SLOW, database=None)
"""The same examples in every run."""
DEEP = "[" * 100_000
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.builds(lambda: 10**5000),
    st.floats(),
    st.text(max_size=12),
    st.just(DEEP),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


# Manifests


LINES = st.lists(
    st.sampled_from(["a", "b", "0", "1", ",", '"', "\n", "\r\n", "\0", ";", " ", "é", "x" * 140_000])
)


@settings(AGAIN, max_examples=200)
@given(
    head=st.sampled_from(
        ["", "image_id,label\n", "image_id,label,patient_id,site\n", COLUMNS, "\ufeffimage_id,label\n"]
    ),
    rest=st.one_of(st.binary(max_size=60), LINES.map(lambda parts: "".join(parts).encode())),
)
def test_labels(tmp_path, head, rest):
    path = tmp_path / "labels.csv"
    path.write_bytes(head.encode() + rest)
    try:
        rows = read_labels(path)
    except DatasetError as error:
        assert str(path) in str(error)
        assert error.cure
    else:
        assert all(row.label in (0, 1) and row.image_id for row in rows.values())


# Specs

PATHS = sorted(
    {*SPEC.flat(), "loss", "architecture", "loss.params", "nowhere", "loss.params.gamma", "a..b", ""}
)


@settings(AGAIN, max_examples=200)
@given(tree=TREES, path=st.sampled_from(PATHS), key=st.text(max_size=5), value=TREES)
def test_specs(tree, path, key, value):
    whole = SPEC.model_dump(mode="json")
    for attempt in (
        lambda: parse_spec(tree),
        lambda: parse_spec(whole | {key: value}),
        lambda: SPEC.changed({path: value}),
        lambda: SPEC.changed({key: value}),
    ):
        try:
            made = attempt()
        except SpecError as error:
            assert len(str(error)) < 2000
        else:
            assert parse_spec(json.loads(made.model_dump_json())).id == made.id


OVERRIDES = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{}={}".format,
        st.sampled_from(
            [
                "spec.epochs",
                "model",
                "data.path",
                "llm.default.base_url",
                "space.axes",
                "loss",
                "++x",
                "~spec",
            ]
        ),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["../../x", "${oc.env:HOME}", "[", "{a:{b:1}}", "http://u:p@h"]),
        ),
    ),
)


@settings(AGAIN, max_examples=25)
@given(override=OVERRIDES)
def test_overrides(override):
    with suppress(ArcError):
        load_config([override], settings=load_settings())


def test_an_override_reads_no_variable_of_the_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-environment")
    with pytest.raises(ArcError) as refused:
        load_config(["data.path=${oc.env:OPENAI_API_KEY}"], settings=load_settings())
    assert "canary-of-the-environment" not in str(refused.value)


# Ledgers


class Home(NamedTuple):
    folder: Path
    found: Verified

    def again(self) -> Verified:
        config = load_settings(home=self.folder)
        with closing(Memory(f"sqlite:///{self.folder / 'arc.db'}")) as memory:
            return verify(memory.database, Heads(config.anchors_folder), Runs.of(config))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Home:
    """A small record: a study, an experiment with a result of one file, a verdict, and a signed head."""
    home = tmp_path_factory.mktemp("fuzz") / "home"
    config = load_settings(home=home)
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        (experiment,) = approve(memory, 1)
        lease = holding(memory, experiment)
        cases = home / "runs" / experiment / "cases.json"
        cases.parent.mkdir(parents=True)
        cases.write_text("[]")
        files = {"cases.json": sha256(b"[]").hexdigest()}
        memory.keep_result(experiment, RESULT.model_copy(update={"files": files}), lease.id)
        about = {"metric": "mean_dice", "champion_id": None, "comparisons": 0, "reason": ""}
        memory.keep_verdict(STUDY.id, Verdict(experiment_id=experiment, outcome="baseline", **about))
        seal(memory.ledger, config)
        memory.database.settle()
    home = Home(home, found=None)
    return home._replace(found=home.again())


@pytest.fixture
def copy(made, tmp_path):
    """Makes fresh copies of that record, one for each example."""

    def copied() -> Home:
        shutil.rmtree(tmp_path / "all", ignore_errors=True)
        shutil.copytree(made.folder.parent, tmp_path / "all")
        return made._replace(folder=tmp_path / "all" / "home")

    return copied


CELLS = {
    "ledger": ["number", "kind", "subject", "hash", "body"],
    "studies": ["id", "dataset_sha256", "dataset", "split", "created"],
    "experiments": ["id", "spec", "started", "ended", "status"],
    "results": ["experiment_id", "body", "files"],
    "verdicts": ["experiment_id", "body"],
}
PLACES = st.sampled_from([(table, column) for table, columns in CELLS.items() for column in columns])
VALUES = st.one_of(
    st.sampled_from(
        [None, "{}", "[]", "null", '"x"', "{bad", DEEP, GENESIS, "2026-01-01 00:00:00", 10**18, -1]
    ),
    st.integers(-3, 30),
    st.binary(max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


def unguarded(home: Home) -> sqlite3.Connection:
    db = sqlite3.connect(home.folder / "arc.db")
    for name in ("ledger_no_update", "ledger_no_delete", "ledger_no_replace"):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    return db


def is_told_or_equal(home: Home) -> None:
    try:
        found = home.again()
    except Unverified as error:
        assert str(error)
    else:
        assert found == home.found


@settings(AGAIN, max_examples=150)
@given(place=PLACES, value=VALUES, row=st.integers(0, 12), deletes=st.booleans())
def test_stores(copy, place, value, row, deletes):
    home, (table, column) = copy(), place
    with closing(unguarded(home)) as db, suppress(sqlite3.IntegrityError), db:
        at = f"WHERE rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {row})"
        if deletes and value is None:
            db.execute(f"DELETE FROM {table} {at}")
        else:
            db.execute(f"UPDATE {table} SET {column} = ? {at}", (value,))
    is_told_or_equal(home)


@settings(AGAIN, max_examples=100)
@given(
    number=st.integers(1, 9),
    key=st.sampled_from(["at", "kind", "subject", "facts", "outputs", "inputs", "x"]),
    value=TREES,
)
def test_events_whose_hashes_were_made_anew(copy, number, key, value):
    """As who lacks the signing key alone could write them."""
    home = copy()
    with closing(unguarded(home)) as db, db:
        rows = db.execute("SELECT number, body FROM ledger ORDER BY number").fetchall()
        previous = GENESIS
        for at, body in rows:
            said = json.loads(body) | {"previous": previous} | ({key: value} if at == number else {})
            try:
                body = json.dumps(said)
            except ValueError:  # of more digits than Python writes
                return
            previous = sha256(body.encode()).hexdigest()
            db.execute("UPDATE ledger SET hash = ?, body = ? WHERE number = ?", (previous, body, at))
    is_told_or_equal(home)


@settings(AGAIN, max_examples=150)
@given(data=st.data())
def test_heads(copy, data):
    home = copy()
    (path,) = home.folder.with_name("home-anchors").iterdir()
    whole = path.read_bytes()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    junk = st.one_of(st.binary(max_size=30), TREES.map(_json))
    path.write_bytes(whole[:start] + data.draw(junk) + whole[end:])
    if path.read_bytes():
        is_told_or_equal(home)


def _json(tree: object) -> bytes:
    try:
        return json.dumps(tree).encode()
    except ValueError:
        return DEEP.encode()


@settings(AGAIN, max_examples=100)
@given(tree=TREES, name=st.sampled_from(["key", "public_key"]))
def test_keys(tree, name):
    """What an event declares as a key, and verification then meets."""
    with suppress(LookupError, TypeError, ValueError):  # those that become Unverified
        key_of({"key": "0" * 64, "public_key": "0" * 64} | {name: tree})


# Images

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
