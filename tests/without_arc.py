"""A script that runs another, or a module, where no part of ARC can be imported: `without_arc.py WHAT …`."""

import runpy
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("arc_core", "flows", "tasks"):
            raise ImportError(f"{name} is blocked")


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    _, what, *sys.argv[1:] = sys.argv
    if what.endswith(".py"):
        runpy.run_path(what, run_name="__main__")
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)
