"""The verifier as one file."""

import re
from pathlib import Path

_HERE = Path(__file__).parent
_OWN = re.compile(r"^from arc_core\.dossier\.verifier\.(\w+) import .*\n", re.MULTILINE)
_IMPORT = re.compile(r"^(?:import|from) .*\n", re.MULTILINE)


def script() -> str:
    """`arc_verify` with what it imports of ARC's in its place, so that it needs the standard library alone.

    What those parts import of the standard library, it imports itself.
    """
    return _OWN.sub(lambda found: _body(f"{found[1]}.py"), (_HERE / "arc_verify.py").read_text("utf-8"))


def _body(name: str) -> str:
    """A module without its docstring, which would be none there, and its imports."""
    _, _, body = (_HERE / name).read_text("utf-8").split('"""', 2)
    return f"\n{_IMPORT.sub('', body).strip()}\n\n"
