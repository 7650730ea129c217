"""Who thinks with which model: what is set wrongly is told by its name, and no secret with it."""

import pytest

from arc_core.config import load_config
from arc_core.errors import ConfigError, SettingsError
from arc_core.settings import load_settings

OWN = ("roles=local", "llm.default.model=m")


def refused(*overrides: str, **variables: str) -> str:
    with pytest.raises((ConfigError, SettingsError)) as error:
        load_config(overrides, settings=load_settings(_env_file=None, **variables))
    return str(error.value)


def test_a_role_differs_from_the_default_by_one_override():
    llm = load_config([*OWN, "llm.roles.critic.model=other", "llm.roles.critic_secondary.temperature=1"]).llm
    assert [llm.of(role).model for role in ("director", "critic", "critic_secondary")] == ["m", "other", "m"]
    assert llm.of("critic").base_url == llm.default.base_url
    assert llm.words[0].startswith("m at http://127.0.0.1:8000/v1 for historian, director")
    assert "other at http://127.0.0.1:8000/v1 for critic" in llm.words


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("llm.roles.critik.model=x", "critik can't be given a model"),
        ("llm.roles.critic.modle=x", "llm.roles.critic.modle"),
        ("llm.roles.critic=5", "llm.roles.critic"),
        ("llm.roles=foo", "llm.roles"),
        ("llm.default=5", "llm.default"),
        ("llm.default.fallbacks=5", "llm.default.fallbacks"),
        ("llm.default.fallbacks=foo", "llm.default.fallbacks"),
        ("llm.default.base_url=localhost:8000", "such as http://127.0.0.1:8000/v1"),
        ("llm.default.base_url='http://h:99999'", "llm.default.base_url"),
        ("llm.default.base_url='http://[::1'", "llm.default.base_url"),
        ("llm.default.base_url='http:///x'", "such as http://127.0.0.1:8000/v1"),
        ("llm.per_cycle.tokens=true", "llm.per_cycle.tokens"),
        ("llm.per_cycle.usd=inf", "llm.per_cycle.usd"),
        ("board.weights.critic=1e308", "board.weights.critic"),
        ("board.proposers=[critic]", "board.proposers.0"),
    ],
)
def test_what_is_wrong_is_named(override, says):
    assert says in refused(*OWN, override)


@pytest.mark.parametrize(
    "url", ["http://user:hunter2@h/v1", "http://h/v1?api_key=hunter2", "http://h/v1#hunter2"]
)
def test_no_address_may_hold_a_secret_and_none_is_repeated(url):
    message = refused(*OWN, f"llm.default.base_url='{url}'")
    assert "ARC_LLM_API_KEY" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "override", ["llm.roles=null", "llm.roles=foo", "llm.default=5", "llm.roles.critic=no"]
)
def test_variables_meet_a_broken_tree(override):
    roles = {"critic": {"model": "x"}, "default": {"model": "y"}}
    if override == "llm.roles=null":
        assert load_config([override], settings=load_settings(_env_file=None, roles=roles)).llm.has_models
    else:
        assert "llm" in refused(override, roles=roles)


def test_roles_in_the_environment_that_are_no_json_are_told_by_their_name(monkeypatch):
    monkeypatch.setenv("ARC_ROLES", "no json")
    with pytest.raises(SettingsError, match="ARC_ROLES"):
        load_settings(_env_file=None)
