"""What a person was asked, and what the answer was."""

from arc_core.dossier.document import Table
from arc_core.dossier.facts import Facts
from arc_core.dossier.intended_use import questions


def asked(facts: Facts, *sections: str, only: tuple[str, ...] = ()) -> Table:
    """The fields of these sections of `intended_use.yaml`, or those among them named in `only`."""
    wanted = [
        question
        for question in questions()
        if question.path.partition(".")[0] in sections and (not only or question.path in only)
    ]
    return Table(
        head=("field", "answer of a person", "guidance_version"),
        rows=tuple(
            (question.words, facts.use.answer(question.path), question.guidance_version)
            for question in wanted
        ),
        widths=(0.36, 0.41, 0.23),
    )
