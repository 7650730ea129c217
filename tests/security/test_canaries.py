"""A distinct canary in every secret, a whole cycle and what follows it: no file and no terminal has one."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr
from sqlalchemy import make_url

from arc_core.provenance.heads import KEY
from arc_core.settings import Settings
from flows.server import Server
from tests import llm_server
from tests.command import TWO, environment, start_cycle
from tests.llm_server import THINKING, ModelServer
from tests.postgres import _program

SECRETS = {
    name: f"cnry{number:02d}Zq9{name.lower().replace('_', '')[::-1]}/+x7"
    for number, name in enumerate(
        [
            "ARC_LLM_API_KEY",
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "AZURE_API_KEY",
            "HF_TOKEN",
            "DATABASE_PASSWORD",
            "PREFECT_PASSWORD",
            "IN_AN_ADDRESS",
        ]
    )
}
"""Name → canary, with characters that are written otherwise in an address and in Base64."""
KNOWN = {"database_url", "llm_api_key", "prefect_api_auth_string", "prefect_server_api_auth_string"}


def secret_fields() -> set[str]:
    fields = Settings.model_fields | Server.model_fields
    return {
        name for name, field in fields.items() if SecretStr in (field.annotation, *get_args(field.annotation))
    }


def test_every_secret_setting_has_a_canary_here():
    assert secret_fields() == KNOWN


def forms(secret: str) -> Iterator[bytes]:
    """As it is, and as it stands in an address, in JSON, in hexadecimal, in Base64 at any offset."""
    raw = secret.encode()
    yield from (raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), raw.hex().encode())
    for offset in range(3):
        coded = base64.b64encode(b"x" * offset + raw)
        inner = coded[4 if offset else 0 : -4]  # what lies beside it changes the ends
        yield from (inner, inner.translate(bytes.maketrans(b"+/", b"-_")))


def told(content: bytes, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that stand in it."""
    return [name for name, secret in secrets.items() if any(form in content for form in forms(secret))]


@pytest.mark.parametrize("secret", SECRETS.values())
@pytest.mark.parametrize(
    "write",
    [
        str.encode,
        lambda secret: base64.b64encode(f"arc:{secret}@host".encode()),
        lambda secret: base64.urlsafe_b64encode(f"Bearer {secret} and more".encode()),
        lambda secret: f"http://u:{quote(secret, safe='')}@h".encode(),
        lambda secret: json.dumps({"key": secret}).encode(),
    ],
)
def test_the_search_finds_what_it_looks_for(secret, write):
    assert told(b"before" + write(secret) + b"after", SECRETS)


class Ran:
    """What came of it all: the folder that has every file, and all that the terminals showed."""

    def __init__(self, folder: Path, secrets: dict[str, str], variables: dict[str, str]) -> None:
        self.folder, self.secrets, self.variables = folder, secrets, variables
        self.home = folder / "home"
        self.shown: dict[str, str] = {}
        self.codes: dict[str, int] = {}

    def call(self, module: str, *arguments: object, called: str = "", **variables: str) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=self.folder,
            env=environment(self.home, **self.variables | variables),
            capture_output=True,
            text=True,
            check=False,
        )
        self.shown[called or module], self.codes[called or module] = ran.stdout + ran.stderr, ran.returncode


def echo(secrets: list[str], good: llm_server.Json) -> str:
    """A model that says every secret, in several ways, wherever it may write freely."""
    said = " ".join(
        f"{each} {quote(each, safe='')} {base64.b64encode(each.encode()).decode()}" for each in secrets
    )
    return json.dumps(llm_server._texts(good, said))


