"""The joint text layers: gradients, and what is kept of their memory."""

import pytest
import torch

from model.linear import JointLinear, recycle_gradients


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return [torch.nn.Linear(5, d).double() for d in (3, 2, 4)]


def backward(modules, x):
    """The gradients of the input and of each layer's weight and bias under a loss that weighs all outputs differently."""
    y = torch.cat([module(x) for module in modules], dim=1)
    (y * torch.arange(1.0, y.numel() + 1).view_as(y)).sum().backward()


def input_of(seed):
    return torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def test_is_the_layers_side_by_side(layers):
    joint, x, same_x = JointLinear(layers), input_of(0), input_of(0)
    torch.testing.assert_close(joint(x), torch.cat([layer(x) for layer in layers], dim=1))
    with torch.no_grad():
        torch.testing.assert_close(joint(x), torch.cat([layer(x) for layer in layers], dim=1))
    backward([joint], x)
    backward(layers, same_x)
    torch.testing.assert_close(x.grad, same_x.grad)
    torch.testing.assert_close(joint.weight.grad.T, torch.cat([layer.weight.grad for layer in layers]))
    torch.testing.assert_close(joint.bias.grad, torch.cat([layer.bias.grad for layer in layers]))


def test_takes_over_the_weights_of_layers_as_they_were_initialised(layers):
    joint = JointLinear(layers)
    torch.testing.assert_close(joint.weight.T, torch.cat([layer.weight for layer in layers]))
    torch.testing.assert_close(joint.bias, torch.cat([layer.bias for layer in layers]))
    assert joint.weight.is_contiguous()


def test_recycled_gradients_are_overwritten_in_place(layers):
    joint = JointLinear(layers)
    backward([joint], input_of(0))
    where, first = joint.weight.grad.data_ptr(), joint.weight.grad.clone()
    recycle_gradients(joint)
    assert joint.weight.grad is None and joint.bias.grad is None
    backward([joint], input_of(1))
    assert joint.weight.grad.data_ptr() == where
    fresh = JointLinear(layers)
    backward([fresh], input_of(1))
    assert torch.equal(joint.weight.grad, fresh.weight.grad) and not torch.allclose(fresh.weight.grad, first)


def test_gradients_add_up_without_recycling_and_after_it(layers):
    joint = JointLinear(layers)
    backward([joint], input_of(0))
    recycle_gradients(joint)
    for seed in (1, 2, 3):
        backward([joint], input_of(seed))
        backward(layers, input_of(seed))
    torch.testing.assert_close(joint.weight.grad.T, torch.cat([layer.weight.grad for layer in layers]))


def test_a_gradient_that_nobody_recycled_is_left_alone(layers):
    joint = JointLinear(layers)
    backward([joint], input_of(0))
    kept, copy = joint.weight.grad, joint.weight.grad.clone()
    joint.zero_grad(set_to_none=True)
    backward([joint], input_of(1))
    assert torch.equal(kept, copy) and not torch.equal(kept, joint.weight.grad)
