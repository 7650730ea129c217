"""A study whose response surface is known: the board's experiments are answered by a formula.

Only the tests train like this; it says whether the policies can learn, not how well ARC does.
"""

import hashlib
import math

from arc_core.agents.board import Board, BoardConfig, offline_board
from arc_core.agents.briefs import CheckBrief, DirectBrief, ProposeBrief, RecallBrief, ReviewBrief, RuleBrief
from arc_core.agents.decide import decide
from arc_core.agents.votes import collect
from arc_core.experiments.board import Compiled, Decision, Directive, History, Outcome, Proposal
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import Result
from arc_core.experiments.space import Choice, Range, SearchSpace
from arc_core.experiments.spec import Architecture, Augmentation, ExperimentSpec, Loss, Optimiser, Value

LOSSES = frozenset({"dice_ce", "dice", "focal", "tversky"})
BASELINE = ExperimentSpec(
    task="segmentation",
    architecture=Architecture(name="unet", width=8, depth=4, dropout=0.0),
    image_size_px=96,
    loss=Loss(name="dice_ce"),
    augmentation=Augmentation(rotation_deg=10),
    optimiser=Optimiser(name="adamw", lr=1e-3, weight_decay=1e-4),
    epochs=15,
    batch_size=8,
)
UNKNOWN = Estimate(value=0.5, low=0, high=1)
SPACE = SearchSpace(
    axes={
        "architecture.name": Choice(choices=("unet", "attention_unet", "segresnet", "basic_unet")),
        "architecture.width": Choice(choices=(8, 12, 16)),
        "architecture.depth": Choice(choices=(3, 4, 5)),
        "architecture.dropout": Range(low=0.0, high=0.5),
        "image_size_px": Choice(choices=(64, 96, 128)),
        "normalisation": Choice(choices=("unit", "standardise", "contrast")),
        "loss.name": Choice(choices=tuple(sorted(LOSSES))),
        "loss.params.gamma": Range(low=0.5, high=3.0, when={"loss.name": "focal"}),
        "loss.params.beta": Range(low=0.5, high=0.8, when={"loss.name": "tversky"}),
        "augmentation.rotation_deg": Choice(choices=(0, 5, 10, 15)),
        "augmentation.gamma": Choice(choices=(0, 0.05, 0.1)),
        "optimiser.lr": Range(low=1e-4, high=0.01, log=True),
        "optimiser.weight_decay": Range(low=1e-6, high=0.1, log=True),
        "schedule": Choice(choices=("constant", "cosine", "one_cycle")),
        "epochs": Choice(choices=(10, 15, 20, 30)),
        "batch_size": Choice(choices=(4, 8, 16)),
    },
    loss_params={"focal": {"gamma": 2.0}, "tversky": {"alpha": 0.3, "beta": 0.7}},
)


def surface(spec: ExperimentSpec) -> float:
    """Mean Dice of a spec: best at lr 3e-3, large images, attention_unet and tversky."""
    value = 0.80
    value += {64: -0.03, 96: 0.0, 128: 0.02}.get(spec.image_size_px, 0)
    value += {"unet": 0.0, "attention_unet": 0.02, "segresnet": 0.01, "basic_unet": -0.01}[
        spec.architecture.name
    ]
    value += {"dice_ce": 0.0, "dice": -0.01, "focal": -0.02, "tversky": 0.015}[spec.loss.name]
    value += 0.01 * math.log2(spec.epochs / 15) + 0.001 * (spec.architecture.width - 8)
    value -= 0.03 * (math.log10(spec.optimiser.lr / 3e-3)) ** 2 + 0.04 * spec.architecture.dropout
    noise = int(hashlib.sha256(spec.id.encode()).hexdigest()[:6], 16) / 0xFFFFFF - 0.5
    return value + 0.006 * noise


def outcome(
    number: int,
    spec: ExperimentSpec,
    value: float | None,
    *,
    cycle: int = 1,
    metric: str = "mean_dice",
    reason: str = "",
) -> Outcome:
    """A finished experiment, or a failed one where `value` is None."""
    result = None
    if value is not None:
        result = Result(
            metrics={metric: Estimate(value=value, low=value - 0.02, high=value + 0.02, patients=48)},
            folds=3,
            device="formula",
            train_s=1,
            total_s=1,
            images=1,
            work_gflop=1,
            peak_memory_mib=1,
            files={},
        )
    return Outcome(
        experiment_id=f"exp-{number:03}",
        cycle=cycle,
        spec=spec,
        status="failed" if value is None else "finished",
        reason=reason,
        result=result,
    )


