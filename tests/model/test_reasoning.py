"""Batch norm of all pairs of experts at once, against torch's, called pair after pair."""

import pytest
import torch
from torch import nn

from model.reasoning import PairBatchNorm1d

DIM = 5


@pytest.fixture
def norms():
    """Return the layer and torch's, with the same weights and running statistics, in double precision."""
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.rand(DIM, generator=generator) + 0.5 for name in ("weight", "bias", "running_mean", "running_var")}
    found, expected = PairBatchNorm1d(DIM).double(), nn.BatchNorm1d(DIM).double()
    for norm in (found, expected):
        norm.load_state_dict(state | {"num_batches_tracked": torch.tensor(0)})
    return found, expected


@pytest.mark.parametrize("shape", [(7, 1, DIM), (7, 6, DIM), (4, 3, 2, DIM)], ids=str)
def test_all_pairs_at_once_are_torchs_norm_called_once_per_pair(norms, shape):
    found, expected = norms
    generator = torch.Generator().manual_seed(1)
    for training in (True, True, False):
        x = (3 * torch.randn(shape, generator=generator).double() + 1).requires_grad_()
        copy = x.detach().clone().requires_grad_()
        upstream = torch.randn(shape, generator=generator).double()
        y = found.train(training)(x)
        pairs = copy.flatten(1, -2).unbind(1)
        z = torch.stack([expected.train(training)(pair) for pair in pairs], dim=1).view(shape)
        torch.testing.assert_close(y, z)
        for norm, out in ((found, y), (expected, z)):
            norm.zero_grad()
            (out * upstream).sum().backward()
        torch.testing.assert_close(x.grad, copy.grad)
        for name, weight in expected.named_parameters():
            torch.testing.assert_close(found.get_parameter(name).grad, weight.grad)
        for name, value in expected.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], value, msg=name)
