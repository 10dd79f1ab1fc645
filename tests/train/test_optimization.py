"""Learning rates are those of torch's own schedules; the average follows the weights."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402

from xopt.train.optimization import Plateau, WeightAverage, rate_at  # noqa: E402
from xopt.train.recipe import Recipe  # noqa: E402

STEPS, PER_EPOCH = 40, 5


def make(**changes):
    return Recipe(**{"architecture": "resnet18", "epochs": 8, "learning_rate": 0.1, **changes})


def rates(recipe):
    return [rate_at(recipe, step=step, steps=STEPS, epoch=step // PER_EPOCH) for step in range(STEPS)]


def rates_of(scheduler_of, *, by_epoch):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    scheduler = scheduler_of(optimizer)
    found = []
    for step in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if not by_epoch or step % PER_EPOCH == PER_EPOCH - 1:
            scheduler.step()
    return found


@pytest.mark.parametrize(
    ("settings", "scheduler_of", "by_epoch"),
    [
        ({"schedule": "constant"}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0), True),
        (
            {"schedule": "step", "schedule_factor": 0.5, "schedule_every": 3},
            lambda o: lr_scheduler.StepLR(o, 3, gamma=0.5),
            True,
        ),
        (
            {"schedule": "exponential", "schedule_factor": 0.97},
            lambda o: lr_scheduler.ExponentialLR(o, 0.97),
            True,
        ),
        (
            {"schedule": "exponential", "schedule_factor": 0.25, "schedule_every": 2},
            lambda o: lr_scheduler.ExponentialLR(o, 0.5),
            True,
        ),
        ({"schedule": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS), False),
        (
            {"schedule": "one-cycle"},
            lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS, cycle_momentum=False),
            False,
        ),
    ],
)
def test_a_schedule_is_torch_s(settings, scheduler_of, by_epoch):
    assert rates(make(**settings)) == pytest.approx(rates_of(scheduler_of, by_epoch=by_epoch), rel=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_a_very_short_training_has_a_rate_too(schedule, steps):
    recipe = make(schedule=schedule)
    found = [rate_at(recipe, step=step, steps=steps, epoch=0) for step in range(steps)]
    assert all(0 < rate <= 0.1 for rate in found)


@pytest.mark.parametrize(
    ("patience", "losses", "drops"),
    [
        (0, [3, 2, 1], [0, 0, 0]),
        (0, [3, 3, 3], [0, 1, 2]),
        (1, [3, 3, 3, 3, 3], [0, 0, 1, 1, 2]),
        (2, [3, 4, 2, 2, 2, 2], [0, 0, 0, 0, 0, 1]),
    ],
)
def test_a_plateau_is_met_when_the_patience_runs_out(patience, losses, drops):
    plateau = Plateau(patience=patience)
    found = []
    for loss in losses:
        plateau.note(loss)
        found.append(plateau.drops)
    assert found == drops
    again = Plateau(patience=patience)
    again.restore(plateau.state())
    assert again == plateau
    recipe = make(schedule="plateau", schedule_factor=0.5)
    rate = rate_at(recipe, step=0, steps=1, epoch=0, drops=plateau.drops)
    assert rate == pytest.approx(0.1 * 0.5 ** drops[-1])


@pytest.mark.parametrize(("decay", "kept"), [(0.9, [2 / 11, 3 / 12, 4 / 13]), (0.2, [2 / 11, 0.2, 0.2])])
def test_the_average_follows_the_weights_and_the_statistics_of_batches(decay, kept):
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(1.0)
    average = WeightAverage(network, decay)
    expected_weight, expected_mean = 1.0, 0.0
    for step, share in enumerate(kept, start=1):
        with torch.no_grad():
            network[0].weight.fill_(float(step))
            network[1].running_mean.fill_(10.0 * step)
            network[1].num_batches_tracked.fill_(step)
        average.update(network)
        expected_weight += (step - expected_weight) * (1 - share)
        expected_mean += (10 * step - expected_mean) * (1 - share)
    assert average.network[0].weight.item() == pytest.approx(expected_weight, rel=1e-6)
    assert average.network[1].running_mean.item() == pytest.approx(expected_mean, rel=1e-6)
    assert average.network[1].num_batches_tracked.item() == len(kept)
    assert not average.network.training
    assert network[0].weight.item() == len(kept)
