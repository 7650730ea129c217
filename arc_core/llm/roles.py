"""Which model thinks for which role. The Hydra group `roles`; `ARC_ROLES__…` overrides it."""

from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from arc_core.experiments.board import Role
from arc_core.llm.budget import Caps
from arc_core.record import Record

THINKING: tuple[Role, ...] = tuple(role for role in get_args(Role) if role != "executor")
"""The roles that a model can think for; the executor's check is code."""


def _checked(url: str | None) -> str | None:
    """ValueError where `url` is no server's address, or may hold a secret."""
    if url is None:
        return None
    parts = urlsplit(url)  # ValueError for a broken one
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or " " in url:
        raise ValueError("a base_url is a server's address, such as http://127.0.0.1:8000/v1")
    if "@" in url or parts.query or parts.fragment:
        raise ValueError("a base_url holds no user, password or query; give the key as ARC_LLM_API_KEY")
    return url


class Model(Record):
    """One language model: litellm's name for it, or any name that the server at `base_url` knows."""

    name: str = Field(min_length=1, max_length=200)
    base_url: str | None = Field(None, description="an OpenAI-compatible server")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _checked(value)

    def __str__(self) -> str:
        return f"{self.name} at {self.base_url}" if self.base_url else self.name

    @property
    def is_own(self) -> bool:
        """Whether it is on a server the user named; what is asked there goes nowhere else."""
        return self.base_url is not None


class RoleModel(Record):
    """How one role reaches its model. `model` None: the offline mind."""

    model: str | None = None
    base_url: str | None = None
    timeout_s: float | None = Field(None, gt=0, le=1800, description="None: as the settings say")
    temperature: float = Field(0.2, ge=0, le=2)
    retries: int = Field(0, ge=0, le=5, description="after 429, 5xx or a lost connection; never a time-out")
    max_tokens: int = Field(2048, ge=64, le=32768, description="of one answer")
    prompt_tokens: int = Field(8000, ge=1500, le=200_000, description="the most that one prompt may take")
    response_format: Literal["json_schema", "json_object", "text"] = "json_object"
    fallbacks: tuple[Model, ...] = ()

    @field_validator("fallbacks", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return () if value is None else value  # else it is told what it should be
        return [{"name": each} if isinstance(each, str) else each for each in value]

    @property
    def models(self) -> tuple[Model, ...]:
        """The model, then its fallbacks."""
        if self.model is None:
            return ()
        return (Model(name=self.model, base_url=self.base_url), *self.fallbacks)

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return _checked(value)

    @model_validator(mode="after")
    def _stays_home(self) -> Self:
        elsewhere = [each.name for each in self.models if not each.is_own]
        if self.base_url is not None and self.model is not None and elsewhere:
            raise ValueError(
                f"the model is on {self.base_url}, the fallback {elsewhere[0]} is not on a server of yours; "
                "give it a base_url, or leave it out"
            )
        return self


class LlmConfig(Record):
    """Every role's model and the caps on what all of them may spend."""

    default: RoleModel = RoleModel()
    roles: dict[Role, RoleModel] = {}
    per_cycle: Caps = Caps()
    in_total: Caps = Caps()

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, tree: Any) -> Any:
        """A role's entry says only how it differs from `default`."""
        if not isinstance(tree, dict) or not isinstance(tree.get("roles") or {}, dict):
            return tree
        default, own = tree.get("default") or {}, tree.get("roles") or {}
        if strangers := sorted(set(own) - set(THINKING)):
            raise ValueError(
                f"{', '.join(strangers)} can't be given a model; roles are {', '.join(THINKING)}"
            )
        if not isinstance(default, dict):
            return tree
        return tree | {
            "default": default,
            "roles": {
                role: default | own[role] if isinstance(own.get(role), dict) else own.get(role) or default
                for role in THINKING
            },
        }

    @property
    def has_models(self) -> bool:
        """Whether any role thinks with a model."""
        return any(self.of(role).models for role in THINKING)

    @property
    def words(self) -> tuple[str, ...]:
        """Each list of models, and the roles that it thinks for."""
        roles: dict[tuple[Model, ...], list[str]] = {}
        for role in THINKING:
            roles.setdefault(self.of(role).models, []).append(role)
        return tuple(
            f"{', then '.join(map(str, models))} for {', '.join(of)}"
            for models, of in roles.items()
            if models
        )

    def of(self, role: Role) -> RoleModel:
        return self.roles.get(role, self.default)
