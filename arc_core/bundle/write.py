"""Writing a bundle: a folder that appears whole or not at all."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from arc_core.bundle.configs import NETWORK, inference, metadata
from arc_core.bundle.origin import Origin
from arc_core.bundle.shipped import shipped
from arc_core.bundle.texts import LICENSE, readme
from arc_core.errors import StoreError
from arc_core.provenance.canonical import Json
from arc_core.provenance.files import whole

if TYPE_CHECKING:
    from arc_core.training.ensemble import Ensemble


def check_new(folder: Path) -> None:
    """StoreError where something is there already."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise StoreError(
            "something is there already, and nothing is overwritten",
            where=folder,
            expected="no folder, or an empty one",
            cure="Choose another folder, or move this one away.",
        )


def write_bundle(folder: Path, origin: Origin, ensemble: "Ensemble") -> None:
    """Make `folder`, new or empty, the bundle of an experiment. StoreError when it can't be written."""
    check_new(folder)
    contents = _contents(origin, ensemble)
    with whole(folder) as draft:
        for name, content in contents.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _contents(origin: Origin, ensemble: "Ensemble") -> dict[str, bytes]:
    """Path in the bundle → content."""
    from arc_core.bundle.program import exported  # loads torch

    network = exported(ensemble, origin.spec.image_size_px)
    files = {
        NETWORK: network,
        "configs/metadata.json": _json(metadata(origin)),
        "configs/inference.json": _json(inference(origin, hashlib.sha256(network).hexdigest())),
        "LICENSE": LICENSE.encode(),
        **{name: source.encode() for name, source in shipped().items()},
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    return {**files, "docs/README.md": readme(origin, hashes).encode()}


def _json(tree: Json) -> bytes:
    return json.dumps(tree, indent=2, ensure_ascii=False).encode() + b"\n"
