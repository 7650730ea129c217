"""The code that goes with a bundle stands alone."""

import re

from arc_core.bundle.shipped import PACKAGE, shipped


def test_what_is_shipped_imports_nothing_of_arc_that_is_not():
    files = shipped()
    for path, source in files.items():
        assert "arc_core" not in re.findall(r"^\s*(?:from|import) (\w+)", source, re.MULTILINE), path
        for module in re.findall(rf"^\s*from {PACKAGE}\.(\w+) import", source, re.MULTILINE):
            assert f"{PACKAGE}/{module}.py" in files, f"{path} imports {module}"