def said(changes: dict[str, Value], *, parent: Outcome | None = None, proposer: str = "explorer") -> Proposal:
    """A proposal of such changes to the baseline, or to an experiment."""
    spec = SPACE.apply(parent.spec if parent else BASELINE, changes)
    return Proposal(
        id=f"prop-{spec.id[:10]}",
        proposer=proposer,
        category="explore",
        name="a change",
        hypothesis="This change may raise mean Dice a little",
        justification="It has not been compared in this study yet.",
        parent_id=parent.experiment_id if parent else None,
        changes=changes,
        spec=spec,
        predicted=UNKNOWN,
    )


def recall(outcomes: tuple[Outcome, ...], metric: str = "mean_dice") -> History:
    return offline_board(BoardConfig()).historian.answer(
        RecallBrief(metric=metric, outcomes=outcomes, parent=BASELINE)
    )


def brief(outcomes: tuple[Outcome, ...] = (), **changes: object) -> ProposeBrief:
    """What the proposers are asked after `outcomes`, with the best of them as the parent."""
    metric = str(changes.get("metric", "mean_dice"))
    history = recall(outcomes, metric)
    director = offline_board(BoardConfig()).director
    finished = [o for o in outcomes if o.result is not None]
    key = METRICS[metric].gain
    best = max(finished, key=lambda o: key(o.result.metrics[metric].value, over=0), default=None)
    fields: dict[str, object] = {
        "directive": director.answer(
            DirectBrief(history=history, metric=metric, space=SPACE, parent=BASELINE, slots=3)
        ),
        "history": history,
        "outcomes": outcomes,
        "parent": best.spec if best else BASELINE,
        "parent_id": best.experiment_id if best else None,
        "baseline": BASELINE,
        "space": SPACE,
        "losses": LOSSES,
        "count": 3,
        "seed": 0,
        "metric": metric,
        "seen": frozenset(o.spec.id for o in outcomes),
    }
    return ProposeBrief(**{**fields, **changes})


def settle(board: Board, asked: ProposeBrief, proposals: tuple[Proposal, ...]) -> tuple[Decision, ...]:
    """Review, rule, check, vote and decide, as one cycle does."""
    shared = {"proposals": proposals, "losses": asked.losses, "forbidden": asked.forbidden}
    reviews = board.review(
        ReviewBrief(
            **shared,
            metric=asked.metric,
            parent=asked.parent,
            history=asked.history,
            directive=asked.directive,
            space=asked.space,
        )
    ).reviews
    ruled = RuleBrief(**shared, reviews=reviews, metric=asked.metric, parent=asked.parent)
    rulings = board.rule(ruled).rulings
    compiled = tuple(
        Compiled(proposal_id=p.id, parameters=400_000, memory_mib=800, seconds=40) for p in proposals
    )
    checks = board.executor.answer(
        CheckBrief(proposals=proposals, compiled=compiled, memory_limit_mib=5120)
    ).checks
    votes = collect(
        proposals,
        history=asked.history,
        directive=asked.directive,
        reviews=reviews,
        rulings=rulings,
        checks=checks,
        weights=board.config.weights,
    )
    return decide(
        proposals,
        votes=votes,
        rulings=rulings,
        checks=checks,
        budget=asked.directive.budget,
        config=board.config,
    )


def run_study(
    cycles: int, seed: int = 0
) -> tuple[tuple[Outcome, ...], list[tuple[Directive, tuple[Proposal, ...], tuple[Decision, ...]]]]:
    """Every outcome, and what the board did in each cycle."""
    board, outcomes, minutes = offline_board(BoardConfig()), (), []
    proposed: frozenset[str] = frozenset()
    for cycle in range(1, cycles + 1):
        asked = brief(outcomes, seed=1000 * seed + cycle)
        asked = asked.model_copy(update={"seen": asked.seen | proposed})
        proposals = board.propose(asked)
        decisions = settle(board, asked, proposals)
        proposed |= {proposal.spec.id for proposal in proposals}
        minutes.append((asked.directive, proposals, decisions))
        chosen = {d.proposal_id for d in decisions if d.selected}
        specs = [p.spec for p in proposals if p.id in chosen]
        outcomes += tuple(
            outcome(len(outcomes) + i, spec, surface(spec), cycle=cycle) for i, spec in enumerate(specs)
        )
    return outcomes, minutes