def refuse(secrets: list[str], handler: Any) -> None:
    """An error with every secret and the request's own headers, in its body and in its headers."""
    body = json.dumps({"error": {"message": " ".join([*secrets, *handler.headers.values()])}}).encode()
    llm_server._send(handler, body, 401, X_Request_Id=handler.headers["Authorization"], X_Key=secrets[0])


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """Every role's model answers sensibly and tells secrets; one refuses, and tells them too."""
    secrets = [
        secret for name, secret in SECRETS.items() if name != "IN_AN_ADDRESS"
    ]  # those a cycle is given
    running = ModelServer()
    running.faults = dict.fromkeys(THINKING, "echoes all") | {"critic_secondary": "refuses with all"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(llm_server.WORDS, "echoes all", lambda role, good, request: echo(secrets, good))
        patch.setitem(
            llm_server.ANSWER_HOW, "refuses with all", lambda handler, server, text: refuse(secrets, handler)
        )
        yield running
    running.close()


@pytest.fixture(scope="module")
def ran(server, postgres, s3, tmp_path_factory) -> Ran:
    """A cycle with models, PostgreSQL, S3 and a Prefect server that asks for a password; then the other
    commands; then errors.
    """
    folder, password = tmp_path_factory.mktemp("canaries"), SECRETS["DATABASE_PASSWORD"]
    url = make_url(postgres.new_database()).set(password=password).render_as_string(hide_password=False)
    login = f"arc:{SECRETS['PREFECT_PASSWORD']}"
    own = {name: secret for name, secret in SECRETS.items() if name.endswith(("_KEY", "_TOKEN"))}
    variables = (
        server.environment()
        | own
        | s3.variables
        | {"ARC_DATABASE_URL": url, "ARC_STORAGE_URL": s3.new_place(), "ARC_LLM_RETRY_DELAY": "0.2"}
        | {"PREFECT_API_AUTH_STRING": login, "PREFECT_SERVER_API_AUTH_STRING": login}
        | {"PREFECT_LOGGING_LEVEL": "DEBUG", "ARC_LOG_LEVEL": "DEBUG", "ARC_OPERATOR": "Eye Clinic"}
    )
    keys = {"S3 key": s3.key, "S3 secret": s3.secret}
    ran = Ran(folder, SECRETS | keys, variables)
    process = start_cycle(ran.home, *TWO, *server.overrides(timeout_s=20), **variables)
    ran.shown["flows.cycle"] = "".join(process.communicate())
    ran.codes["flows.cycle"] = process.returncode
    images = next((ran.home / "data").glob("*/images"), folder)
    ran.call("flows.dossier", "verify")
    ran.call("flows.backup", "--out", folder / "backup")
    ran.call("flows.bundle", folder / "bundle")
    ran.call("flows.predict", images, "--out", folder / "predictions")
    secret = SECRETS["IN_AN_ADDRESS"]
    quoted = quote(secret, safe="")
    away = f"postgresql://arc:{quoted}@127.0.0.1:1/arc"
    for name, arguments, more in (
        ("base_url", [f"llm.default.base_url=http://u:{quoted}@127.0.0.1:9/v1", "llm.default.model=m"], {}),
        ("bad override", [f"llm.default.base_url=http://u:{quoted}@127.0.0.1:9/v1", "nowhere=1"], {}),
        ("role", [], {"ARC_ROLES__CRITIC__BASE_URL": f"http://u:{quoted}@127.0.0.1:9/v1"}),
        ("storage", [], {"ARC_STORAGE_URL": f"s3://u:{quoted}@bucket/x"}),
        ("database away", [], {"ARC_DATABASE_URL": away}),
        ("password as an option", [], {"ARC_DATABASE_URL": f"postgresql://127.0.0.1:1/a?password={quoted}"}),
        ("an @ in the password", [], {"ARC_DATABASE_URL": f"postgresql://arc:a@{secret}@127.0.0.1:1/arc"}),
        ("a port that is none", [], {"ARC_DATABASE_URL": f"postgresql://arc@h:{quoted}/arc"}),
        ("prefect away", [], {"PREFECT_API_URL": f"http://u:{quoted}@127.0.0.1:9/api"}),
    ):
        ran.call("flows.cycle", *TWO, *arguments, called=f"flows.cycle: {name}", **more)
    ran.call("flows.health", called="flows.health", ARC_DATABASE_URL=away)
    return ran


def test_all_of_it_was_done(ran, server, s3):
    done = {name: code for name, code in ran.codes.items() if ": " not in name and name != "flows.health"}
    assert set(done.values()) == {0}, ran.shown
    failed = {name: code for name, code in ran.codes.items() if ": " in name}
    assert set(failed.values()) == {2}, {name: ran.shown[name] for name in failed}
    asked_with = {name.lower(): value for headers in server.headers for name, value in headers.items()}
    assert asked_with["authorization"] == f"Bearer {SECRETS['ARC_LLM_API_KEY']}"
    assert s3.objects(ran.variables["ARC_STORAGE_URL"])


def test_no_terminal_has_one(ran):
    assert {
        name: found for name, text in ran.shown.items() if (found := told(text.encode(), ran.secrets))
    } == {}


def test_no_file_has_one(ran):
    """Home, heads, backup, bundle, predictions; and Prefect's database and logs at their most talkative."""
    files = [path for path in ran.folder.rglob("*") if path.is_file()]
    parts = {path.relative_to(ran.folder).parts[0] for path in files}
    assert parts >= {"home", "home-anchors", "prefect", "backup", "bundle", "predictions"}
    found = {str(path): told(path.read_bytes(), ran.secrets) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_neither_database_nor_bucket_has_one(ran, s3):
    url = make_url(ran.variables["ARC_DATABASE_URL"]).set(password=None).render_as_string()
    dump = subprocess.run([_program("pg_dump"), url], capture_output=True, check=True).stdout
    assert b"[secret removed]" in dump, "models told them, and they were taken out"
    assert told(dump, ran.secrets) == []
    objects = s3.objects(ran.variables["ARC_STORAGE_URL"])
    assert {name: found for name, content in objects.items() if (found := told(content, ran.secrets))} == {}


def test_the_private_key_is_in_its_own_file_alone(ran):
    path = ran.home / KEY
    text = path.read_text()
    raw = load_pem_private_key(path.read_bytes(), None).private_bytes_raw()
    (body,) = re.findall(r"-----\n(.+)\n-----", text)
    wanted = [body.encode(), raw, raw.hex().encode(), base64.b64encode(raw)]
    having = {
        each
        for each in ran.folder.rglob("*")
        if each.is_file()
        if any(w in each.read_bytes() for w in wanted)
    }
    assert having == {path}
    assert not [name for name, shown in ran.shown.items() if body in shown or raw.hex() in shown]
