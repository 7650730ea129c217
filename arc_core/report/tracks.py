"""Each proposal of a study, followed from the board to the gate."""

from arc_core.experiments.board import Decision, Outcome, Proposal, Review
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Verdict
from arc_core.experiments.study import Study
from arc_core.record import Record


class Track(Record):
    """One proposal in one cycle. `outcome` is None where it did not run, `verdict` until it has one."""

    cycle: int
    proposal: Proposal
    reviews: tuple[Review, ...] = ()
    decision: Decision
    outcome: Outcome | None = None
    verdict: Verdict | None = None

    @property
    def failed(self) -> bool:
        """It ran and left no figure to compare: the training failed, or the metric is undefined."""
        if self.verdict is not None:
            return self.verdict.outcome == "reject" and self.verdict.effect is None
        return self.outcome is not None and self.outcome.status == "failed"

    @property
    def improved(self) -> bool | None:
        """Whether the gate promoted it; a failure did not improve.

        None while that is open, for a baseline, and where there was nothing to compare it with.
        """
        if not self.proposal.changes:
            return None
        if self.failed:
            return False
        if self.verdict is None or self.verdict.effect is None:
            return None
        return self.verdict.outcome == "promote"


def tracks_of(memory: Memory, study: Study) -> tuple[Track, ...]:
    """Every decided proposal of the study, cycle by cycle."""
    outcomes = {(each.outcome.cycle, each.proposal_id): each.outcome for each in memory.experiments(study.id)}
    verdicts = {verdict.experiment_id: verdict for verdict in memory.verdicts(study.id)}
    tracks = []
    all_proposals = memory.kept_by_meeting(study.id, Proposal)
    all_reviews = memory.kept_by_meeting(study.id, Review)
    for meeting, decisions in memory.kept_by_meeting(study.id, Decision).items():
        cycle, _ = meeting
        proposals = {proposal.id: proposal for proposal in all_proposals[meeting]}
        reviews = all_reviews.get(meeting, ())
        for decision in decisions:
            proposal_id = decision.proposal_id
            outcome = outcomes.get((cycle, proposal_id)) if decision.selected else None
            tracks.append(
                Track(
                    cycle=cycle,
                    proposal=proposals[proposal_id],
                    reviews=tuple(review for review in reviews if review.proposal_id == proposal_id),
                    decision=decision,
                    outcome=outcome,
                    verdict=verdicts.get(outcome.experiment_id) if outcome else None,
                )
            )
    return tuple(tracks)
