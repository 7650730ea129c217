"""Two ARC homes on one machine, at the same time and with the same Prefect home."""

from tests.command import TINY, memory_in, start_cycle, trained_in

TWO = (*TINY, "board.experiments_per_cycle=2")


def test_neither_disturbs_the_other(tmp_path):
    homes = [tmp_path / name for name in ("one", "other")]
    seeds = [("--max-cycles=2", f"spec.seed={seed}") for seed in (1, 2)]
    shared = {"PREFECT_HOME": str(tmp_path / "prefect")}
    cycles = [start_cycle(home, *TWO, *seed, **shared) for home, seed in zip(homes, seeds, strict=True)]
    ends = [cycle.communicate() for cycle in cycles]
    assert [cycle.returncode for cycle in cycles] == [0, 0], ends
    for home, seed in zip(homes, (1, 2), strict=True):
        memory = memory_in(home)
        (study,) = memory.studies()
        assert [each.status for each in memory.cycles(study)] == ["finished"] * 2
        experiments = memory.experiments(study)
        trained = [each for each in experiments if each.outcome.status == "finished"]
        assert len(trained) == 4
        assert {each.outcome.spec.seed for each in experiments} == {seed}
        assert {path.name for path in (home / "runs").iterdir()} == {each.id for each in trained_in(memory)}
        assert memory.leases.live() == ()
