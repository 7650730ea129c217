"""DeepSpeed's ZeRO under Lightning, on GPUs or on CPU processes, with checkpoints that run no code."""

import warnings
from pathlib import Path
from typing import Any

import deepspeed
import torch
from deepspeed.runtime.checkpoint_engine import TorchCheckpointEngine
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
from deepspeed.runtime.zero.config import ZeroStageEnum
from deepspeed.utils import safe_get_full_fp32_param
from deepspeed.utils.tensor_fragment import fragment_address
from lightning.pytorch.strategies import DeepSpeedStrategy

from arc_core.experiments.limits import MAX_PARAMETERS
from arc_core.training import ranks
from arc_core.training.checkpoint import put_in_place, remove, tensors_of, write_tensors
from arc_core.training.launch import Precision
from arc_core.training.plan import TrainingPlan

# DeepSpeed 0.19 calls two functions of torch 2.13 by their old names.
warnings.filterwarnings("ignore", message=r"`torch\.distributed\..*` is deprecated", category=FutureWarning)


def zero_strategy(plan: TrainingPlan, precision: Precision) -> "ZeroStrategy":
    """The strategy that a plan with DeepSpeed asks for; it sees to the precision too."""
    asked = plan.deepspeed
    assert asked is not None
    strategy = ZeroStrategy(
        stage=asked.stage,
        offload_optimizer=asked.offload_optimizer,
        offload_parameters=asked.offload_parameters,
        logging_batch_size_per_gpu=plan.training.micro_batch,
        process_group_backend="nccl" if plan.system.device == "cuda" else "gloo",
        # Buffers of this many values are made anew in every step; more than any network has is waste.
        reduce_bucket_size=MAX_PARAMETERS,
        allgather_bucket_size=MAX_PARAMETERS,
    )
    # DeepSpeed's own CPU optimiser would train otherwise than the one the spec names.
    strategy.config["zero_force_ds_cpu_optimizer"] = False
    if precision != "fp32":
        # Its own half-precision modes would halve the weights of batch norm, and leave its statistics whole.
        dtype = {"bf16": "bfloat16", "fp16": "float16"}[precision]
        strategy.config["torch_autocast"] = {"enabled": True, "dtype": dtype}
    return strategy


class ZeroStrategy(DeepSpeedStrategy):  # type: ignore[misc]  # lightning is skipped by mypy
    """Lightning's, without its checks for CUDA, which DeepSpeed itself does not make."""

    @property
    def root_device(self) -> torch.device:
        device = super().root_device
        # DeepSpeed wants an index; a CPU has none of its own.
        return torch.device("cpu", self.local_rank) if device.type == "cpu" else device

    def setup_environment(self) -> None:
        self.accelerator.setup_device(self.root_device)
        self.setup_distributed()

    def setup_distributed(self) -> None:
        self.set_world_ranks()
        self._process_group_backend = self._get_process_group_backend()
        deepspeed.init_distributed(self._process_group_backend, dist_init_required=False)

    def init_deepspeed(self) -> None:
        super().init_deepspeed()
        self.deepspeed_engine.checkpoint_engine = SafeEngine()

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Every process writes its part into one folder, which gets its name when all of them have."""
        final = Path(filepath)
        unfinished = final.with_name(f"{final.name}.unfinished")
        if ranks.this() == 0:
            remove(unfinished)
        ranks.barrier()
        super().save_checkpoint(checkpoint, str(unfinished), storage_options)
        ranks.barrier()
        if ranks.this() == 0:
            put_in_place(unfinished, final)
        ranks.barrier()


class SafeEngine(TorchCheckpointEngine):  # type: ignore[misc]
    """How DeepSpeed's files are written and read: atomically, and with no code run but its own records'."""

    def save(self, state_dict: object, path: str) -> None:
        write_tensors(Path(path), state_dict)

    def load(self, path: str, map_location: object = None) -> Any:
        return records_of(Path(path))


def records_of(path: Path) -> Any:
    """The content of a file of DeepSpeed's. Of its classes these few, which hold values alone, are made."""
    with torch.serialization.safe_globals([LossScaler, DynamicLossScaler, ZeroStageEnum, fragment_address]):
        return tensors_of(path)


def full_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The plain state dict in float32, on every process; each has to ask for it."""
    weights = {name: buffer.detach().cpu() for name, buffer in network.named_buffers()}
    for name, parameter in network.named_parameters():
        weights[name] = safe_get_full_fp32_param(parameter).detach().cpu()
    return {name: weights[name].contiguous() for name in network.state_dict()}
