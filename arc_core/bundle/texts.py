"""What a bundle says to people: `docs/README.md` and `LICENSE`."""

from collections.abc import Mapping

from arc_core.bundle.configs import INTENDED_USE, NETWORK, NOT_PROVIDED
from arc_core.bundle.origin import Origin
from arc_core.experiments.metric import METRICS

LICENSE = f"""\
models/: {NOT_PROVIDED}. The licence of the weights is their owner's to give, as is that of the images they
were trained on. Without one, having this file gives no right to use them or to pass them on.

scripts/, configs/: Apache License, Version 2.0, http://www.apache.org/licenses/LICENSE-2.0
"""


def readme(origin: Origin, files: Mapping[str, str]) -> str:
    """`docs/README.md`. `files`: path in the bundle → SHA-256."""
    metrics = origin.result.metrics.items()
    return _README.format(
        title=origin.experiment.id,
        mark="**SIMULATED**\n\n" if origin.study.simulated else "",
        words=origin.words,
        intended_use=INTENDED_USE,
        size=origin.spec.image_size_px,
        network=NETWORK,
        output="background, rim and cup" if origin.spec.task == "segmentation" else "glaucoma",
        figures="\n".join(
            f"| {METRICS[name].label} | {estimate} | {estimate.patients or '–'} |"
            for name, estimate in metrics
        ),
        experiment=origin.experiment.id,
        spec_id=origin.experiment.outcome.spec_id,
        spec=origin.spec.model_dump_json(indent=1),
        study=origin.study.id,
        dataset=f"{origin.dataset.name}, {len(origin.dataset.cases)} images",
        dataset_sha256=origin.study.dataset_sha256,
        trained_on=origin.result.trained_on,
        hashes="\n".join(f"| `{name}` | `{sha256}` |" for name, sha256 in files.items()),
        sources="\n".join(f"| `{name}` | `{sha256}` |" for name, sha256 in origin.networks.items()),
    )


_README = """\
# {title}

{mark}{words}

{intended_use}

## Run

Needs the packages that `configs/metadata.json` lists. A folder of photographs goes in; out come
`predictions.csv`, `about.txt`, and for a segmentation `masks/` and `overlays/`:

```sh
python -m monai.bundle run --config_file BUNDLE/configs/inference.json --dataset_dir IMAGES --output_dir OUT
```

In Python, one image at a time:

```python
import sys
from pathlib import Path

sys.path.insert(0, "BUNDLE")
from monai.bundle import ConfigParser
from scripts.reader import read_image

config = ConfigParser()
config.read_config("BUNDLE/configs/inference.json")
config["dataset"] = []  # no folder
prediction = config.get_parsed_content("evaluator").predict(read_image(Path("photograph.png")))
```

`{network}` alone needs torch and nothing else. It takes float32 images (B, 3, {size}, {size}) in [0, 1], RGB,
centred on a black square and resized, normalises them, and gives the mean over the folds' networks of the
probabilities of {output}: `torch.export.load("{network}").module()`.

A bundle is code: run none whose files have other hashes than those its maker tells.

## Measured

Out of fold, each fold's network on the patients held out from it; intervals of 95 % over patients.

| metric | value [interval] | patients |
|---|---|---|
{figures}

## Where it comes from

| | |
|---|---|
| experiment | `{experiment}` |
| study | `{study}` |
| spec | `{spec_id}` |
| dataset | {dataset} |
| dataset's SHA-256 | `{dataset_sha256}` |
| trained on | {trained_on} |

```json
{spec}
```

| network of a fold, in ARC | SHA-256 |
|---|---|
{sources}

| file of this bundle | SHA-256 |
|---|---|
{hashes}
"""
