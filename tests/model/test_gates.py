"""The collaborative gate, compared with a loop over pairs of experts that follows the equations."""

import pytest
import torch
import torch.nn.functional as F

from model.gates import CollaborativeGating, ContextGating, GatedEmbeddingUnit, ReduceDim


def gated_by_loop(net, experts, available, order):
    """Gate the experts of one video, with one call of g and h per pair. `experts`: (D,) each, `available`: 0 or 1 each."""

    def bn(module, x):
        return (x - module.running_mean) / (module.running_var + module.eps).sqrt() * module.weight + module.bias

    current, gated = list(experts), []
    for i in range(len(experts)):
        pairs = [j for j in range(len(experts)) if j != i and available[i] and available[j]]
        total = torch.zeros_like(experts[0])
        for j in pairs:
            total = total + net.g2(torch.relu(net.g1(torch.cat([current[i], current[j]]))))
        mean = total / (len(pairs) + 1e-11)
        gate = net.h2(torch.relu(net.h1(mean)))
        unit = net.modulation[i]
        attention = bn(unit.batch_norm_gate, gate) + bn(unit.batch_norm_self, unit.fc(current[i]))
        modulated = current[i] * torch.sigmoid(attention)
        gated.append(modulated / modulated.norm())
        if order == "sequential":
            current[i] = gated[i]
    return gated


@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_collaborative_gating_equals_the_loop_over_pairs(order):
    torch.manual_seed(0)
    single = CollaborativeGating(4, 6, "sequential").double().eval()  # a module an expert
    for module in single.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    net = CollaborativeGating(4, 6, order).double().eval()
    net.load_state_dict(single.state_dict())
    experts = [F.normalize(torch.randn(16, 6, dtype=torch.float64), dim=1) for _ in range(4)]
    available = (torch.arange(16)[:, None] >> torch.arange(4)) & 1  # every pattern, none and all included
    gated = net(experts, available.double())
    for v in range(16):
        expected = gated_by_loop(single, [x[v] for x in experts], available[v].tolist(), order)
        for i in range(4):
            torch.testing.assert_close(gated[i][v], expected[i])


def test_the_orders_differ():
    torch.manual_seed(0)
    nets = [CollaborativeGating(3, 6, order).eval() for order in ("parallel", "sequential")]
    nets[1].load_state_dict(nets[0].state_dict())
    experts = [torch.randn(2, 6) for _ in range(3)]
    parallel, sequential = (net(experts, torch.ones(2, 3)) for net in nets)
    torch.testing.assert_close(parallel[0], sequential[0])  # nothing was gated before the first
    assert not torch.allclose(parallel[2], sequential[2])


def test_units_follow_their_formulas():
    torch.manual_seed(0)
    x = torch.randn(9, 5)
    context, unit, reduce = ContextGating(5).eval(), GatedEmbeddingUnit(5, 4).eval(), ReduceDim(5, 4)
    context.batch_norm.running_mean.normal_()
    scaled = (context.fc(x) - context.batch_norm.running_mean) / (1 + context.batch_norm.eps) ** 0.5
    torch.testing.assert_close(context(x), F.glu(torch.cat([x, scaled], dim=1), dim=1))
    inner = unit.cg(unit.fc(x))
    torch.testing.assert_close(unit(x), inner / inner.square().sum(1, keepdim=True).sqrt())
    torch.testing.assert_close(reduce(x), reduce.fc(x) / reduce.fc(x).square().sum(1, keepdim=True).sqrt())
