"""Numbers in JSON, and the evaluations that they name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def objects(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each JSON object that names the evaluation it comes from."""
    if isinstance(tree, dict):
        if isinstance(tree.get("evaluation"), str):
            yield tree["evaluation"], tree
        tree = list(tree.values())
    for each in tree if isinstance(tree, list) else ():
        yield from objects(each)


def leaves(tree: Any) -> set[float]:
    """Every number in it."""
    if isinstance(tree, (dict, list)):
        return set().union(*map(leaves, tree.values() if isinstance(tree, dict) else tree))
    return {tree} if isinstance(tree, (int, float)) else set()
