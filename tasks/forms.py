"""The forms that a person fills in where the board needs their word, and asking until one can be taken."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from prefect.input import RunInput
from pydantic import Field, create_model

from arc_core.experiments.board import Directive, Mode, Review
from arc_core.experiments.spec import Value
from arc_core.record import Record
from arc_core.report.question import Item, about, about_directive
from arc_core.report.summary import printable
from tasks.pause import ask
from tasks.progress import announce

T = TypeVar("T")
Entered = Mapping[str, Value]
Choice = Literal["approve", "reject"]


class Unfit(Exception):
    """The answer can't be taken as it is; each of `faults` says why, to the person."""

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults


class Sent(Record):
    """A form as a person sent it, without characters that do not print."""

    name: str
    comment: str
    fields: dict[str, Value]


def ask_until_fit(
    form: Callable[[str, Entered], type[RunInput]],
    question: Callable[[Sequence[str]], str],
    until: datetime,
    take: Callable[[Sent], T],
) -> tuple[Sent, T] | None:
    """What a person sent and what `take` made of it; None when nobody had sent it in time.

    Where `take` raises Unfit, it is asked again with the faults above what was entered.
    """
    entered: Entered = {}
    faults: tuple[str, ...] = ()
    while True:
        model = form(question(faults), entered)
        seconds = (until - datetime.now(UTC)).total_seconds()
        refusal = {name: "reject" for name in model.model_fields if name.endswith("decision")}
        answer = ask(model, seconds, refusal)
        if answer is None:
            return None
        entered = answer.model_dump()
        try:
            sent = _sent(entered)
            return sent, take(sent)
        except Unfit as unfit:
            faults = unfit.faults
            announce(f"The answer can't be taken as it is: {printable(' '.join(faults))}")


def directive_form(directive: Directive, question: str, entered: Entered) -> type[RunInput]:
    """Approve, reject or edit what the director wants."""
    budget = directive.budget

    def number(name: str) -> tuple[type[int], Any]:
        value = entered.get(name, getattr(budget, name))
        title = f"{name.capitalize()} proposals"
        return int, Field(
            value, title=title, ge=0, le=64, description=f"The director wants {getattr(budget, name)}."
        )

    return _form(
        "Directive",
        {
            "decision": _decision("Directive", about_directive(directive), entered.get("decision", ...)),
            "mode": (Mode, Field(entered.get("mode", directive.mode), title="Mode")),
            "exploit": number("exploit"),
            "explore": number("explore"),
            "wildcat": number("wildcat"),
        },
        question,
        entered,
    )


def experiments_form(
    items: Sequence[Item], reviews: Sequence[Review], metric: str, question: str, entered: Entered
) -> type[RunInput]:
    """Approve, reject or edit each proposal that would train."""
    fields: dict[str, Any] = {}
    for number, item in enumerate(items, start=1):
        decision, changes = f"p{number}_decision", f"p{number}_changes"
        title = f"Proposal {number}: {printable(item.proposal.name)}"
        fields[decision] = _decision(title, about(item, reviews, metric), entered.get(decision, ...))
        if item.experiment_id is None:  # what is an experiment already can't become another
            text = entered.get(changes, json.dumps(item.proposal.changes))
            words = "As JSON. Change it, and your edit runs instead, once it has passed the same checks."
            title = f"Proposal {number}: changes"
            fields[changes] = (str, Field(text, title=title, max_length=4000, description=words))
    return _form("Experiments", fields, question, entered)


def _form(name: str, fields: dict[str, Any], question: str, entered: Entered) -> type[RunInput]:
    # The question stands at the first field: what Prefect shows above a long form is squeezed to nothing.
    value = entered.get("name", ...)
    signature = {
        "name": (str, Field(value, title="Your name", min_length=1, max_length=80, description=question))
    }
    comment = {"comment": (str, Field(entered.get("comment", ""), title="Comment", max_length=2000))}
    # Any: mypy can't tell the fields from the function's own options.
    create: Any = create_model
    made: type[RunInput] = create(name, __base__=RunInput, **signature, **fields, **comment)
    return made


def _decision(title: str, about: str, default: Any) -> tuple[Any, Any]:
    return Choice, Field(default, title=title, description=about)


def _sent(entered: Entered) -> Sent:
    fields = {key: printable(value) if isinstance(value, str) else value for key, value in entered.items()}
    name, comment = str(fields["name"]), str(fields["comment"])
    if not name:
        raise Unfit("Your name is missing: the record has to say who answered.")
    return Sent(name=name, comment=comment, fields=fields)
