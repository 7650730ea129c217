"""The container's recipe without Docker: what it copies and calls exists, what it leaves out stays out."""

import fnmatch
import json
import re
import shlex
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate

from arc_core.settings import beside
from tests.conftest import ROOT

LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text()).splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]
TEMPLATE = json.loads((ROOT / "configs" / "work_pools" / "kubernetes.json").read_text())
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]


def words(step: str) -> list[str]:
    return [words for name, words in STEPS if name == step]


def copied() -> set[str]:
    return {source for line in words("COPY") for source in line.split()[:-1]}


def test_what_is_copied_exists_is_tracked_and_not_ignored():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert copied() <= {name.split("/")[0] for name in tracked.splitlines()}
    assert {line[1:] for line in IGNORED if line.startswith("!")} == copied()
    assert "*" in IGNORED


def test_nothing_with_a_secret_goes_in():
    for name in (".env", ".env.production", ".git", ".arc", ".venv"):
        assert name not in copied()
    assert any(fnmatch.fnmatch("configs/.env", pattern) for pattern in IGNORED if "/" in pattern)


def test_what_it_runs_exists():
    (command,) = words("CMD")
    (health,) = words("HEALTHCHECK")
    for line in (command, health.partition(" CMD ")[2]):
        (script,) = json.loads(line)
        assert (ROOT / script).stat().st_mode & 0o111
        assert script.split("/")[0] in copied()


def test_it_installs_what_the_project_installs():
    makefile = (ROOT / "Makefile").read_text()
    install = next(line for line in words("RUN") if "pip install" in line)
    (pip,) = re.findall(r"^PIP_VERSION := (.+)$", makefile, re.MULTILINE)
    assert f"pip=={pip}" in install
    for option in ("--constraint requirements.lock", "--build-constraint requirements.lock", "--editable ."):
        assert option in install
    (image,) = words("FROM")
    assert image.startswith("python:3.11-")


def test_it_runs_as_a_user_of_its_own_who_may_write_the_home():
    (user,) = words("USER")
    settings = dict(each.split("=", 1) for each in shlex.split(" ".join(words("ENV"))))
    kept = [settings["ARC_HOME"], str(beside(Path(settings["ARC_HOME"])))]
    assert words("VOLUME") == [" ".join(kept)]
    assert any(f"useradd --create-home --uid 1000 {user}" in line for line in words("RUN"))
    assert any(f"chown {user}: {' '.join(kept)}" in line for line in words("RUN"))
    names = [name for name, _ in STEPS]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")


def test_every_variable_of_the_pool_template_is_declared_and_used():
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(TEMPLATE["job_configuration"])))
    assert used == set(TEMPLATE["variables"]["properties"])


def test_the_pool_template_is_prefects_with_additions():
    views = files("prefect.server.api") / "collections_data" / "views" / "aggregate-worker-metadata.json"
    theirs = json.loads(views.read_text())["prefect-kubernetes"]["kubernetes"]
    need_within(theirs["default_base_job_configuration"], TEMPLATE)


def need_within(part: object, whole: object) -> None:
    if isinstance(part, dict):
        for name, value in part.items():
            need_within(value, whole[name])
    elif isinstance(part, list) and part and isinstance(part[0], dict):
        for one, other in zip(part, whole, strict=True):
            need_within(one, other)
    else:
        assert part == whole


def test_a_server_takes_the_pool_template(prefect_server):
    with SyncPrefectClient(prefect_server) as client:
        made = client.create_work_pool(
            WorkPoolCreate(name="arc-gpu-kubernetes", type="kubernetes", base_job_template=TEMPLATE)
        )
        try:
            assert made.type == "kubernetes"
            assert client.read_work_pool(made.name).base_job_template == TEMPLATE
        finally:
            client.delete_work_pool(made.name)


@pytest.mark.parametrize("mount", ["home", "shm"])
def test_each_mount_has_its_volume(mount):
    pod = TEMPLATE["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert mount in {volume["name"] for volume in pod["volumes"]}
    assert mount in {each["name"] for each in pod["containers"][0]["volumeMounts"]}
