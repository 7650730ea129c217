"""The race: a training that is clearly worse than the champion after its first folds is stopped early.

Stopping for a loss alone can't let noise through: who is stopped is not promoted, and whoever is not stopped
meets the same test as without a race. It can only cost a true gain that started badly, with probability
`race` for each look.
"""

from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Race
from arc_core.gate.bootstrap import paired_deviation
from arc_core.gate.contrast import contrast, floor_of
from arc_core.gate.verdict import GateConfig, Side, paired, patients_needed


def outrun(
    metric: str,
    challenger: Side,
    champion: Side,
    folds: int,
    of_folds: int,
    config: GateConfig,
) -> Race | None:
    """Why to stop the challenger, whose first folds, `folds` of them, have finished; None: it goes on.

    `challenger`: its cases so far; `champion`: every training of the champion, of which only these cases
    count, and which give the noise floor. None also where that is unknown, or the patients are too few to
    tell. ValueError where the champion lacks a case.
    """
    if config.race is None:
        return None
    (cases,) = challenger.trials
    seen = {case.image_id for case in cases}
    same = Side(
        ids=champion.ids,
        trials=tuple(tuple(case for case in trial if case.image_id in seen) for trial in champion.trials),
    )
    mine, theirs = challenger.values(metric), same.values(metric)
    floor = floor_of([theirs]) if theirs is not None else None
    gain = paired_deviation(
        metric, challenger.trials, same.trials, resamples=config.resamples, seed=config.seed
    )
    if mine is None or theirs is None or floor is None or gain is None:
        return None
    found = contrast(gain, mine, theirs, floor)
    if found.fewest < patients_needed(config.race) or found.p_loss > config.race:
        return None
    effect, level = found.between(config.race, config.race), 1 - 2 * config.race
    return Race(
        champion_id=champion.ids[0],
        champion_trainings=champion.ids,
        metric=metric,
        folds=folds,
        of_folds=of_folds,
        effect=effect,
        level=level,
        p_loss=found.p_loss,
        noise_floor=floor,
        reason=(
            f"Stopped after fold {folds} of {of_folds}: {METRICS[metric].label} {mine[0]:.3f} on "
            f"the {found.patients} patients so far, {paired(effect, level)} over {champion.ids[0]}: worse "
            f"(p of such a loss {found.p_loss:.2g}, limit {config.race:g})."
        ),
    )
