"""What belongs to the machine: paths, secrets, time-outs, GPUs. The science lives in `configs/`."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettings

from arc_core.errors import SettingsError


def _listed(value: object) -> object:
    """`0,1` or `[0, 1]`, as people write lists in an environment; nothing between is an empty list."""
    if not isinstance(value, str):
        return value
    return [
        part.strip() for part in value.strip().removeprefix("[").removesuffix("]").split(",") if part.strip()
    ]


def _shared_place(url: str) -> str:
    """The address of a place that other machines can reach as well."""
    if "@" in url:
        raise ValueError("credentials don't belong in an address; S3's are AWS_ACCESS_KEY_ID and the like")
    parts = urlsplit(url)
    if parts.scheme not in ("s3", "file"):
        raise ValueError(f"the protocol {parts.scheme!r} is none of those that ARC knows")
    if parts.scheme == "s3" and not re.fullmatch(r"[\w.-]+", parts.netloc, re.ASCII):
        raise ValueError("it names no bucket")
    if parts.scheme == "file" and (parts.netloc or not parts.path.strip("/")):
        raise ValueError("it names no absolute folder")
    if parts.query or parts.fragment or ".." in parts.path.split("/") or not url.isprintable():
        raise ValueError("it has to be a plain address, without .., ? and #")
    return url


Indices = Annotated[tuple[Annotated[int, Field(ge=0)], ...], NoDecode, BeforeValidator(_listed)]


LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
GpuMode = Literal["auto", "real", "simulated"]


class Settings(BaseSettings):
    """Read from the environment (prefix `ARC_`) and from `.env`; the environment wins."""

    model_config = SettingsConfigDict(
        env_prefix="ARC_",
        env_file=".env",
        env_ignore_empty=True,
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        validate_default=True,
    )

    home: Path = Field(Path(".arc"), description="where the store, the runs and the reports lie")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the store; default: SQLite in ARC_HOME"
    )
    anchors: Path | None = Field(
        None, description="where the ledger's signed heads lie, outside ARC_HOME; default: beside it"
    )
    operator: str = Field("", max_length=200, description="the person or body that ARC acts for")
    storage_url: Annotated[str, AfterValidator(_shared_place)] | None = Field(
        None, description="s3://BUCKET/PREFIX or file:///FOLDER, where machines share what their runs leave"
    )
    storage_checkpoint_s: float = Field(
        600.0, ge=10, le=86400, description="seconds between uploads of a training that goes on"
    )

    llm_timeout: int = Field(120, ge=10, le=600, description="seconds an LLM may take, but for the historian")
    historian_timeout: int = Field(600, ge=60, le=1800, description="seconds the historian's LLM may take")
    llm_max_retries: int = Field(3, ge=0, le=10, description="retries after a time-out")
    llm_retry_delay: float = Field(2.0, gt=0, le=60, description="first delay in seconds; doubles each time")

    llm_api_key: SecretStr | None = Field(
        None, description="key for servers named by base_url; other providers read their own variables"
    )
    roles: dict[str, dict[str, str]] = Field(
        {}, description="overrides of the config's llm section, such as ARC_ROLES__CRITIC__MODEL"
    )

    min_epochs: int = Field(3, ge=1, le=100, description="fewest epochs the board may propose")
    default_epochs: int = Field(5, ge=1, le=100, description="epochs where the config leaves them open")
    base_batch_size: int = Field(16, ge=1, le=256, description="batch where the config leaves it open")
    batch_size_per_gpu: int = Field(16, ge=1, le=128, description="largest micro-batch put on one device")

    training_gpus: Indices = Field((0, 1), description="indices for training, such as 0,1: each 0 or more")
    inference_gpu: int = Field(2, ge=0, description="index reserved for the LLM; training never takes it")
    inference_command: str | None = Field(None, description="the LLM server that `make up` keeps running")
    inference_memory_gib: float = Field(40.0, gt=0, le=1024, description="GPU memory that it takes")
    max_concurrent_jobs: int = Field(
        3, ge=1, le=64, description="experiments that train at once, of all processes on the store"
    )
    lease_s: float = Field(
        60.0, ge=5, le=3600, description="seconds of silence after which other hosts take a job for dead"
    )
    run_silence_s: float = Field(
        90.0,
        ge=31,
        le=3600,
        description="seconds without a heartbeat (one in 30 s) that crash a deployed run",
    )
    warm_workers: bool = Field(True, description="fork trainings from a process that has torch loaded")

    gpu_mode: GpuMode = Field("auto", description="auto, real or simulated: which GPUs the monitor shows")
    gpu_interval_s: float = Field(5.0, ge=0.5, le=600, description="seconds between readings of the GPUs")

    log_level: LogLevel = Field("INFO", description="DEBUG, INFO, WARNING or ERROR: the least that is logged")
    log_mib: float = Field(16.0, ge=0.01, le=1024, description="size in MiB at which the log file is rotated")
    log_files: int = Field(5, ge=2, le=1000, description="log files that are kept, the current one included")

    @field_validator("home", "anchors")
    @classmethod
    def _of_text(cls, folder: Path | None) -> Path | None:
        """Its address stands in records, which hold text alone."""
        try:
            if folder is not None:
                str(folder.absolute()).encode()
        except UnicodeEncodeError:
            raise ValueError("the folder's name is not UTF-8") from None
        return folder

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_epochs > self.default_epochs:
            raise ValueError(
                f"ARC_MIN_EPOCHS is {self.min_epochs}, over ARC_DEFAULT_EPOCHS, {self.default_epochs}"
            )
        if self.inference_gpu in self.training_gpus:
            raise ValueError(
                f"ARC_INFERENCE_GPU {self.inference_gpu} is also one of ARC_TRAINING_GPUS "
                f"{list(self.training_gpus)}"
            )
        return self

    @property
    def store_url(self) -> str:
        """The store's SQLAlchemy URL, in the clear."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home.resolve() / 'arc.db'}"

    @property
    def has_store(self) -> bool:
        """Whether there is a store to open; asking makes none."""
        return self.database_url is not None or (self.home / "arc.db").exists()

    @property
    def anchors_folder(self) -> Path:
        """Outside the home, so that who changes the ledger there does not reach its signed heads as well."""
        return self.anchors.resolve() if self.anchors else beside(self.home.resolve())

    @property
    def runs(self) -> Path:
        """Where each experiment has a folder of its own."""
        return self.home.resolve() / "runs"


