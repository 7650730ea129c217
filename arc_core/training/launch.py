"""How approved experiments are started: where, on how many devices, and with which arithmetic."""

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from arc_core.record import Record

Precision = Literal["auto", "fp32", "bf16", "fp16"]
LrScaling = Literal["none", "linear", "sqrt"]


class DeepSpeed(Record):
    """What ZeRO spreads over the devices (Rajbhandari et al., SC 2020)."""

    stage: Literal[1, 2, 3] = Field(2, description="1: optimiser; 2: gradients too; 3: parameters too")
    offload_optimizer: bool = Field(False, description="keep the optimiser's state in host memory")
    offload_parameters: bool = Field(False, description="keep the parameters there; stage 3 only")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.offload_parameters and self.stage != 3:
            raise ValueError(f"offload_parameters needs stage 3, the stage is {self.stage}")
        return self


class LaunchConfig(Record):
    """How approved experiments are started."""

    dispatcher: Literal["local", "pool"] = Field("local", description="child processes, or Prefect's pool")
    devices: int = Field(1, ge=1, le=16, description="GPUs of one experiment; without a GPU, CPU processes")
    enable_deepspeed: bool = Field(False, description="train with DeepSpeed instead of plain DDP")
    deepspeed: DeepSpeed = DeepSpeed()
    precision: Precision = Field(
        "auto", description="auto: fp32 on a CPU; on a GPU bf16 where it has it, else fp16 with scaling"
    )
    channels_last: bool | None = Field(
        None, description="memory format; null: on GPUs, and where the network is faster so on a CPU"
    )
    compile: bool = Field(False, description="torch.compile the network; needs a C compiler")
    lr_scaling: LrScaling = Field("none", description="how lr grows with the number of devices")
    checkpoint_every_s: float = Field(
        30.0, ge=0, description="least time between checkpoints, written at the end of an epoch"
    )
    cpu_threads: int = Field(
        1, ge=1, le=64, description="threads of one process; fixed, so that results don't depend on cores"
    )
    priority: int = Field(5, ge=0, le=10, description="the highest trains first; then who asked first")
    job_timeout_s: int | None = Field(None, ge=1, description="longest one experiment may train")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.enable_deepspeed and self.channels_last:
            raise ValueError(
                "channels_last can't go with DeepSpeed, which flattens the weights; leave it null"
            )
        return self


def scaled_lr(lr: float, devices: int, rule: LrScaling) -> float:
    """The learning rate for a batch `devices` times as large.

    `linear`: × devices (Goyal et al., arXiv:1706.02677); `sqrt`: × √devices, which keeps the gradient's
    noise (Krizhevsky, arXiv:1404.5997), and suits adaptive optimisers.
    """
    return lr * {"none": 1.0, "linear": float(devices), "sqrt": math.sqrt(devices)}[rule]
