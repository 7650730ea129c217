"""The one Protocol behind which every role thinks, whatever thinks there."""

from typing import Protocol, TypeVar

from arc_core.experiments.board import Role

Brief = TypeVar("Brief", contravariant=True)
Answer = TypeVar("Answer", covariant=True)


class Mind(Protocol[Brief, Answer]):
    """One role of the board: a brief in, an answer out, both frozen records.

    A mind keeps no state and reads nothing but its brief, so that an offline policy and a language
    model can stand in for each other and be compared on the same briefs.
    """

    @property
    def role(self) -> Role:
        """The seat it takes on the board."""

    def answer(self, brief: Brief) -> Answer:
        """Deterministic for the offline minds: equal briefs, equal answers."""
