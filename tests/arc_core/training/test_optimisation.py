import pytest
import torch

from arc_core.errors import SpecError
from arc_core.experiments.spec import parse_spec
from arc_core.training.optimisation import build_optimiser, build_schedule
from tests.arc_core.training.conftest import SEGMENTATION


def rates(schedule, steps=20):
    spec = parse_spec(SEGMENTATION | {"schedule": schedule, "optimiser": {"name": "sgd", "lr": 0.1}})
    optimiser = build_optimiser(spec.optimiser, [torch.nn.Parameter(torch.zeros(1))])
    scheduler = build_schedule(spec, optimiser, steps)
    found = []
    for _ in range(steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step() if len(found) < steps else None
    return found


def test_a_schedule_reaches_the_spec_s_rate_and_ends_as_it_should():
    constant, cosine, one_cycle = rates("constant"), rates("cosine"), rates("one_cycle")

    assert set(constant) == {0.1}
    assert cosine[0] == 0.1
    assert cosine == sorted(cosine, reverse=True)
    assert max(one_cycle) == pytest.approx(0.1, rel=0.05)
    assert one_cycle[0] < 0.02
    assert one_cycle[-1] < 0.001


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_every_optimiser_goes_downhill(name):
    spec = parse_spec(SEGMENTATION | {"optimiser": {"name": name, "lr": 0.01}}).optimiser
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimiser = build_optimiser(spec, [weight])
    for _ in range(5):
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()

    assert 0 < float(weight.detach()) < 1


def test_an_unknown_optimiser_is_named():
    spec = parse_spec(SEGMENTATION | {"optimiser": {"name": "lion", "lr": 0.01}}).optimiser

    with pytest.raises(SpecError, match=r"lion.*adamw"):
        build_optimiser(spec, [torch.nn.Parameter(torch.zeros(1))])
