"""A store with N experiments of one study, as N / 3 real cycles would leave it: for `benchmarks.board`.

The specs are steps from a champion that climbs a made-up additive surface, so that records fall often
at first and seldom later; everything is written by SQLAlchemy in bulk, past the methods of `Memory`.
"""

import hashlib
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from arc_core.agents.board import WEIGHTS
from arc_core.config import ArcConfig
from arc_core.data.study import dataset_of
from arc_core.errors import SpecError
from arc_core.experiments import tables as t
from arc_core.experiments.board import (
    Budget,
    Decision,
    Directive,
    Feasibility,
    Proposal,
    Review,
    Ruling,
    Tally,
    Vote,
)
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import OF_TASK, Estimate
from arc_core.experiments.result import CASES, Case, Point, Result, Verdict
from arc_core.experiments.rows import board_row, result_row
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Study, experiment_id
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.provenance.canonical import canonical_json
from arc_core.settings import get_settings
from arc_core.training.cost import cost_of

PER_CYCLE = 3
PROPOSED = 6
FOLDS, EPOCHS, FILES = 2, 40, 60
FAILING = 0.03
PROMOTED = 0.003  # a gain over the champion that the gate would accept
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


def fill(memory: Memory, config: ArcConfig, study: Study, size: int) -> None:
    """`size` ended experiments in the store, and the run folder of the champion."""
    past, number = _Past(config, study), 0
    with memory.database.write() as db:
        while number < size:
            rows: Rows = {}
            for _ in range(100):
                wanted = min(PER_CYCLE, size - number)
                number += wanted
                past.add_cycle(rows, wanted)
                if number == size:
                    break
            _insert(db, rows)
    folder = get_settings().runs / past.champion_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CASES).write_bytes(past.cases)


def _insert(db: Connection, rows: Rows) -> None:
    for table in t.metadata.sorted_tables:
        if found := rows.get(table.name):
            db.execute(insert(table), found)


class _Past:
    """The study so far: its champion, and every spec it has proposed."""

    def __init__(self, config: ArcConfig, study: Study) -> None:
        self.config, self.study, self.rng = config, study, random.Random(0)
        self.cycle = self.number = self.judged = 0
        self.spec, self.value, self.champion_id = config.spec, 0.0, ""
        self.seen: set[str] = set()
        self.cases = _cases(study)

    def add_cycle(self, rows: Rows, selected: int) -> None:
        self.cycle += 1
        times = {"started": WHEN, "ended": WHEN}
        state = {"study_id": self.study.id, "number": self.cycle, "status": "finished", "reason": ""}
        _add(rows, "cycles", [{"id": self.cycle, **state, **times}])
        directive = Directive(
            mode="explore", objective="look", budget=Budget(exploit=1, explore=2, wildcat=0), notes="why"
        )
        proposals = [self._proposal() for _ in range(PROPOSED)]
        decisions = [_decision(proposal, i < selected) for i, proposal in enumerate(proposals)]
        reviews = [review for proposal in proposals for review in _reviews(proposal)]
        for kind, records in (
            ("directives", [directive]),
            ("proposals", proposals),
            ("reviews", reviews),
            ("decisions", decisions),
        ):
            _add(rows, kind, (board_row(self.cycle, i, record) for i, record in enumerate(records)))
        for decision in decisions:
            of = {"proposal_id": decision.proposal_id}
            _add(rows, "votes", (board_row(self.cycle, i, v) | of for i, v in enumerate(decision.votes)))
        for proposal in proposals[:selected]:
            self._run(rows, proposal)

    def _proposal(self) -> Proposal:
        changes, spec = self._step() if self.seen else ({}, self.config.spec)
        self.seen.add(spec.id)
        return Proposal(
            id=f"prop-{spec.id[:10]}",
            proposer=self.rng.choice(("architect", "explorer", "parameter_scientist")),
            category="explore",
            name="a step from the champion",
            hypothesis="Raising learning rate from 0.001 to 0.003 with dropout 0.2 may raise mean Dice",
            justification="24 past comparisons touched these axes; the best: raising learning rate gained "
            "0.012 mean Dice (exp-0123456789 over exp-0123456789; intervals overlap).",
            parent_id=self.champion_id or None,
            changes=changes,
            spec=spec,
            predicted=Estimate(value=self.value, low=0.0, high=1.0),
            rests_on=(self.champion_id,) * bool(self.champion_id),
            strategy="less-visited axes, space-filling",
        )

    def _step(self) -> tuple[dict[str, Any], ExperimentSpec]:
        """One to three drawn values that give a spec no experiment had."""
        axes, flat = self.config.space.active(self.spec), self.spec.flat()
        while True:
            paths = self.rng.sample([path for path in axes if path in flat], self.rng.choice((1, 2, 2, 3)))
            changes = {path: axes[path].draw(self.rng) for path in paths}
            try:
                spec = self.config.space.apply(self.spec, changes)
                cost_of(spec)
            except SpecError:
                continue
            if spec.id not in self.seen:
                return changes, spec

    def _run(self, rows: Rows, proposal: Proposal) -> None:
        self.number += 1
        spec, failed = proposal.spec, self.number > 1 and self.rng.random() < FAILING
        key = experiment_id(self.study.id, spec.id)
        row = {"id": key, "number": self.number, "study_id": self.study.id, "cycle_id": self.cycle}
        row |= {"proposal_id": proposal.id, "spec_id": spec.id, "spec": spec.model_dump(mode="json")}
        row |= {"status": "failed" if failed else "finished", "reason": "loss is NaN in fold 0" * failed}
        _add(rows, "experiments", [row | {"started": WHEN, "ended": WHEN}])
        if failed:
            return
        value = _surface(spec)
        _add(rows, "results", [result_row(key, _result(spec, value, self.config, self.cases))])
        promoted = value > self.value + PROMOTED
        verdict = Verdict(
            experiment_id=key,
            outcome="inconclusive" if not promoted else "promote" if self.champion_id else "baseline",
            metric=self.study.metric,
            champion_id=self.champion_id or None,
            comparisons=self.judged,
            reason="mean Dice 0.801, paired gain +0.001 [-0.010, +0.012] (95 % interval): within chance.",
        )
        keys = {"experiment_id": key, "study_id": self.study.id, "position": self.judged}
        body = verdict.model_dump(mode="json")
        _add(rows, "verdicts", [keys | {"outcome": verdict.outcome, "body": body}])
        self.judged += 1
        if promoted:
            self.spec, self.value, self.champion_id = spec, value, key


