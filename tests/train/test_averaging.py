import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from xopt.train.averaging import Average  # noqa: E402


@pytest.mark.parametrize(("decay", "stays"), [(0.9, [2 / 11, 3 / 12, 4 / 13]), (0.2, [2 / 11, 0.2, 0.2])])
def test_the_average_follows_the_weights_and_the_statistics_of_batches(decay, stays):
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    with torch.no_grad():
        network[0].weight.fill_(1.0)
    average = Average(network, decay)
    expected_weight, expected_mean = 1.0, 0.0
    for step, share in enumerate(stays, start=1):
        with torch.no_grad():
            network[0].weight.fill_(float(step))
            network[1].running_mean.fill_(10.0 * step)
            network[1].num_batches_tracked.fill_(step)
        average.update(network)
        expected_weight += (step - expected_weight) * (1 - share)
        expected_mean += (10 * step - expected_mean) * (1 - share)
    assert average.network[0].weight.item() == pytest.approx(expected_weight, rel=1e-6)
    assert average.network[1].running_mean.item() == pytest.approx(expected_mean, rel=1e-6)
    assert average.network[1].num_batches_tracked.item() == len(stays)
    assert not average.network.training
    assert network[0].weight.item() == len(stays)
