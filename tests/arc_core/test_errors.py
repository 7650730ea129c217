"""What an error shows of what was given."""

import pickle

import pytest

from arc_core.errors import ArcError, CycleFailed, DatasetError, visible


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Müller, 病院 → ok", "Müller, 病院 → ok"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\rb\tc\x9b", r"a\rb\tc\x9b"),
        ("turned \u202e", r"turned \u202e"),
        ("no text \udcff", r"no text \udcff"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_control_characters_are_written_out(given, shown):
    assert visible(given) == shown
    assert str(ArcError(given)) == str(CycleFailed(given)) == shown


def test_what_was_given_stays_on_its_line():
    error = DatasetError("wrong", where="a\nb", got="c\x1b\nd", cure="Mend it.")
    assert str(error) == r"a\nb: wrong; got c\x1b\nd. Mend it."
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.got) == (str(error), "c\x1b\nd")