def _add(rows: Rows, table: str, more: Iterable[dict[str, Any]]) -> None:
    rows.setdefault(table, []).extend(more)


def _surface(spec: ExperimentSpec) -> float:
    """An additive surface: every value of every axis has a worth of its own."""
    return 0.8 + sum(0.02 * (_unit(f"{path}={value}") - 0.5) for path, value in spec.flat().items())


def _unit(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def _result(spec: ExperimentSpec, value: float, config: ArcConfig, cases: bytes) -> Result:
    names = ["plan.json", *(f"fold-{i % FOLDS}/masks/case-{i:03}.png" for i in range(FILES - 2))]
    return Result(
        metrics={
            name: Estimate(value=value, low=value - 0.02, high=value + 0.02, patients=36)
            for name in OF_TASK[config.task]
        },
        folds=FOLDS,
        vcdr_model=VcdrModel(intercept=-3.1, slope=5.2),
        curve=tuple(
            Point(fold=fold, epoch=epoch, train_loss=1 / epoch, held_out_loss=1.1 / epoch)
            for fold in range(FOLDS)
            for epoch in range(1, EPOCHS + 1)
        ),
        device="cpu",
        train_s=40 + 10 * value,
        total_s=60 + 10 * value,
        images=1920,
        work_gflop=500.0,
        peak_memory_mib=800.0,
        files={name: hashlib.sha256(name.encode()).hexdigest() for name in names}
        | {CASES: hashlib.sha256(cases).hexdigest()},
    )


def _cases(study: Study) -> bytes:
    cases = [
        Case(image_id=case.image_id, patient_id=case.patient_id, fold=0, disc_dice=0.9, cup_dice=0.8)
        for case in dataset_of(study).cases
    ]
    return canonical_json([case.model_dump(mode="json") for case in cases])


def _reviews(proposal: Proposal) -> tuple[Review, Review]:
    first = Review(
        proposal_id=proposal.id,
        reviewer="critic",
        decision="approve",
        confidence=0.83,
        risk="low",
        reasons=("2 axes from the parent, chance of a gain 42%",),
    )
    return first, first.model_copy(update={"reviewer": "critic_secondary"})


def _decision(proposal: Proposal, selected: bool) -> Decision:
    votes = tuple(
        Vote(role=role, stance="approve", weight=weight, confidence=0.9, reasons=("within every limit",))
        for role, weight in WEIGHTS.items()
    )
    return Decision(
        proposal_id=proposal.id,
        outcome="approve",
        selected=selected,
        tally=Tally(
            stance="approve",
            score=1.0,
            entropy_bits=0.0,
            agreement=1.0,
            controversial=False,
            strategy="weighted",
            reason="score 1.00",
        ),
        votes=votes,
        ruling=Ruling(proposal_id=proposal.id, decision="approve", reasons=("within every limit",)),
        feasibility=Feasibility(
            proposal_id=proposal.id, runs=True, seconds=60, memory_mib=800, reasons=("fits",)
        ),
        reason="score 1.00",
    )
