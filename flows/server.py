"""Where the Prefect server is and who may reach it: Prefect's own variables, or those in `.env`."""

import ipaddress
import socket
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from arc_core.errors import SettingsError

ROOT = Path(__file__).parent.parent
PLACEHOLDER = "CHANGE-ME"
"""Stands in `.env.production` where a password has to come."""
CURE = "Change it in the environment or in .env; docs/deploy.md says how."


class Server(BaseSettings):
    """What `scripts/up` and `scripts/health` need of Prefect's settings, without Prefect's import."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    arc_prefect_port: int = Field(4200, ge=1, le=65535)
    arc_pools: str = "arc-control,arc-gpu"
    arc_health_free_gib: float = Field(2.0, ge=0)
    prefect_api_url: str | None = None
    prefect_api_auth_string: SecretStr | None = None
    prefect_server_api_host: str = "127.0.0.1"
    prefect_server_api_auth_string: SecretStr | None = None

    @property
    def own_url(self) -> str:
        """The API of the server that is started here, as it is reached from here."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104  # compared with, not bound to
            self.prefect_server_api_host, self.prefect_server_api_host
        )
        return f"http://{f'[{host}]' if ':' in host else host}:{self.arc_prefect_port}/api"

    @property
    def url(self) -> str:
        return self.prefect_api_url.rstrip("/") if self.prefect_api_url else self.own_url

    @property
    def is_outside(self) -> bool:
        """Whether PREFECT_API_URL names another server than the one that would be started here."""
        return self.url.replace("//localhost:", "//127.0.0.1:") != self.own_url

    @property
    def auth(self) -> str | None:
        """`user:password` for those who ask the server, in the clear."""
        given = self.prefect_api_auth_string or (
            None if self.is_outside else self.prefect_server_api_auth_string
        )
        return given.get_secret_value() if given else None

    @property
    def workers(self) -> dict[str, str]:
        """This machine's workers by their names, each with its pool."""
        pools = [pool.strip() for pool in self.arc_pools.split(",") if pool.strip()]
        return {f"{pool}@{socket.gethostname()}": pool for pool in pools}


def load_server() -> Server:
    """The settings; SettingsError where one is out of range, or would leave the server open."""
    try:
        server = Server()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise SettingsError(first["msg"], where=name, got=repr(first["input"]), cure=CURE) from None
    _need_real("PREFECT_API_AUTH_STRING", server.prefect_api_auth_string)
    if not server.is_outside:
        _need_real("PREFECT_SERVER_API_AUTH_STRING", server.prefect_server_api_auth_string)
        _need_closed(server)
    return server


def _need_real(name: str, secret: SecretStr | None) -> None:
    """No placeholder, no half of a pair. What it is instead is not told: it may be most of a password."""
    if secret is None:
        return
    user, _, password = secret.get_secret_value().partition(":")
    if PLACEHOLDER in secret.get_secret_value():
        what = "the password is still the placeholder"  # which health would take out as it does any password
        raise SettingsError(what, where=name, cure="Put a password of your own there, in .env.")
    if not user or not password:
        raise SettingsError("not a user and a password", where=name, expected="user:password", cure=CURE)


def _need_closed(server: Server) -> None:
    """Beyond loopback nobody is served who has not said a password; who works here has to know it."""
    asked, told = server.prefect_server_api_auth_string, server.prefect_api_auth_string
    if asked is None and not _is_loopback(server.prefect_server_api_host):
        raise SettingsError(
            "the server would be open to whoever reaches this machine",
            where="PREFECT_SERVER_API_HOST",
            got=server.prefect_server_api_host,
            expected="a loopback address, or PREFECT_SERVER_API_AUTH_STRING as well",
            cure="Set PREFECT_SERVER_API_AUTH_STRING to user:password, or unset PREFECT_SERVER_API_HOST.",
        )
    if told is not None and told != asked:
        raise SettingsError(
            "it differs from PREFECT_SERVER_API_AUTH_STRING, so the server would refuse its own workers",
            where="PREFECT_API_AUTH_STRING",
            cure="Give both the same user:password.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