def beside(home: Path) -> Path:
    """Where the signed heads of a home lie, unless a setting says otherwise."""
    return home.with_name(f"{home.name}-anchors")


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment; SettingsError names the variable, its value and its range."""
    try:
        return Settings(**overrides)
    except UnreadableSettings as error:  # JSON was expected
        field = re.search(r'field "(\w+)"', str(error))
        raise SettingsError(
            "not readable as JSON",
            where=f"ARC_{field[1].upper()}" if field else None,
            cure="Change it in the environment or in .env; .env.example lists every variable.",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(["ARC", *(str(part).upper() for part in first["loc"][:1])])
        raise SettingsError(
            first["msg"].removeprefix("Value error, "),
            where=name if first["loc"] else None,
            got=_shown(first["input"]) if first["loc"] else None,
            expected=_allowed(first["loc"]),
            cure="Change it in the environment or in .env; .env.example lists every variable.",
        ) from None


def _shown(value: object) -> str:
    return "an address with credentials" if "@" in (text := repr(value)) and "://" in text else text


def _allowed(loc: tuple[int | str, ...]) -> str | None:
    field = Settings.model_fields.get(str(loc[0])) if loc else None
    if field is None:
        return None
    bounds = {
        name: getattr(m, name) for m in field.metadata for name in ("gt", "ge", "le") if hasattr(m, name)
    }
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le")
    if low is None:
        return field.description
    kind = getattr(field.annotation, "__name__", str(field.annotation))
    return f"{kind} from {low} to {high}" if high is not None else f"{kind} of at least {low}"


@cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return load_settings()
