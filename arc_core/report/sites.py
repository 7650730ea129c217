"""How the champion does at each site: a mean over all of them may hide one where it fails."""

from collections import defaultdict
from typing import Any

from arc_core.data.manifest import Dataset
from arc_core.data.study import split_of
from arc_core.errors import ArcError
from arc_core.evaluation.subgroups import FEW_PATIENTS
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Case
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.gate.bootstrap import interval
from arc_core.gate.panel import read_cases
from arc_core.record import Record


class SiteRow(Record):
    """The primary metric on the held-out cases of one site. `site` None: the images that name none."""

    site: str | None
    images: int
    patients: int
    estimate: Estimate | None

    @property
    def is_small(self) -> bool:
        return self.patients < FEW_PATIENTS


def told_of_sites(
    memory: Memory, study: Study, dataset: Dataset, runs: Runs, champion: Experiment | None
) -> dict[str, Any]:
    """What `sites.md.j2` is filled in with, but for the metric's `label`."""
    return {
        "sites": by_site(memory, study, dataset, runs, champion),
        "few": FEW_PATIENTS,
        "split_by": split_of(study).by,
        "has_patient_ids": dataset.has_patient_ids,
    }


def by_site(
    memory: Memory, study: Study, dataset: Dataset, runs: Runs, champion: Experiment | None
) -> tuple[SiteRow, ...]:
    """By name, the images without a site last. None where no image has one, or where the cases are not the
    recorded ones: the gate has told of it, and the rest of the report is as good."""
    site_of = {case.image_id: case.site for case in dataset.cases}
    if champion is None or not any(site_of.values()):
        return ()
    try:
        cases = read_cases(memory, runs, champion.id)
    except ArcError:
        return ()
    held: defaultdict[str | None, list[Case]] = defaultdict(list)
    for case in cases:
        held[site_of[case.image_id]].append(case)
    return tuple(
        SiteRow(
            site=site,
            images=len(own),
            patients=len({case.patient_id for case in own}),
            estimate=interval(own, study.metric),
        )
        for site, own in sorted(held.items(), key=lambda item: (item[0] is None, item[0] or ""))
    )
