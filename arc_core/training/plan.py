"""The training plan: an approved spec made ready to run on its devices. Pure, and loads no torch."""

import sys
from collections.abc import Sequence
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
from arc_core.training.launch import DeepSpeed, LaunchConfig, Precision, scaled_lr
from arc_core.training.reference import check_reference

PLAN = "plan.json"
"""A training's plan, in its run folder."""
CRITICAL: frozenset[Severity] = frozenset({"critical"})
Device = Literal["cpu", "cuda"]
# Every step frees what the next one needs. Given back to the system at once, as is glibc's habit, each page
# of it is cleared anew; kept, an epoch on a CPU takes a sixth less. Other C libraries ignore it.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20),
}
SMALLEST_ALONE_PX = 64  # under it a classification's last features are 1 × 1, one value for each channel
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


class Training(Record):
    """What one process of the training is told."""

    batch_size: int = Field(ge=1, description="images per optimiser step, over all devices")
    micro_batch: int = Field(ge=1, description="images put on one device at once")
    accumulate: int = Field(ge=1, description="micro-batches per device and optimiser step")
    epochs: int = Field(ge=1)
    lr: float = Field(
        gt=0, allow_inf_nan=False, description="the highest of the schedule, scaled for the devices"
    )
    devices: int = Field(1, ge=1)
    strategy: Literal["ddp", "deepspeed"] | None = None
    precision: Precision = "auto"
    channels_last: bool | None = Field(None, description="None: as the network's file says")
    compile: bool = False
    gradient_clip: float = Field(0.0, ge=0)
    checkpoint_every_s: float = Field(30.0, ge=0)


class System(Record):
    """The part of the machine that the training is given."""

    device: Device
    gpu_ids: tuple[int, ...] = ()
    num_gpus: int = Field(0, ge=0)
    cpu_threads: int = Field(1, ge=1)
    job_timeout_s: int | None = None


class TrainingPlan(Record):
    """The full configuration of one training: what, on which cases, where, and with which device."""

    experiment_id: str
    study_id: str
    spec: ExperimentSpec
    dataset: Dataset
    split: Split
    run_dir: str = Field(description="absolute path of the experiment's own folder")
    training: Training
    system: System
    deepspeed: DeepSpeed | None = None
    deviations: tuple[str, ...] = Field(
        (), description="where it is carried out otherwise than asked, and why"
    )

    @property
    def path(self) -> Path:
        """Where the worker reads this plan."""
        return Path(self.run_dir) / PLAN

    def fold_dir(self, fold: int) -> Path:
        return Path(self.run_dir) / f"fold-{fold}"

    def arguments(self) -> list[str]:
        """The command line of each of the training's processes."""
        return [sys.executable, "-m", "arc_core.training.worker", str(self.path)]

    def environment(self, rank: int = 0) -> dict[str, str]:
        """What the environment of process `rank` adds: its GPUs, its place, and what makes it repeatable."""
        threads = str(self.system.cpu_threads)
        return {
            # The GPUs are chosen here; within the process they are numbered from 0, as DeepSpeed demands.
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, self.system.gpu_ids)),
            # NVML and CUDA may number the GPUs differently unless told to follow the bus.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            **KEEP_FREED_MEMORY,
        } | (self._place(rank) if self.training.strategy else {})

    def _place(self, rank: int) -> dict[str, str]:
        """The process's place among the others, as torch's launchers name it. All are on one machine."""
        return {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "NODE_RANK": "0",
            "WORLD_SIZE": str(self.training.devices),
            "GLOO_SOCKET_IFNAME": LOOPBACK,
            "NCCL_SOCKET_IFNAME": LOOPBACK,
            "DS_ACCELERATOR": self.system.device,
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
    gpu_ids: Sequence[int] = (),
    enable_deepspeed: bool | None = None,
    forbidden: tuple[ForbiddenRange, ...] = (),
) -> TrainingPlan:
    """The plan that trains `spec` on the GPUs `gpu_ids`, or without any in `launch.devices` CPU processes.

    The spec's batch is that of one device, so a step takes as many times more images as there are devices.
    `enable_deepspeed`: None leaves it to `launch`. SpecError when the spec breaks a critical limit or is
    too large.
    """
    check_spec(spec, forbidden)
    check_reference(spec, dataset)
    micro_batch = largest_divisor(spec.batch_size, batch_size_per_gpu)
    check_size(spec, micro_batch)
    devices = len(gpu_ids) or launch.devices
    check_cases(split, devices)
    deepspeed = launch.enable_deepspeed if enable_deepspeed is None else enable_deepspeed
    return TrainingPlan(
        experiment_id=experiment_id,
        study_id=study_id,
        spec=spec,
        dataset=dataset,
        split=split,
        run_dir=str(run_dir.absolute()),
        training=Training(
            batch_size=spec.batch_size * devices,
            micro_batch=micro_batch,
            accumulate=spec.batch_size // micro_batch,
            epochs=spec.epochs,
            lr=scaled_lr(spec.optimiser.lr, devices, launch.lr_scaling),
            devices=devices,
            strategy="deepspeed" if deepspeed else "ddp" if devices > 1 else None,
            precision=launch.precision,
            channels_last=_channels_last(launch.channels_last, on_gpu=bool(gpu_ids), deepspeed=deepspeed),
            compile=launch.compile,
            gradient_clip=spec.gradient_clip,
            checkpoint_every_s=launch.checkpoint_every_s,
        ),
        system=System(
            device="cuda" if gpu_ids else "cpu",
            gpu_ids=tuple(gpu_ids),
            num_gpus=len(gpu_ids),
            cpu_threads=launch.cpu_threads,
            job_timeout_s=launch.job_timeout_s,
        ),
        deepspeed=launch.deepspeed if deepspeed else None,
    )


def _channels_last(asked: bool | None, *, on_gpu: bool, deepspeed: bool) -> bool | None:
    """None leaves it to the network's file; DeepSpeed flattens the weights, and takes them in order only."""
    if deepspeed:
        return False
    return True if asked is None and on_gpu else asked


def check_spec(
    spec: ExperimentSpec,
    forbidden: tuple[ForbiddenRange, ...] = (),
    *,
    refused: frozenset[Severity] = CRITICAL,
) -> None:
    """SpecError when the spec names an unknown part or breaks a limit of a refused severity."""
    known_losses = catalogue.losses(spec.task)
    if spec.loss.name in known_losses:
        catalogue.check_loss(spec)
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


def check_cases(split: Split, devices: int) -> None:
    """SpecError when a fold trains on too few cases to give each device one."""
    fewest = min(len(split.training(fold)) for fold in range(split.folds))
    if fewest < devices:
        raise SpecError(
            "there are fewer training cases than devices",
            where="launch.devices",
            got=f"{devices} devices, {fewest} cases",
            cure="Lower launch.devices, or give more images.",
        )


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
    if spec.task == "classification" and micro_batch == 1 and spec.image_size_px < SMALLEST_ALONE_PX:
        raise SpecError(
            "batch norm can't learn from one image of this size at once",
            where="batch_size",
            got=f"{micro_batch} image of {spec.image_size_px} px",
            expected=f"2 images, or {SMALLEST_ALONE_PX} px",
            cure="Raise batch_size, image_size_px or ARC_BATCH_SIZE_PER_GPU.",
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
