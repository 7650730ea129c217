"""What a bundle is made from."""

from arc_core.data.manifest import Dataset
from arc_core.data.study import dataset_of
from arc_core.experiments.result import Result
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Experiment, Study
from arc_core.record import Record
from arc_core.training.fold import MODEL


class Origin(Record):
    """A finished experiment. `words`: which it is, how well it did, and why to expect less."""

    experiment: Experiment
    study: Study
    result: Result
    words: str

    @property
    def spec(self) -> ExperimentSpec:
        return self.experiment.outcome.spec

    @property
    def dataset(self) -> Dataset:
        return dataset_of(self.study)

    @property
    def networks(self) -> dict[str, str]:
        """The folds' networks in the run folder, path → SHA-256."""
        return {name: sha for name, sha in self.result.files.items() if name.endswith(f"/{MODEL}")}
