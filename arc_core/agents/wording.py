"""How changes and their effects are put into words, for the table, the report and the next mind."""

from collections.abc import Mapping

from arc_core.agents.effects import Effect, is_number
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.metric import METRICS
from arc_core.experiments.spec import Value

LABELS = {
    "architecture.name": "network",
    "image_size_px": "image size",
    "loss.name": "loss",
    "optimiser.name": "optimiser",
    "optimiser.lr": "learning rate",
    "augmentation.noise_sigma": "noise",
    "augmentation.rotation_deg": "rotation",
    "augmentation.blur_kernel_px": "blur",
    "augmentation.brightness": "brightness jitter",
    "augmentation.contrast": "contrast jitter",
    "augmentation.gamma": "gamma jitter",
    "augmentation.scale": "zoom jitter",
    "augmentation.translation": "shift jitter",
    "auxiliary.vcdr_weight": "weight of the vCDR",
    "curriculum.pacing": "curriculum",
    "curriculum.by": "order of the curriculum",
    "curriculum.start_share": "first share of the curriculum",
    "curriculum.full_by": "end of the curriculum",
}
Steps = Mapping[str, tuple[Value, Value]]


def label(path: str) -> str:
    """What a reader calls the axis."""
    if path in LABELS:
        return LABELS[path]
    leaf = path.rsplit(".", 1)[-1].replace("_", " ")
    return f"loss {leaf}" if path.startswith("loss.params.") else leaf


def show(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def step(path: str, old: Value, new: Value) -> str:
    """One change: "raising image size from 64 to 128", "using loss focal instead of dice"."""
    if is_number(old) and is_number(new):
        verb = "raising" if float(new) > float(old) else "lowering"
        return f"{verb} {label(path)} from {show(old)} to {show(new)}"
    return f"using {label(path)} {show(new)} instead of {show(old)}"


def name(steps: Steps) -> str:
    """A proposal's short name."""
    if len(steps) > 3:
        return f"{len(steps)} axes at once"
    return ", ".join(f"{label(path)} {show(new)}" for path, (_, new) in steps.items())


def hypothesis(steps: Steps, metric: str, founded: bool) -> str:
    """One sentence of five to a dozen words; `founded`: similar steps have helped before."""
    verb = "raise" if METRICS[metric].higher_is_better else "lower"
    end = f"{'should' if founded else 'may'} {verb} {METRICS[metric].label}"
    if len(steps) > 2:
        return f"Changing {len(steps)} axes together may reach a better region"
    if len(steps) == 1:
        ((path, (old, new)),) = steps.items()
        sentence = f"{step(path, old, new)} {end}"
    else:
        sentence = f"{' with '.join(f'{label(path)} {show(new)}' for path, (_, new) in steps.items())} {end}"
    return sentence[0].upper() + sentence[1:]


def forbidden(bad: ForbiddenRange) -> str:
    """For example: learning rate from 0.005 to 0.01 with optimiser adamw."""
    when = ", ".join(f"{label(path)} {show(value)}" for path, value in bad.when.items())
    return f"{label(bad.path)} from {show(bad.low)} to {show(bad.high)}{f' with {when}' if when else ''}"


def finding(effect: Effect, metric: str) -> str:
    """For example: raising image size from 64 to 128: mean Dice 0.031 higher (exp-a than exp-b; one training
    each).

    No gain is claimed: that is for the gate to say, which looks at further seeds and at all comparisons.
    """
    what = " and ".join(step(path, old, new) for path, (old, new) in effect.changes.items())
    child, parent = effect.ids
    higher = (effect.gain >= 0) == METRICS[metric].higher_is_better
    seen = f"{METRICS[metric].label} {abs(effect.gain):.3f} {'higher' if higher else 'lower'}"
    doubt = "" if effect.clear else "; intervals overlap"
    return f"{what}: {seen} ({child} than {parent}; one training each{doubt})"
