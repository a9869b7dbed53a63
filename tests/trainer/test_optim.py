"""The optimizer of a config."""

import pytest
import torch

from trainer.optim import instantiate_optimizer, load_optimizer
from utils.errors import InputError


def stepped(section, steps, state=None):
    """Return a weight after some steps, and the optimizer."""
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 7, dtype=torch.float64))
    optimizer = instantiate_optimizer(section, [weight])
    if state is not None:
        weight.data.copy_(state[0])
        load_optimizer(optimizer, state[1], "a.pth")
    for step in steps:
        weight.grad = torch.sin(weight.detach() + step)
        optimizer.step()
    return weight.detach(), optimizer


@pytest.mark.parametrize(
    ("kind", "args"), [("Adam", {"amsgrad": True}), ("AdamW", {}), ("SGD", {"momentum": 0.9, "nesterov": True})]
)
def test_fused_by_default_with_the_same_numbers(kind, args):
    fused, optimizer = stepped({"type": kind, "args": {"lr": 0.1} | args}, range(5))
    assert optimizer.param_groups[0]["fused"] is True
    plain, optimizer = stepped({"type": kind, "args": {"lr": 0.1, "fused": False} | args}, range(5))
    assert not optimizer.param_groups[0]["fused"]
    torch.testing.assert_close(fused, plain)


@pytest.mark.parametrize("section", [{"type": "Rprop", "args": {}}, {"type": "Adam", "args": {"foreach": True}}])
def test_others_are_built_as_the_config_says(section):
    _, optimizer = stepped(section, range(2))
    assert not optimizer.param_groups[0].get("fused")


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False)])
def test_the_state_of_another_implementation_can_be_resumed(before, after):
    """Resume the state of an unfused optimizer in a fused one, and the reverse."""
    args = {"lr": 0.1, "betas": [0.8, 0.9]}
    weight, optimizer = stepped({"type": "Adam", "args": args | {"fused": before}}, range(3))
    state = optimizer.state_dict()
    found, resumed = stepped({"type": "Adam", "args": {"lr": 7.0, "fused": after}}, range(3, 6), (weight, state))
    expected, _ = stepped({"type": "Adam", "args": args}, range(6))
    torch.testing.assert_close(found, expected)
    group = resumed.param_groups[0]
    assert group["fused"] is after and group["lr"] == 0.1
    assert state["param_groups"][0]["fused"] is before


def test_the_state_of_another_number_of_parameters_is_refused():
    """As in checkpoints from before the layers of all experts were stacked."""
    weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    section = {"type": "Adam", "args": {}}
    state = instantiate_optimizer(section, weights).state_dict()
    with pytest.raises(InputError, match=r"^old.pth: its optimizer has 3 parameters, expected 2; .* can be evaluated"):
        load_optimizer(instantiate_optimizer(section, weights[:2]), state, "old.pth")
