"""The training plan: an approved spec made ready to run on one device. Pure, and loads no torch."""

import sys
from pathlib import Path
from typing import Literal

from pydantic import Field

from arc_core.data.manifest import Dataset
from arc_core.data.splits import Split
from arc_core.errors import SpecError
from arc_core.experiments.limits import (
    MAX_GPU_MEMORY_MIB,
    MAX_PARAMETERS,
    ForbiddenRange,
    Severity,
    violations,
)
from arc_core.experiments.spec import ExperimentSpec
from arc_core.record import Record
from arc_core.training import catalogue
from arc_core.training.cost import cost_of, memory_mib

CRITICAL: frozenset[Severity] = frozenset({"critical"})
Device = Literal["cpu", "cuda"]


class LaunchConfig(Record):
    """How approved experiments are started."""

    dispatcher: Literal["local", "pool"] = Field("local", description="child processes, or Prefect's pool")
    cpu_threads: int = Field(
        1, ge=1, le=64, description="threads of one worker; fixed, so that results don't depend on cores"
    )
    job_timeout_s: int | None = Field(None, ge=1, description="longest one experiment may train")


class TrainingPlan(Record):
    """All a worker needs: what to train, on which cases, where, and with which device."""

    experiment_id: str
    study_id: str
    spec: ExperimentSpec
    dataset: Dataset
    split: Split
    run_dir: str = Field(description="absolute path of the experiment's own folder")
    device: Device
    gpu_index: int | None = Field(None, ge=0)
    micro_batch: int = Field(ge=1, description="images put on the device at once")
    accumulate: int = Field(ge=1, description="micro-batches per optimiser step")
    cpu_threads: int = Field(ge=1)
    job_timeout_s: int | None = None

    @property
    def path(self) -> Path:
        """Where the worker reads this plan."""
        return Path(self.run_dir) / "plan.json"

    def fold_dir(self, fold: int) -> Path:
        return Path(self.run_dir) / f"fold-{fold}"

    def arguments(self) -> list[str]:
        """The worker's command line."""
        return [sys.executable, "-m", "arc_core.training.worker", str(self.path)]

    def environment(self) -> dict[str, str]:
        """What the worker's environment adds: its one GPU, its threads, and what makes it repeatable."""
        threads = str(self.cpu_threads)
        return {
            "CUDA_VISIBLE_DEVICES": "" if self.gpu_index is None else str(self.gpu_index),
            # NVML and CUDA may number the GPUs differently unless told to follow the bus.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
        }


def compile_plan(
    spec: ExperimentSpec,
    *,
    experiment_id: str,
    study_id: str,
    dataset: Dataset,
    split: Split,
    run_dir: Path,
    launch: LaunchConfig,
    batch_size_per_gpu: int,
    gpu_index: int | None,
    forbidden: tuple[ForbiddenRange, ...] = (),
) -> TrainingPlan:
    """The plan that trains `spec`; SpecError when it breaks a critical limit or is too large."""
    check_spec(spec, forbidden)
    micro_batch = largest_divisor(spec.batch_size, batch_size_per_gpu)
    device: Device = "cpu" if gpu_index is None else "cuda"
    check_size(spec, micro_batch)
    return TrainingPlan(
        experiment_id=experiment_id,
        study_id=study_id,
        spec=spec,
        dataset=dataset,
        split=split,
        run_dir=str(run_dir.absolute()),
        device=device,
        gpu_index=gpu_index,
        micro_batch=micro_batch,
        accumulate=spec.batch_size // micro_batch,
        cpu_threads=launch.cpu_threads,
        job_timeout_s=launch.job_timeout_s,
    )


def check_spec(
    spec: ExperimentSpec,
    forbidden: tuple[ForbiddenRange, ...] = (),
    *,
    refused: frozenset[Severity] = CRITICAL,
) -> None:
    """SpecError when the spec names an unknown part or breaks a limit of a refused severity."""
    known_losses = catalogue.losses(spec.task)
    if spec.loss.name in known_losses:
        catalogue.loss_params(spec.task, spec.loss.name, spec.loss.params)
    broken = [bad for bad in violations(spec, known_losses, forbidden) if bad.severity in refused]
    if broken:
        raise SpecError(
            "breaks a safety limit",
            where=f"spec.{broken[0].path}",
            got=repr(broken[0].value),
            expected=broken[0].limit,
            cure="Choose a value within the limit; docs/experiments.md lists them.",
        )
    if spec.architecture.name not in catalogue.networks(spec.task):
        catalogue.load("networks", spec.task, spec.architecture.name)  # raises, and names the known ones


def largest_divisor(batch_size: int, at_most: int) -> int:
    """The largest divisor of `batch_size` that is not over `at_most`."""
    return max(size for size in range(1, min(batch_size, at_most) + 1) if batch_size % size == 0)


def check_size(spec: ExperimentSpec, micro_batch: int) -> None:
    """SpecError when the network or the training is too large, or its cost was never measured."""
    parameters = cost_of(spec).parameters
    if parameters > MAX_PARAMETERS:
        raise SpecError(
            "the network is too large",
            where="architecture",
            got=f"{parameters:,} parameters",
            expected=f"at most {MAX_PARAMETERS:,}",
            cure="Lower architecture.width or architecture.depth.",
        )
    # Held on the CPU too: a spec must not be fit for one machine and unfit for another.
    needed = memory_mib(spec, micro_batch=micro_batch, device="cuda")
    if needed > MAX_GPU_MEMORY_MIB:
        raise SpecError(
            "the training needs too much GPU memory",
            where="spec",
            got=f"{needed:,.0f} MiB with {micro_batch} images at once",
            expected=f"at most {MAX_GPU_MEMORY_MIB:,} MiB",
            cure="Lower image_size_px, architecture.width or ARC_BATCH_SIZE_PER_GPU.",
        )
