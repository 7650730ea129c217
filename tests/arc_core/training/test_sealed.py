"""A fold's seal names files of the fold, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from arc_core.errors import ExperimentFailed
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.fold import DONE, is_finished, read_fold


@pytest.mark.parametrize("name", ["../../outside", "{outside}", "link"])
def test_a_seal_that_vouches_for_a_file_elsewhere_does_not_count(trained, tmp_path, name):
    run = Path(shutil.copytree(trained[0].run_dir, tmp_path / "run"))
    plan = trained[0].model_copy(update={"run_dir": str(run)})
    assert is_finished(plan, 0)
    outside = tmp_path / "outside"
    outside.write_text("another's")
    (run / "fold-0" / "link").symlink_to(outside)
    seal = run / "fold-0" / DONE
    said = json.loads(seal.read_text())
    said["files"][name.format(outside=outside)] = sha256_of_file(outside)
    seal.write_text(json.dumps(said))
    with pytest.raises(ExperimentFailed, match="outside of its run folder"):
        read_fold(plan, 0)
    assert not is_finished(plan, 0)
