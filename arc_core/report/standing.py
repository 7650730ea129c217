"""How a study's minds stand: the board against its control, and a card for each role and mind."""

from arc_core.experiments.board import OFFLINE
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Study
from arc_core.record import Record
from arc_core.report.arms import Contest, contest
from arc_core.report.scorecards import ASKS, JUDGES, PROPOSES, Scorecard, scorecards


class Table(Record):
    """Some cards, as the report shows them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Standing(Record):
    contest: Contest
    scorecards: tuple[Scorecard, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        """Who proposes, who judges, and which models are asked; none without a row."""
        groups = (
            ("Those who propose", PROPOSES, [card for card in self.scorecards if card.proposals]),
            ("Those who judge", JUDGES, [card for card in self.scorecards if card.reviews]),
            (
                "Language models, in all cycles so far",
                ASKS,
                [card for card in self.scorecards if card.mind != OFFLINE],
            ),
        )
        return tuple(
            Table(
                title=title,
                columns=columns,
                rows=tuple(tuple(card.cells[column] for column in columns) for card in cards),
            )
            for title, columns, cards in groups
            if cards
        )


def standing_of(memory: Memory, study: Study) -> Standing:
    """Over all of the study's cycles so far."""
    tracks, calls = memory.tracks(study.id), memory.calls.of_study(study.id)
    return Standing(contest=contest(tracks), scorecards=scorecards(tracks, calls, study.metric))
