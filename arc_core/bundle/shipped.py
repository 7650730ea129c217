"""The code that goes with a bundle: files of ARC's own, so that what predicts there is what predicts here."""

import re
from pathlib import Path

PACKAGE = "scripts"
"""Its name in a bundle, by MONAI's custom. Each module lies in it under its last name."""
MODULES = (
    "record",
    "errors",
    "provenance.files",
    "data.faults",
    "data.folder",
    "data.reader",
    "data.anatomy",
    "experiments.vcdr_model",
    "training.reading",
    "training.prediction",
    "bundle.workflow",
)
"""`bundle.workflow` and all of ARC that it imports."""
REQUIRED = ("pillow", "pydantic", "scipy")
"""What they need beside MONAI, torch and numpy."""

_ROOT = Path(__file__).parents[1]
_IMPORT = re.compile(rf"^(\s*from ){_ROOT.name}\.(?:\w+\.)*(\w+ import )", re.MULTILINE)


def shipped() -> dict[str, str]:
    """Path in the bundle → source. Only the imports differ from ARC's own files."""
    files = {f"{PACKAGE}/__init__.py": '"""Copied from ARC, where it predicts too. Apache-2.0."""\n'}
    for module in MODULES:
        path = _ROOT / f"{module.replace('.', '/')}.py"
        files[f"{PACKAGE}/{path.name}"] = _IMPORT.sub(rf"\g<1>{PACKAGE}.\2", path.read_text(encoding="utf-8"))
    return files
