"""Stacked layers: the numbers, names and weights of layers of their own."""

import pytest
import torch
import torch.nn.functional as F
from variants import make_batch, make_model, similarities

from model.gates import (
    ContextGating,
    GatedEmbeddingUnit,
    GatedEmbeddingUnits,
    Modulation,
    Modulations,
    NormalizedContextGatings,
)

EQUAL, UNEQUAL = (4, 4, 4), (3, 2, 4, 1)


def trained(module, seed=0):
    """`module` in training mode with other statistics than at its start."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(0.5, 2)
            part.bias.data.normal_()
    return module.double().train()


def compare(stacked, single, outputs):
    """Both have to give the same outputs, gradients and running statistics: `outputs` runs either of them."""
    stacked.load_state_dict(single.state_dict())
    found, expected = outputs(stacked), outputs(single)
    torch.testing.assert_close(found, expected)
    for out in (found, expected):
        sum((x * torch.arange(1.0, x.numel() + 1).view_as(x)).sum() for x in out).backward()
    torch.testing.assert_close(dict(stacked.state_dict()), dict(single.state_dict()))
    with torch.no_grad():
        for module in (stacked, single):
            for parameter in module.parameters():
                parameter.copy_(parameter.grad)
    torch.testing.assert_close(dict(stacked.state_dict()), dict(single.state_dict()))


@pytest.mark.parametrize("dims", [EQUAL, UNEQUAL, (5,)])
def test_gated_embedding_units(dims):
    x = torch.randn(7, 6, dtype=torch.float64)
    single = torch.nn.ModuleList(trained(GatedEmbeddingUnit(6, d)) for d in dims)
    stacked = GatedEmbeddingUnits(6, dims).double().train()
    compare(stacked, single, lambda m: m(x) if m is stacked else [unit(x) for unit in m])


@pytest.mark.parametrize("dims", [EQUAL, UNEQUAL])
def test_context_gatings(dims):
    experts = [torch.randn(7, d, dtype=torch.float64) for d in dims]
    single = torch.nn.ModuleList(torch.nn.ModuleDict({"cg": trained(ContextGating(d))}) for d in dims)
    stacked = NormalizedContextGatings(dims).double().train()

    def outputs(module):
        if module is stacked:
            return module(experts)
        return [F.normalize(unit["cg"](x), dim=1) for unit, x in zip(module, experts, strict=True)]

    compare(stacked, single, outputs)


def test_modulations():
    x, gate = torch.randn(2, 7, 3, 4, dtype=torch.float64)
    single = torch.nn.ModuleList(trained(Modulation(4)) for _ in range(3))
    stacked = Modulations(3, 4).double().train()
    compare(stacked, single, lambda m: m(x, gate) if m is stacked else [u(x[:, i], gate[:, i]) for i, u in enumerate(m)])


@pytest.mark.parametrize("dims", [EQUAL, UNEQUAL])
def test_each_expert_is_initialised_as_layers_of_its_own(dims):
    """Within the bounds of its own number of inputs, and filling them."""
    state = GatedEmbeddingUnits(100, [50 * d for d in dims]).state_dict()
    for i, d in enumerate(dims):
        for name, inputs in ((f"{i}.fc", 100), (f"{i}.cg.fc", 50 * d)):
            for part in ("weight", "bias"):
                largest = state[f"{name}.{part}"].abs().max() * inputs**0.5
                assert 0.8 < largest <= 1, (name, part)
        assert (state[f"{i}.cg.batch_norm.weight"] == 1).all() and state[f"{i}.cg.batch_norm.running_mean"].shape == (
            50 * d,
        )


def test_what_is_missing_is_named():
    units = GatedEmbeddingUnits(6, EQUAL)
    state = units.state_dict()
    del state["1.cg.fc.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*cg\.fc\.blocks"):
        units.load_state_dict(state)


@pytest.mark.parametrize("variant", ["ce", "ce-sequential", "ce-cg", "moee", "concat-g"])
def test_a_model_saves_and_loads_layers_of_their_own(variant, tmp_path):
    model, other, batch = make_model(variant), make_model(variant, seed=1), make_batch(0, 4, 2)
    state = model.state_dict()
    number = 1 if variant == "concat-g" else 4
    assert [f"text_units.{i}.cg.fc.weight" in state for i in range(5)] == [i < number for i in range(5)]
    assert not any("blocks" in name for name in state)
    torch.save(state, tmp_path / "state.pth")
    loaded = torch.load(tmp_path / "state.pth", weights_only=True)
    assert {name: x.shape for name, x in loaded.items()} == {name: x.shape for name, x in state.items()}
    assert not torch.equal(similarities(model, batch), similarities(other, batch))
    other.load_state_dict(loaded)
    assert torch.equal(similarities(model, batch), similarities(other, batch))
