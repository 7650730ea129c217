"""`metadata.json` and `inference.json`, as MONAI's bundle specification has them."""

from dataclasses import asdict
from importlib.metadata import version

from arc_core.bundle.origin import Origin
from arc_core.bundle.shipped import PACKAGE, REQUIRED
from arc_core.experiments.metric import Task
from arc_core.provenance.canonical import Json
from arc_core.training.prediction import NOTICE

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
)
NETWORK = "models/model.pt2"
NOT_PROVIDED = "NOT PROVIDED"
"""What only a person can say."""
INTENDED_USE = f"{NOTICE} Its figures are no evidence of clinical validity."
VERSION = "1.0.0"

_OF_TASK: dict[Task, dict[str, Json]] = {
    "segmentation": {
        "task": "Segmentation of optic disc and cup in fundus photographs, with vertical cup-to-disc ratio",
        "label_classes": "0 background, 1 rim, 2 cup",
        "pred_classes": "probabilities of background, rim and cup",
    },
    "classification": {
        "task": "Classification of glaucoma in fundus photographs",
        "label_classes": "0 normal, 1 glaucoma",
        "pred_classes": "probability of glaucoma",
    },
}
_CHANNELS: dict[Task, tuple[str, ...]] = {
    "segmentation": ("background", "rim", "cup"),
    "classification": ("glaucoma",),
}


def metadata(origin: Origin) -> dict[str, Json]:
    """`configs/metadata.json`."""
    spec, dataset, name = origin.spec, origin.dataset, origin.experiment.id
    mark = "SIMULATED " if origin.study.simulated else ""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "changelog": {VERSION: f"exported from {name}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "fire": "0.7",  # for MONAI's command line, which ARC does without
            **{package: version(package) for package in REQUIRED},
        },
        "name": f"{mark}ARC {name}",
        **_OF_TASK[spec.task],
        "description": origin.words,
        "authors": f"ARC, Autonomous Research Collective, unsupervised; its operator: {NOT_PROVIDED}",
        "copyright": NOT_PROVIDED,
        "data_source": f"{mark}{len(dataset.cases)} images of {dataset.name}, SHA-256 {dataset.sha256}",
        "data_type": "PNG, JPEG, TIFF or BMP",
        "image_classes": "red, green and blue in [0, 1], centred on a black square of the longer side and "
        f"resized to {spec.image_size_px} px",
        "eval_metrics": {metric: asdict(estimate) for metric, estimate in origin.result.metrics.items()},
        "intended_use": INTENDED_USE,
        "network_data_format": {
            "inputs": {"image": _image(spec.image_size_px)},
            "outputs": {"pred": _prediction(spec.task, spec.image_size_px)},
        },
        "arc": {
            "simulated": origin.study.simulated,
            "experiment": name,
            "study": origin.study.id,
            "spec": origin.experiment.outcome.spec_id,
            "dataset_sha256": origin.study.dataset_sha256,
            "networks": origin.networks,
        },
    }


def inference(origin: Origin, network_sha256: str) -> dict[str, Json]:
    """`configs/inference.json`: run it with `--dataset_dir` and `--output_dir`.

    No free text: MONAI would read its signs, such as #, $ and @, as its own.
    """
    model = origin.result.vcdr_model
    workflow = f"{PACKAGE}.workflow"
    return {
        "imports": ["$import pathlib", f"$import {PACKAGE}.prediction as prediction"],
        "bundle_root": "$str(pathlib.Path(prediction.__file__).resolve().parents[1])",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cpu')",
        "network_def": {
            "_target_": f"{workflow}.load_network",
            "path": f"$@bundle_root + '/{NETWORK}'",
            "sha256": network_sha256,
        },
        "preprocessing": {"_target_": f"{workflow}.Preprocessing", "size_px": origin.spec.image_size_px},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": f"{workflow}.Postprocessing",
            "vcdr_model": None if model is None else model.model_dump(mode="json"),
        },
        "dataset": {
            "_target_": "Dataset",
            "data": "$list(prediction.images_in(pathlib.Path(@dataset_dir)).items())",
        },
        "evaluator": {
            "_target_": f"{workflow}.Evaluator",
            "dataset": "@dataset",
            "network": "@network_def",
            "device": "@device",
            "preprocessing": "@preprocessing",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "output_dir": "@output_dir",
            "metadata": "$@bundle_root + '/configs/metadata.json'",
        },
        "run": "$@evaluator.run()",
    }


def _image(size_px: int) -> dict[str, Json]:
    return {
        "type": "image",
        "format": "magnitude",
        "modality": "fundus photography",
        "num_channels": 3,
        "spatial_shape": [size_px, size_px],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {"0": "red", "1": "green", "2": "blue"},
    }


def _prediction(task: Task, size_px: int) -> dict[str, Json]:
    segments = task == "segmentation"
    return {
        "type": "image" if segments else "probabilities",
        "format": "classes",
        "num_channels": len(_CHANNELS[task]),
        "spatial_shape": [size_px, size_px] if segments else [],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(place): name for place, name in enumerate(_CHANNELS[task])},
    }
