"""Machines with homes of their own, one store and one bucket, by the commands that a user calls."""

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arc_core.experiments.memory import Memory
from arc_core.provenance.canonical import sha256_of_file
from tests.command import TINY, TWO, environment, run_cycle, trained_in
from tests.s3 import BUCKET, S3Server


@pytest.fixture(scope="module")
def shared(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What machines have in common, after one of them has run a cycle and was lost with its disk."""
    folder = tmp_path_factory.mktemp("machines")
    variables = s3.variables | {
        "ARC_DATABASE_URL": f"sqlite:///{folder / 'arc.db'}",
        "ARC_STORAGE_URL": s3.new_place(),
    }
    ran = run_cycle(folder / "one" / "home", *TWO, **variables)
    assert ran.code == 0, ran.err
    shutil.rmtree(folder / "one")
    return variables


@pytest.fixture
def memory(shared: dict[str, str]) -> Iterator[Memory]:
    with closing(Memory(shared["ARC_DATABASE_URL"])) as memory:
        yield memory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a machine that has nothing yet."""
    (tmp_path / "two").mkdir()
    return tmp_path / "two" / "home"


def called(
    module: str, home: Path, *arguments: object, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=home.parent,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def results(memory: Memory) -> dict[str, dict[str, str]]:
    """Id → files of everything that has finished."""
    found = ((each.id, memory.result(each.id)) for each in trained_in(memory))
    return {each: result.files for each, result in found if result is not None}


def test_all_that_was_measured_is_in_the_bucket_and_nothing_else(shared, memory, s3) -> None:
    objects = s3.objects(shared["ARC_STORAGE_URL"])
    recorded = {f"{each}/{sha}" for each, files in results(memory).items() for sha in files.values()}
    assert objects.keys() == recorded | {"README.txt"}
    assert len(results(memory)) >= 2


def test_the_champion_predicts_where_it_was_not_trained(shared, memory, home, drawn, prefect_server) -> None:
    variables = shared | {"PREFECT_API_URL": prefect_server}
    ran = called("flows.predict", home, drawn, "--out", home.parent / "out", **variables)
    assert ran.returncode == 0, ran.stderr
    with (home.parent / "out" / "predictions.csv").open() as file:
        assert [row["image_id"] for row in csv.DictReader(file)] == [drawn_image(drawn).stem]
    (champion,) = (home / "runs").iterdir()
    names = {path.relative_to(champion).as_posix() for path in champion.rglob("*") if path.is_file()}
    assert names == {"plan.json"} | {n for n in results(memory)[champion.name] if n.endswith("model.pt")}


def test_a_backup_has_what_is_nowhere_but_in_the_bucket(shared, memory, home) -> None:
    ran = called("flows.backup", home, "--out", home.parent / "backup", **shared)
    assert ran.returncode == 0, ran.stderr
    for each, files in results(memory).items():
        for name, sha256 in files.items():
            assert sha256_of_file(home.parent / "backup" / "runs" / each / name) == sha256
    assert not (home / "runs").exists()


def test_a_model_that_was_changed_in_the_bucket_is_not_loaded(
    shared, memory, home, drawn, prefect_server, s3
) -> None:
    (study,) = memory.studies()
    champion = memory.champion(study).id
    name, sha256 = next(each for each in results(memory)[champion].items() if each[0].endswith("model.pt"))
    key = f"{shared['ARC_STORAGE_URL'].removeprefix(f's3://{BUCKET}/')}/{champion}/{sha256}"
    client = s3.client("s3")
    true = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    client.put_object(Bucket=BUCKET, Key=key, Body=b"evil")
    try:
        variables = shared | {"PREFECT_API_URL": prefect_server}
        ran = called("flows.predict", home, drawn, "--out", home.parent / "out", **variables)
    finally:
        client.put_object(Bucket=BUCKET, Key=key, Body=true)
    assert ran.returncode == 1
    assert f"{name} is missing, and in {shared['ARC_STORAGE_URL']} it has changed too" in ran.stderr
    assert not (home / "runs" / champion / name).exists()


def test_the_next_cycle_runs_elsewhere(shared, memory, home, prefect_server) -> None:
    (study,) = memory.studies()
    champion, before = memory.champion(study), results(memory)
    ran = run_cycle(home, *TWO, PREFECT_API_URL=prefect_server, **shared)
    assert ran.code == 0, ran.err
    new = results(memory).keys() - before.keys()
    assert new
    verdicts = [verdict for verdict in memory.verdicts(study) if verdict.experiment_id in new]
    assert verdicts[0].champion_id == champion.id, "it was compared case by case"
    assert (home / "runs" / champion.id / "cases.json").is_file()
    (page,) = (home / "report" / study).glob("cycle-0002.html")
    assert "Its mask is not the file that was recorded" not in page.read_text()
    now = memory.champion(study).id
    assert list((home / "runs" / now).glob("fold-*/masks/*.png")), "the overlay's mask was fetched"


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A folder with one simulated photograph."""
    from arc_core.data.synthetic import SyntheticConfig, generate

    generate(SyntheticConfig(cases=12, image_size_px=64), tmp_path / "drawn")
    first, *others = sorted((tmp_path / "drawn" / "images").iterdir())
    for other in others:
        other.unlink()
    return first.parent


def drawn_image(folder: Path) -> Path:
    (image,) = folder.iterdir()
    return image


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ARC_STORAGE_URL": "ftp://host/x"}, "SettingsError: ARC_STORAGE_URL: the protocol 'ftp' is none"),
        ({"ARC_STORAGE_URL": "s3://no-such-bucket/x"}, "The specified bucket does not exist"),
        ({"AWS_SECRET_ACCESS_KEY": "not-the-real-one"}, "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        ({"ARC_STORAGE_URL": "s3://user:not-the-real-one@bucket"}, "credentials don't belong in an address"),
    ],
)
def test_a_storage_that_can_not_be_used_is_told_at_once(s3, home, variables, said) -> None:
    given = s3.variables | {"ARC_STORAGE_URL": s3.new_place()} | variables
    ran = run_cycle(home, *TINY, **given)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not [secret for secret in ("not-the-real-one", s3.secret, s3.key) if secret in ran.err + ran.out]
    assert not (home / "arc.db").exists()
    log = home / "logs" / "arc.jsonl"
    assert not log.exists() or "not-the-real-one" not in log.read_text()


@pytest.mark.parametrize(
    ("key", "line"), [("", "ok    storage: can be written: s3://"), ("x", "FAIL  storage: ")]
)
def test_its_health_is_told(s3, home, key, line) -> None:
    given = s3.variables | {"ARC_STORAGE_URL": s3.new_place()}
    given["AWS_SECRET_ACCESS_KEY"] += key
    ran = called("flows.health", home, **given)
    assert [each for each in ran.stdout.splitlines() if each.startswith(line)], ran.stdout + ran.stderr
