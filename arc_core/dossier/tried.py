"""What was tried in a study: every experiment, with each of its trainings."""

from datetime import datetime

from arc_core.dossier.figure import Evaluations, Figure
from arc_core.errors import ArcError
from arc_core.evaluation.few import firm
from arc_core.experiments.board import Outcome
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.overview import Caption
from arc_core.experiments.result import ACCEPTED, Case, Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Study
from arc_core.gate.bootstrap import paired_gain
from arc_core.gate.panel import read_cases
from arc_core.record import Record


class Training(Record):
    """One training of an experiment; a further one has another seed and an id of its own."""

    id: str
    seed: int
    status: str
    metrics: dict[str, Figure]


class Tried(Record):
    """An experiment of the study, whatever became of it. `gain`: over the champion of its time, paired.

    `trainings`: its own, then those with further seeds.
    """

    number: int
    experiment: Outcome
    caption: Caption
    ended: datetime | None
    metrics: dict[str, Figure]
    verdict: Verdict | None
    gain: Figure | None
    trainings: tuple[Training, ...]

    @property
    def id(self) -> str:
        return self.experiment.experiment_id

    @property
    def accepted(self) -> bool:
        return self.verdict is not None and self.verdict.outcome in ACCEPTED


def tried_of(memory: Memory, study: Study, evaluations: Evaluations) -> tuple[Tried, ...]:
    """Every experiment of the study, in order of approval. Unfounded where one has figures without an
    evaluation."""
    outcomes = memory.outcomes(study.id)
    repeats = memory.repeats.of([each.experiment_id for each in outcomes])
    captions = memory.overview.captions(study.id)
    verdicts = {verdict.experiment_id: verdict for verdict in memory.verdicts(study.id)}
    ended = {each.id: each.ended for each in memory.experiments(study.id)}

    def of(outcome: Outcome) -> Tried:
        name, verdict = outcome.experiment_id, verdicts.get(outcome.experiment_id)
        trainings = [outcome, *(each.outcome for each in repeats[name])]
        # What was stopped early has an effect on its first folds, and no evaluation.
        effect = verdict.effect if verdict and evaluations.of(name) else None
        return Tried(
            number=captions[name].number,
            experiment=outcome,
            caption=captions[name],
            ended=ended[name],
            metrics=_figures(outcome, evaluations),
            verdict=verdict,
            gain=effect and evaluations.figure("gain over the champion of its time", effect, name),
            trainings=tuple(
                Training(
                    id=each.experiment_id,
                    seed=each.spec.seed,
                    status=each.status,
                    metrics=_figures(each, evaluations),
                )
                for each in trainings
            ),
        )

    return tuple(map(of, outcomes))


def _figures(outcome: Outcome, evaluations: Evaluations) -> dict[str, Figure]:
    measured = outcome.result.metrics if outcome.result else {}
    return {
        metric: evaluations.figure(
            METRICS[metric].label, firm(estimate, estimate.patients), outcome.experiment_id
        )
        for metric, estimate in measured.items()
    }


def gains_over(
    memory: Memory,
    runs: Runs,
    study: Study,
    experiment_id: str,
    cases: tuple[Case, ...],
    tried: tuple[Tried, ...],
    evaluations: Evaluations,
) -> dict[str, Figure]:
    """Accepted experiment → the gain of `experiment_id` over it, from one training of each."""
    found = {}
    for each in tried:
        if not each.accepted or each.id == experiment_id:
            continue
        try:
            others = read_cases(memory, runs, each.id)
        except ArcError:
            continue  # an older champion's files may have been cleared away
        gain = paired_gain(study.metric, cases, others)
        if gain is not None:
            found[each.id] = evaluations.figure(f"gain over {each.id}", gain, experiment_id)
    return found
