"""NetVLAD, compared with published outputs, a naive loop, and truncation instead of masking."""

import numpy as np
import pytest
import torch
from helpers.paths import shared

from model.net_vlad import MaskedBatchNorm1d, NetVLAD


def pooled_by_loop(net, x):
    """Pool one item (T, d) in evaluation mode, cluster by cluster, following the equations."""
    bn = net.batch_norm
    logits = (x @ net.clusters - bn.running_mean) / (bn.running_var + bn.eps).sqrt() * bn.weight + bn.bias
    soft = logits.exp() / logits.exp().sum(1, keepdim=True)
    columns = []
    for c in range(net.cluster_size):
        residual = sum(soft[n, c] * (x[n] - net.clusters2[0, :, c]) for n in range(len(x)))
        columns.append(residual / residual.norm())
    flat = torch.stack(columns, dim=1).reshape(-1)
    return flat / flat.norm()


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = NetVLAD(feature_size=5, cluster_size=3).eval()
    net.batch_norm.running_mean.normal_()
    net.batch_norm.running_var.uniform_(0.5, 2)
    return net


def test_equals_the_loop(net):
    x = torch.randn(4, 7, 5)
    expected = torch.stack([pooled_by_loop(net, item) for item in x])
    torch.testing.assert_close(net(x), expected)


def test_masked_tokens_count_as_if_they_were_not_there(net):
    x, lengths = torch.randn(4, 7, 5), [7, 3, 1, 0]
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    out = net(x, mask)
    for item, length, row in zip(x, lengths, out, strict=True):
        torch.testing.assert_close(row, pooled_by_loop(net, item[:length]) if length else torch.zeros(15))


def test_padding_has_no_effect_in_training(net):
    """Outputs, statistics and gradients do not depend on the padding, whatever its values."""
    net.train()
    mask = torch.arange(7) < torch.tensor([7, 3, 1, 0])[:, None]
    x, state, results = torch.randn(4, 7, 5), {name: value.clone() for name, value in net.state_dict().items()}, []
    for padding in (0.0, 100.0):
        net.load_state_dict(state)
        net.zero_grad()
        out = net(torch.where(mask[..., None], x, padding), mask)
        (out * torch.arange(15)).sum().backward()
        statistics = {name: value.clone() for name, value in net.state_dict().items()}
        results.append((out.detach(), statistics, [p.grad.clone() for p in net.parameters()]))
    torch.testing.assert_close(*results)
    assert not results[0][0][3].any() and results[0][0][:3].any(dim=1).all()


def test_masked_tokens_stay_out_of_the_statistics():
    torch.manual_seed(0)
    x, mask = torch.randn(4, 6, 5, dtype=torch.float64), torch.rand(4, 6) < 0.6
    masked, plain = MaskedBatchNorm1d(5).double(), torch.nn.BatchNorm1d(5).double()
    out = masked(x.flatten(0, 1), mask.flatten())
    expected = plain(x[mask])
    torch.testing.assert_close(out[mask.flatten()], expected)
    torch.testing.assert_close(masked.running_mean, plain.running_mean)
    torch.testing.assert_close(masked.running_var, plain.running_var)
    assert masked.num_batches_tracked == plain.num_batches_tracked == 1


@pytest.mark.parametrize("valid", [0, 1])
def test_a_training_batch_with_too_few_tokens_does_not_change_statistics(valid):
    net = NetVLAD(5, 3).train()
    net.batch_norm.running_mean.fill_(0.5)
    mask = torch.zeros(2, 4, dtype=torch.bool)
    mask[0, :valid] = True
    out = net(torch.randn(2, 4, 5), mask)
    out.sum().backward()
    assert out.isfinite().all() and net.clusters.grad.isfinite().all()
    assert (net.batch_norm.running_mean == 0.5).all() and net.batch_norm.num_batches_tracked == 0


@pytest.mark.parametrize(("file", "ghosts"), [("parity/netvlad.npz", 0), ("parity-2020/netvlad_ghost.npz", 2)])
def test_parity_with_the_published_implementation(file, ghosts):
    data = {name: torch.from_numpy(x) for name, x in np.load(shared(*file.split("/"))).items()}
    net = NetVLAD(feature_size=5, cluster_size=3, ghost_clusters=ghosts)
    state = {name.removeprefix("state/"): x for name, x in data.items() if name.startswith("state/")}
    net.load_state_dict(state | {"batch_norm.num_batches_tracked": torch.tensor(0)})
    net.eval()
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(net(data["x"]), data["out_eval"], **close)
    torch.testing.assert_close(net(data["x_zero0"]), data["out_eval_zero0"], **close)

    net.train()
    x = data["x"].clone().requires_grad_()
    out = net(x)
    torch.testing.assert_close(out, data["out_train"], **close)
    torch.testing.assert_close(net.batch_norm.running_mean, data["train/running_mean"], **close)
    torch.testing.assert_close(net.batch_norm.running_var, data["train/running_var"], **close)
    scalar = (out.square() * data["R"]).sum()
    torch.testing.assert_close(scalar, data["train/scalar"], **close)
    scalar.backward()
    for name, parameter in (
        ("clusters", net.clusters),
        ("clusters2", net.clusters2),
        ("bn_weight", net.batch_norm.weight),
        ("bn_bias", net.batch_norm.bias),
    ):
        torch.testing.assert_close(parameter.grad, data[f"train/grad_{name}"], **close)
    if "train/grad_x" in data:
        torch.testing.assert_close(x.grad, data["train/grad_x"], **close)
