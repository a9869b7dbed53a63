"""Units of M experts computed as one: the numbers, names and weights of M separate units."""

import pytest
import torch
from helpers.model_variants import make_batch, make_model, similarities

from model.gates import ContextGating, GatedEmbeddingUnit, Modulation, NormalizedContextGating
from model.per_expert import ExpertLinear, PerExpert

N, D = 7, 4


def trained(module, seed=0):
    """Return `module` in training mode with random weights and statistics of its batch norms."""
    torch.manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_()
    return module.double().train()


def compare(unit, dims, num_experts, joint_inputs, inputs):
    """Assert that M units and one for all M have the same outputs, gradients and running statistics.

    Args:
        inputs: per expert, the inputs of its unit.
    """
    separate = torch.nn.ModuleList(trained(unit(*dims)) for _ in range(num_experts))
    joint = PerExpert(num_experts, unit, *dims).double().train()
    joint.load_state_dict(separate.state_dict())
    found = joint(*joint_inputs)
    expected = [module(*x) for module, x in zip(separate, inputs, strict=True)]
    torch.testing.assert_close(list(found), expected)
    for out in (found, expected):
        sum((x * torch.arange(1.0, x.numel() + 1).view_as(x)).sum() for x in out).backward()
    torch.testing.assert_close(dict(joint.state_dict()), dict(separate.state_dict()))
    with torch.no_grad():
        for module in (joint, separate):
            for parameter in module.parameters():
                parameter.copy_(parameter.grad)
    torch.testing.assert_close(dict(joint.state_dict()), dict(separate.state_dict()))


@pytest.mark.parametrize("num_experts", [1, 3])
def test_gated_embedding_units(num_experts):
    x = torch.randn(N, 6, dtype=torch.float64)
    compare(GatedEmbeddingUnit, (6, D), num_experts, [x], [[x]] * num_experts)


@pytest.mark.parametrize("num_experts", [1, 3])
@pytest.mark.parametrize("unit", [ContextGating, NormalizedContextGating])
def test_context_gating(unit, num_experts):
    x = torch.randn(N, num_experts, D, dtype=torch.float64)
    compare(unit, (D,), num_experts, [x.flatten(1)], [[x[:, i]] for i in range(num_experts)])


@pytest.mark.parametrize("num_experts", [1, 3])
def test_modulation(num_experts):
    x, gate = torch.randn(2, N, num_experts, D, dtype=torch.float64)
    inputs = [[x[:, i], gate[:, i]] for i in range(num_experts)]
    compare(Modulation, (D,), num_experts, [x.flatten(1), gate.flatten(1)], inputs)


def test_the_layer_of_all_experts_is_their_layers_side_by_side():
    layers, joint = [torch.nn.Linear(D, D) for _ in range(3)], ExpertLinear(D, 3)
    with torch.no_grad():
        joint.weight.copy_(torch.cat([layer.weight for layer in layers]))
        joint.bias.copy_(torch.cat([layer.bias for layer in layers]))
    x = torch.randn(N, 3, D)
    expected = torch.cat([layer(x[:, i]) for i, layer in enumerate(layers)], dim=1)
    torch.testing.assert_close(joint(x.flatten(1)), expected)


def test_units_are_initialized_as_a_list_of_units_is():
    torch.manual_seed(0)
    separate = torch.nn.ModuleList(GatedEmbeddingUnit(6, D) for _ in range(3))
    torch.manual_seed(0)
    joint = PerExpert(3, GatedEmbeddingUnit, 6, D)
    torch.testing.assert_close(dict(joint.state_dict()), dict(separate.state_dict()), rtol=0, atol=0)
    assert all(x.is_contiguous() and x.requires_grad for x in joint.parameters())


def test_a_missing_weight_is_named():
    units = PerExpert(3, GatedEmbeddingUnit, 6, D)
    state = units.state_dict()
    del state["1.cg.fc.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*cg\.fc\.weight"):
        units.load_state_dict(state)


@pytest.mark.parametrize("variant", ["ce", "ce-sequential", "ce-cg", "moee", "concat-g"])
def test_a_model_saves_and_loads_the_units_of_each_expert(variant, tmp_path):
    model, other, batch = make_model(variant), make_model(variant, seed=1), make_batch(0, 4, 2)
    state = model.state_dict()
    number = 1 if variant == "concat-g" else 4
    assert [f"text_units.{i}.cg.fc.weight" in state for i in range(5)] == [i < number for i in range(5)]
    assert not any(".unit." in name for name in state)
    torch.save(state, tmp_path / "state.pth")
    loaded = torch.load(tmp_path / "state.pth", weights_only=True)
    assert {name: x.shape for name, x in loaded.items()} == {name: x.shape for name, x in state.items()}
    assert not torch.equal(similarities(model, batch), similarities(other, batch))
    other.load_state_dict(loaded)
    assert torch.equal(similarities(model, batch), similarities(other, batch))
