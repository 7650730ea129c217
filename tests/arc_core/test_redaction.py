"""Secrets are taken out of what is kept, and nothing else is."""

import pytest

from arc_core.redaction import REMOVED, Redaction

ENVIRONMENT = {
    "OPENAI_API_KEY": "plain-looking-value",
    "MAX_TOKENS": "100000",
    "HOME": "/root",
    "AUTHOR": "Curie-M",
}


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghij0123456789",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "AKIA0123456789ABCDEF",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_is_shaped_like_a_secret_goes(secret):
    assert secret not in Redaction([])(f"it is {secret}, keep it")


def test_what_the_environment_names_a_secret_goes_whatever_its_shape():
    clean = Redaction.of_environment("my own key", environment=ENVIRONMENT)
    assert clean("plain-looking-value and my own key") == f"{REMOVED} and {REMOVED}"


def test_numbers_folders_and_authors_stay():
    text = "100000 experiments of Curie-M in /root"
    assert Redaction.of_environment(environment=ENVIRONMENT)(text) == text


def test_a_password_in_an_address_goes_and_the_address_stays():
    assert Redaction([])("http://user:hunter22@host/v1") == f"http://{REMOVED}@host/v1"


def test_a_password_among_the_options_of_an_address_is_known_wherever_it_stands():
    redact = Redaction.of_environment(
        environment={"ARC_DATABASE_URL": "postgresql://h/a?sslmode=on&password=pass%2Fword"}
    )
    assert redact("it was pass/word, or pass%2Fword") == f"it was {REMOVED}, or {REMOVED}"


def test_the_longest_secret_goes_first():
    assert Redaction(["abcdef", "abcdefghi"])("abcdefghi") == REMOVED


def test_ids_and_specs_are_no_secrets():
    text = "exp-78a7b1f772 changed optimiser.lr 0.003, see prop-0123456789 and study-eb0ece3a5e"
    assert Redaction([])(text) == text
