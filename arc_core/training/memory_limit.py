"""What is done when a training runs out of memory: less on the device at once, the same step. Pure but for
the plan that an earlier attempt left."""

import re

from pydantic import ValidationError

from arc_core.errors import ExperimentFailed
from arc_core.training.plan import TrainingPlan, largest_divisor

MAX_HALVINGS = 3

# torch.OutOfMemoryError by its name, since torch is not loaded here; on a CPU its allocators say it in words.
_WORDS = re.compile(r"can't allocate memory|bad_alloc|out of memory|could not create a (memory|primitive)")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python's or torch's says that a device or the host has no more memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _WORDS.search(str(error)) is not None


def with_halved_micro_batch(plan: TrainingPlan, reason: str) -> TrainingPlan:
    """The plan with half the images on a device at once, in twice as many micro-batches.

    ExperimentFailed, with the limit that this teaches, after `MAX_HALVINGS` or at a single image.
    """
    training = plan.training
    if training.micro_batch == 1 or len(plan.deviations) == MAX_HALVINGS:
        raise ExperimentFailed(
            f"the machine ran out of memory: {training.micro_batch} images at once on one device are too "
            f"many for {plan.spec.architecture.name} of width {plan.spec.architecture.width} at "
            f"{plan.spec.image_size_px} px, after {len(plan.deviations)} halvings; {reason}"
        )
    per_device = training.batch_size // training.devices
    # An odd micro-batch has no half: the largest that divides the batch and is not over it.
    micro_batch = largest_divisor(per_device, training.micro_batch // 2)
    smaller = training.model_copy(
        update={"micro_batch": micro_batch, "accumulate": per_device // micro_batch}
    )
    deviation = f"micro-batch {training.micro_batch} → {micro_batch}: out of memory"
    return plan.model_copy(update={"training": smaller, "deviations": (*plan.deviations, deviation)})


def as_it_was_left(plan: TrainingPlan) -> TrainingPlan:
    """The plan as an interrupted attempt had come to carry it out, so that its folds still count.

    That attempt may have been on other devices, or on another machine.
    """
    try:
        left = TrainingPlan.model_validate_json(plan.path.read_bytes())
    except (OSError, ValidationError):
        return plan
    carried_out = plan
    for _ in range(MAX_HALVINGS + 1):  # nothing else is believed of a file in a run folder
        if (left.training, left.deviations) == (carried_out.training, carried_out.deviations):
            return carried_out
        try:
            carried_out = with_halved_micro_batch(carried_out, "")
        except ExperimentFailed:
            break
    return plan
