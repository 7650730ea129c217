"""Nothing that ARC reads can run code: no pickle, no unsafe loader, no shell, in all of the product."""

import ast
import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.checkpoint import AtomicIO, tensors_of, usable
from tests.command import copied, environment
from tests.conftest import ROOT

PRODUCT = sorted(
    [path for part in ("arc_core", "flows", "tasks") for path in (ROOT / part).rglob("*.py")]
    + [path for path in (ROOT / "scripts").iterdir() if "python" in path.read_text().partition("\n")[0]]
)
UNPICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
REFUSED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "runpy.run_path"),
    *("np.load", "numpy.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"),
    *("torch.jit.load", "torch.hub.load", "shutil.unpack_archive", "pd.read_pickle"),
}
"""Calls that run code, or may, or unpack an archive to wherever it says."""
METHODS = {"load_from_checkpoint", "extractall", "read_pickle"}
ONCE = {"torch.export.load": "arc_core/bundle/workflow.py"}
"""Behind a check of the file's SHA-256; and it reads a bundle, never a run folder."""


def faults(source: str, where: str = "") -> list[str]:
    """What in a source could run code that it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += [
            name
            for name in names
            if name.split(".")[0] in UNPICKLERS or name in {*REFUSED, "torch.load", "yaml.load"}
        ]
        if isinstance(node, ast.Call):
            found += _of_call(node, where)
    return found


def _of_call(call: ast.Call, where: str) -> list[str]:
    name = ast.unparse(call.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    bad = name in REFUSED or name.rpartition(".")[2] in METHODS or ONCE.get(name, where) != where
    bad = bad or (name == "yaml.load" and given.get("Loader") != "yaml.BaseLoader")  # that makes text alone
    bad = bad or (name == "torch.load" and given.get("weights_only") != "True")
    bad = bad or given.get("shell", "False") != "False" or "allow_pickle" in given
    return [name] if bad or given.get("weights_only", "True") != "True" else []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch; torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "torch.export.load(path)",
        "np.load(path)",
        "np.array(x, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "exec(text)",
        "from os import system",
        "from torch import load",
        "subprocess.run(text, shell=True)",
        "zipfile.ZipFile(path).extractall(folder)",
    ],
)
def test_the_search_finds_what_it_looks_for(source):
    assert faults(source)


def test_nothing_in_the_product_runs_what_it_reads():
    assert len(PRODUCT) > 250
    found = {(where := str(path.relative_to(ROOT))): faults(path.read_text(), where) for path in PRODUCT}
    assert {where: calls for where, calls in found.items() if calls} == {}


class Payload:
    """Whoever unpickles it makes the file `canary`."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.mkdir, (str(self.canary),))


@pytest.fixture
def canary(tmp_path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def evil(tmp_path, canary) -> Path:
    """A file of torch's that runs code where it is unpickled."""
    path = tmp_path / "evil.pt"
    torch.save({"pytorch-lightning_version": "2", "arc": {}, "state_dict": Payload(canary)}, path)
    torch.load(path, weights_only=False)
    assert canary.exists(), "it would work"
    canary.rmdir()
    return path


def by_deepspeed(path: Path) -> object:
    from arc_core.training.zero import SafeEngine

    return SafeEngine.load(None, str(path))  # of which it needs nothing else


@pytest.mark.parametrize("read", [tensors_of, AtomicIO().load_checkpoint, by_deepspeed])
def test_a_checkpoint_that_runs_code_is_read_by_nobody(evil, canary, read):
    with pytest.raises(Exception, match="Weights only load failed"):
        read(evil)
    assert not canary.exists()


@pytest.mark.parametrize("parts", [0, 2])
def test_a_checkpoint_that_runs_code_is_left_aside_and_named(evil, canary, tmp_path, caplog, parts):
    checkpoint = evil
    if parts:
        checkpoint = tmp_path / "deepspeed"
        checkpoint.mkdir()
        for number in range(parts):
            (checkpoint / f"{number}_optim_states.pt").write_bytes(evil.read_bytes())
    with caplog.at_level(logging.WARNING):
        assert not usable(checkpoint, by_deepspeed if parts else tensors_of, parts)
    assert str(checkpoint) in caplog.text
    assert not checkpoint.exists()
    assert not canary.exists()


def forge(home: Path, experiment: str, name: str, content: bytes) -> None:
    """A file of a result, and the result with it: as somebody could who may write the store too."""
    path = home / "runs" / experiment / name
    path.write_bytes(content)
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.execute(
            "UPDATE results SET files = json_set(files, ?, ?) WHERE experiment_id = ?",
            (f'$."{name}"', sha256_of_file(path), experiment),
        )


@pytest.mark.parametrize("is_recorded", [False, True], ids=["the file alone", "the store as well"])
@pytest.mark.parametrize("command", ["flows.predict", "flows.bundle"])
def test_a_model_that_runs_code_is_not_loaded(
    one_cycle, prefect_server, evil, canary, tmp_path, command, is_recorded
):
    home = copied(one_cycle.home, tmp_path / "home")
    champion = one_cycle.memory.champion(one_cycle.study).id
    model = home / "runs" / champion / "fold-0" / "model.pt"
    model.write_bytes(evil.read_bytes())
    if is_recorded:
        forge(home, champion, "fold-0/model.pt", evil.read_bytes())
    images = next((home / "data").glob("*/images"))
    arguments = [images, "--out", tmp_path / "out"] if command == "flows.predict" else [tmp_path / "out"]
    ran = subprocess.run(
        [sys.executable, "-m", command, *map(str, arguments)],
        cwd=tmp_path,
        env=environment(home, PREFECT_API_URL=prefect_server),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.startswith(f"ArcError: {model} ")
    assert not canary.exists()
