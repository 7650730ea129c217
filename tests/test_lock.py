"""The lock pins every package of the environment."""

from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).parent.parent / "requirements.lock"
NOT_LOCKED = {"arc-retina", "pip"}  # ourselves, and the installer, which the Makefile pins


def test_what_is_installed_is_what_is_locked():
    lines = (line.split("#")[0].strip() for line in LOCK.read_text().splitlines())
    requirements = [Requirement(line) for line in lines if line]
    locked = {
        canonicalize_name(requirement.name): requirement.specifier
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }
    installed = {canonicalize_name(each.name): each.version for each in distributions()}
    strays = {
        name: version
        for name, version in installed.items()
        if name not in NOT_LOCKED
        and (name not in locked or not locked[name].contains(version.split("+")[0], prereleases=True))
    }
    assert strays == {}
