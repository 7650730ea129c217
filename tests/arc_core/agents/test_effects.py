"""Effects: the quick way must find what looking at every pair would find."""

import weakref

from hypothesis import given, settings
from hypothesis import strategies as st

from arc_core.agents.effects import MAX_AXES, MAX_REFERENCES, differing, effects_of, evidence_of, forget
from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import METRICS
from tests.arc_core.agents.study import BASELINE, SPACE, brief, outcome, run_study

AXES = {
    "loss.name": ("dice", "focal", "tversky"),
    "epochs": (10, 15, 20),
    "optimiser.lr": (1e-3, 3e-3),
    "batch_size": (4, 8),
    "image_size_px": (64, 96),
    "architecture.name": ("unet", "segresnet"),
}
SPECS = st.fixed_dictionaries({}, optional={path: st.sampled_from(v) for path, v in AXES.items()})
VALUES = st.one_of(st.none(), st.just(float("nan")), st.sampled_from([0.5, 0.6, 0.7, 0.8]))


def outcomes_of(drawn: list[tuple[dict[str, object], float | None]], metric: str) -> tuple[Outcome, ...]:
    return tuple(
        outcome(i, SPACE.apply(BASELINE, changes), value, cycle=1 + i // 3, metric=metric)
        for i, (changes, value) in enumerate(drawn)
    )


def every_pair(outcomes: tuple[Outcome, ...], metric: str) -> list[tuple[str, str, dict[str, object]]]:
    """The definition, written down without regard to time."""
    measured = [o for o in outcomes if o.result and o.result.metrics[metric].value > 0]  # not NaN
    references, effects = measured[:1], []
    value = {o.experiment_id: o.result.metrics[metric].value for o in measured}
    for cycle in sorted({o.cycle for o in measured}):
        here = [o for o in measured if o.cycle == cycle]
        for child in here:
            steps = [
                (len(changes), -place, changes, reference)
                for place, reference in enumerate(references)
                if (changes := differing(child.spec.flat(), reference.spec.flat())) and reference is not child
            ]
            if steps and (nearest := min(steps, key=lambda step: step[:2]))[0] <= MAX_AXES:
                effects.append((child.experiment_id, nearest[3].experiment_id, nearest[2]))
        best = here[0]
        for other in here:
            if METRICS[metric].is_better(value[other.experiment_id], value[best.experiment_id]):
                best = other
        if METRICS[metric].is_better(value[best.experiment_id], value[references[-1].experiment_id]):
            references = [references[0], *references[1:][2 - MAX_REFERENCES :], best]
    return effects


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SPECS, VALUES), max_size=24), st.sampled_from(["mean_dice", "vcdr_mae"]))
def test_each_is_against_the_nearest_reference(drawn, metric) -> None:
    outcomes = outcomes_of(drawn, metric)
    found = [(*effect.ids, dict(effect.changes)) for effect in effects_of(outcomes, metric)]
    assert found == every_pair(outcomes, metric)


def test_each_is_against_the_nearest_reference_in_a_study_of_twelve_cycles() -> None:
    outcomes, _ = run_study(12, seed=3)
    found = [(*effect.ids, dict(effect.changes)) for effect in effects_of(outcomes, "mean_dice")]
    assert len(found) > 12
    assert found == every_pair(outcomes, "mean_dice")


def test_what_is_remembered_is_never_that_of_other_outcomes() -> None:
    outcomes, _ = run_study(3)
    evidence = evidence_of(outcomes, "mean_dice")
    assert evidence_of(brief(outcomes).outcomes, "mean_dice") is evidence
    worse = outcomes[-1].model_copy(update={"cycle": 99})
    assert evidence_of((*outcomes[:-1], worse), "mean_dice").outcomes[-1] is worse
    assert evidence_of(outcomes[:-1], "mean_dice").outcomes == outcomes[:-1]


def test_what_is_forgotten_is_made_anew_and_alike() -> None:
    outcomes, _ = run_study(3)
    held = weakref.ref(evidence_of(outcomes, "mean_dice"))
    effects = evidence_of(outcomes, "mean_dice").effects
    forget()
    assert held() is None
    assert evidence_of(outcomes, "mean_dice").effects == effects


def test_similar_steps_are_remembered_by_direction() -> None:
    base, raised = BASELINE, BASELINE.changed({"epochs": 20})
    evidence = evidence_of((outcome(0, base, 0.5), outcome(1, raised, 0.6)), "mean_dice")
    for old, new in ((15, 20), (10, 30), (20, 15), (30, 10), (15, 30)):
        (gain,) = evidence.similar("epochs", old, new)
        assert round(gain, 9) == (0.1 if new > old else -0.1)
