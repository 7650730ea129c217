"""The environment: what it may hold, and what is said when it holds something else."""

import os
import re
from pathlib import Path

import pytest

from arc_core.errors import SettingsError
from arc_core.settings import Settings, load_settings
from flows.server import Server

ROOT = Path(__file__).parents[2]
BOUNDS = [
    ("llm_timeout", 10, 600),
    ("historian_timeout", 60, 1800),
    ("llm_max_retries", 0, 10),
    ("min_epochs", 1, 100),
    ("default_epochs", 1, 100),
    ("base_batch_size", 1, 256),
    ("batch_size_per_gpu", 1, 128),
    ("max_concurrent_jobs", 1, 64),
    ("lease_s", 5, 3600),
]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No ARC variable of the caller's, and no .env."""
    for name in [name for name in os.environ if name.startswith("ARC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def others(name: str, value: int) -> dict[str, int]:
    """What must move along so that only `name` is at its bound."""
    if name == "min_epochs":
        return {"default_epochs": 100}
    return {"min_epochs": 1} if name == "default_epochs" else {}


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert (settings.llm_timeout, settings.historian_timeout) == (120, 600)
    assert (settings.llm_max_retries, settings.llm_retry_delay) == (3, 2.0)
    assert (settings.min_epochs, settings.default_epochs) == (3, 5)
    assert (settings.base_batch_size, settings.batch_size_per_gpu) == (16, 16)
    assert (settings.training_gpus, settings.inference_gpu) == ((0, 1), 2)
    assert (settings.max_concurrent_jobs, settings.lease_s) == (3, 60)
    assert (settings.gpu_mode, settings.gpu_interval_s) == ("auto", 5.0)


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_both_bounds_are_allowed_and_a_step_beyond_is_not(
    monkeypatch: pytest.MonkeyPatch, name: str, low: int, high: int
) -> None:
    variable = f"ARC_{name.upper()}"
    for value in (low, high):
        monkeypatch.setenv(variable, str(value))
        assert getattr(load_settings(**others(name, value)), name) == value
    for value in (low - 1, high + 1):
        monkeypatch.setenv(variable, str(value))
        with pytest.raises(SettingsError) as caught:
            load_settings(**others(name, value))
        message = str(caught.value)
        assert variable in message
        assert str(value) in message
        assert f"from {low} to {high}" in message
        assert ".env" in message


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ARC_LLM_RETRY_DELAY", "0", "60"),
        ("ARC_LLM_RETRY_DELAY", "60.5", "60"),
        ("ARC_INFERENCE_GPU", "-1", "at least 0"),
        ("ARC_LLM_TIMEOUT", "soon", "from 10 to 600"),
        ("ARC_GPU_INTERVAL_S", "0.4", "from 0.5 to 600"),
        ("ARC_GPU_INTERVAL_S", "601", "from 0.5 to 600"),
        ("ARC_STORAGE_CHECKPOINT_S", "9", "from 10 to 86400"),
        ("ARC_STORAGE_URL", "ftp://host/x", "s3://BUCKET/PREFIX or file:///FOLDER"),
        ("ARC_STORAGE_URL", "/mnt/shared", "none of those that ARC knows"),
        ("ARC_STORAGE_URL", "memory://x", "the protocol 'memory'"),
        ("ARC_STORAGE_URL", "s3:///prefix", "it names no bucket"),
        ("ARC_STORAGE_URL", "s3://bucket:9000/x", "it names no bucket"),
        ("ARC_STORAGE_URL", "file://relative/x", "it names no absolute folder"),
        ("ARC_STORAGE_URL", "file:///", "it names no absolute folder"),
        ("ARC_STORAGE_URL", "s3://bucket/../other", "a plain address"),
        ("ARC_STORAGE_URL", "s3://bucket/x?versionId=1", "a plain address"),
        ("ARC_GPU_MODE", "fake", "auto, real or simulated"),
        ("ARC_TRAINING_GPUS", "0,-1", "each 0 or more"),
        ("ARC_TRAINING_GPUS", "0 and 1", "each 0 or more"),
    ],
)
def test_a_bad_value_names_the_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert variable in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(("text", "indices"), [("0,1", (0, 1)), ("[3, 4]", (3, 4)), ("5", (5,)), ("[]", ())])
def test_lists_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, text: str, indices: tuple[int, ...]
) -> None:
    monkeypatch.setenv("ARC_TRAINING_GPUS", text)
    assert load_settings().training_gpus == indices


def test_an_empty_variable_is_one_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_HOME", "")
    monkeypatch.setenv("ARC_DATABASE_URL", "")
    assert (load_settings().home, load_settings().database_url) == (Path(".arc"), None)


def test_fewest_epochs_over_the_default_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_MIN_EPOCHS", "9")
    with pytest.raises(SettingsError, match=r"ARC_MIN_EPOCHS is 9, over ARC_DEFAULT_EPOCHS, 5"):
        load_settings()


def test_the_llms_gpu_never_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_INFERENCE_GPU", "1")
    with pytest.raises(SettingsError, match=r"ARC_INFERENCE_GPU 1 .*ARC_TRAINING_GPUS"):
        load_settings()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARC_LLM_TIMEOUT=100\nARC_HISTORIAN_TIMEOUT=700\n")
    monkeypatch.setenv("ARC_LLM_TIMEOUT", "200")
    settings = load_settings()
    assert (settings.llm_timeout, settings.historian_timeout) == (200, 700)


def test_the_database_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_DATABASE_URL", "postgresql+psycopg://arc:hunter2@db/arc")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert settings.store_url.endswith("hunter2@db/arc")


def test_keys_in_the_address_of_a_storage_are_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_STORAGE_URL", "s3://AKIAKEY:hun/ter2@bucket/x")
    with pytest.raises(SettingsError, match=r"ARC_STORAGE_URL: credentials don't belong in an") as caught:
        load_settings()
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://my.bucket-1/a/b_c", "file:///mnt/shared disk"])
def test_the_address_of_a_storage(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ARC_STORAGE_URL", url)
    assert load_settings().storage_url == url


def test_the_production_file_loads() -> None:
    settings = load_settings(_env_file=ROOT / ".env.production")
    assert (settings.llm_timeout, settings.historian_timeout) == (120, 600)
    assert (settings.llm_max_retries, settings.llm_retry_delay) == (3, 2.0)
    assert settings.training_gpus == (0, 1)


def test_the_example_file_lists_every_variable_with_its_default(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    assert load_settings(_env_file=ROOT / ".env.example") == load_settings()
    listed = re.findall(r"^# (ARC_\w+)=(.*)$", text, flags=re.MULTILINE)
    own = {f"ARC_{name.upper()}" for name in Settings.model_fields}
    servers = {name.upper() for name in Server.model_fields if name.startswith("arc_")}
    assert {name.split("__")[0] for name, _ in listed} == own | servers
    uncommented = tmp_path / "all.env"
    uncommented.write_text("\n".join(f"{n}={v}" for n, v in listed if n != "ARC_DATABASE_URL"))
    loaded = load_settings(_env_file=uncommented)
    assert set(loaded.roles) == {"default", "historian"}
    assert loaded.model_copy(update={"roles": {}}) == load_settings()


@pytest.mark.parametrize("name", ["ARC_HOME", "ARC_ANCHORS"])
def test_a_folder_whose_name_is_no_text(monkeypatch, name):
    monkeypatch.setenv(name, "/caf\udce9")
    with pytest.raises(SettingsError, match=f"{name}: the folder's name is not UTF-8") as caught:
        load_settings()
    assert r"caf\udce9" in str(caught.value)
