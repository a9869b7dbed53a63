"""RAdam and Ranger: the numbers of the corrected release, of torch's RAdam, and of the equations."""

import copy
import math
import re

import numpy as np
import pytest
import torch
from helpers.paths import shared

from base.validation import complete_optimizer
from trainer.optim import instantiate_optimizer, load_optimizer
from trainer.ranger import RAdam, Ranger

RELEASE = {"data_loader": {"args": {"root_feat_folder": "structured-symlinks"}}}


def optimizer_of_release(name, args, parameters):
    """Return the optimizer of a config of the corrected release."""
    config = copy.deepcopy(RELEASE) | {"optimizer": {"type": name, "args": dict(args)}}
    complete_optimizer(config)
    return instantiate_optimizer(config["optimizer"], parameters)


def steps(optimizer, parameters, gradients):
    """Return the parameters after each step; None stands for a parameter without a gradient."""
    after = []
    for values in gradients:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.grad = None if value is None else torch.as_tensor(value).clone()
        optimizer.step()
        after.append([parameter.detach().clone() for parameter in parameters])
    return after


@pytest.mark.parametrize(
    "key", ["ranger_lr0.1_wd0.001", "ranger_lr0.01_wd5e-05", "radam_lr0.001_wd1e-05", "radam_lr0.1_wd0.01"]
)
def test_the_numbers_of_the_release(key):
    recorded = np.load(shared("parity-2020", "optim.npz"))
    name, lr, weight_decay = re.fullmatch(r"(\w+)_lr(.+)_wd(.+)", key).groups()
    parameter = torch.nn.Parameter(torch.from_numpy(recorded["start"]))
    args = {"lr": float(lr), "weight_decay": float(weight_decay)}
    optimizer = optimizer_of_release({"ranger": "Ranger", "radam": "RAdam"}[name], args, [parameter])
    found = steps(optimizer, [parameter], ([gradient] for gradient in recorded["grads"]))
    np.testing.assert_allclose(np.stack([x.numpy() for (x,) in found]), recorded[key], rtol=0, atol=1e-6)


def plain(starts, gradients, lr, beta1, beta2, eps, weight_decay, alpha=None, k=None):
    """Return what `steps` returns, by the equations of the release, number by number."""
    after, state = [list(starts)], {}
    for values in gradients:
        weights = list(after[-1])
        for i, g in enumerate(values):
            if g is None:
                continue
            m, v, n, slow = state.get(i, (0.0, 0.0, 0, weights[i]))
            p, n = weights[i] - lr * weight_decay * weights[i], n + 1
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            rho_inf = 2 / (1 - beta2) - 1
            rho = rho_inf - 2 * n * beta2**n / (1 - beta2**n)
            if rho > 5:
                root = math.sqrt((1 - beta2**n) * (rho - 4) / (rho_inf - 4) * (rho - 2) / rho * rho_inf / (rho_inf - 2))
                p -= lr * root / (1 - beta1**n) * m / (math.sqrt(v) + eps)
            else:
                p -= lr / (1 - beta1**n) * m
            if k is not None and n % k == 0:
                p = slow = slow + alpha * (p - slow)
            weights[i], state[i] = p, (m, v, n, slow)
        after.append(weights)
    return after[1:]


# Few steps without rectification, none with it, the published values; weights that have no gradient in some steps.
SETTINGS = [(0.8, 0.9, 0.1, 0.3), (0.9, 0.5, 1e-8, 0.1), (0.95, 0.999, 1e-5, 0.01), (0.9, 0.999, 1e-8, 0.0)]


@pytest.mark.parametrize("lookahead", [{}, {"alpha": 0.3, "k": 4}, {"alpha": 0.5, "k": 6}, {"alpha": 1.0, "k": 1}], ids=str)
@pytest.mark.parametrize(("beta1", "beta2", "eps", "weight_decay"), SETTINGS)
def test_the_equations(beta1, beta2, eps, weight_decay, lookahead):
    generator = np.random.default_rng(0)
    starts, gradients = [1.5, -0.7, 0.2], generator.normal(size=(20, 3)).tolist()
    for n, i in ((0, 0), (1, 0), (7, 1), (8, 1), (13, 2)):
        gradients[n][i] = None
    parameters = [torch.nn.Parameter(torch.tensor([x], dtype=torch.float64)) for x in starts]
    args = {"lr": 0.1, "betas": [beta1, beta2], "eps": eps, "weight_decay": weight_decay}
    optimizer = optimizer_of_release("Ranger" if lookahead else "RAdam", args | lookahead, parameters)
    shaped = [[None if g is None else torch.tensor([g], dtype=torch.float64) for g in values] for values in gradients]
    found = [[x.item() for x in values] for values in steps(optimizer, parameters, shaped)]
    expected = plain(starts, gradients, 0.1, beta1, beta2, eps, weight_decay, **lookahead)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("decoupled", [False, True])
def test_radam_of_other_configs_is_torchs_and_resumes_its_state(decoupled):
    generator = torch.Generator().manual_seed(0)
    args = {"lr": 0.1, "weight_decay": 0.2} | ({"decoupled_weight_decay": True} if decoupled else {})
    starts = [torch.randn(shape, generator=generator) for shape in ((3, 4), (5,))]
    gradients = [[torch.randn(x.shape, generator=generator) for x in starts] for _ in range(20)]

    def optimized(kind):
        parameters = [torch.nn.Parameter(x.clone()) for x in starts]
        return parameters, kind(parameters)

    theirs, reference = optimized(lambda parameters: torch.optim.RAdam(parameters, **args))
    expected = steps(reference, theirs, gradients[:10])
    ours, optimizer = optimized(lambda parameters: instantiate_optimizer({"type": "RAdam", "args": args}, parameters))
    assert type(optimizer) is RAdam
    torch.testing.assert_close(steps(optimizer, ours, gradients[:10]), expected)
    resumed = instantiate_optimizer({"type": "RAdam", "args": args}, theirs)
    load_optimizer(resumed, copy.deepcopy(reference.state_dict()), "a.pth")
    found = steps(resumed, theirs, gradients[10:])
    torch.testing.assert_close(steps(optimizer, ours, gradients[10:]), found)


@pytest.mark.parametrize("argument", ["maximize", "foreach", "capturable", "differentiable"])
def test_torchs_radam_is_built_for_the_arguments_of_its_implementations(argument):
    section = {"type": "RAdam", "args": {argument: True}}
    assert type(instantiate_optimizer(section, [torch.nn.Parameter(torch.ones(2))])) is torch.optim.RAdam


def test_weight_decay_of_radam_is_decoupled_in_the_corrected_release_only():
    for data, args, expected in (
        (RELEASE["data_loader"], {}, {"decoupled_weight_decay": True}),
        (RELEASE["data_loader"], {"decoupled_weight_decay": False}, {"decoupled_weight_decay": False}),
        ({"args": {}}, {}, {}),
    ):
        config = {"data_loader": data, "optimizer": {"type": "RAdam", "args": dict(args)}}
        complete_optimizer(config)
        assert config["optimizer"]["args"] == expected
    for config in (RELEASE, RELEASE | {"optimizer": {"type": "Adam", "args": {}}}):
        before = copy.deepcopy(config)
        complete_optimizer(config)
        assert config == before


def test_small_weight_decay_is_exact_on_average_in_single_precision():
    """The values of MSVD: 1 - 5e-7 in single precision is 1 - 4.8e-7, so that to multiply by it is not the same."""
    starts = torch.linspace(1, 2, 10_000)
    parameter = torch.nn.Parameter(starts.clone())
    optimizer = Ranger([parameter], lr=0.01, weight_decay=5e-5)
    (*_, (found,)) = steps(optimizer, [parameter], [[torch.zeros_like(starts)]] * 5)
    assert (1 - found / starts.double()).mean().item() == pytest.approx(5 * 5e-7, rel=0.01)


@pytest.mark.parametrize("args", [{"alpha": -0.1}, {"alpha": 1.1}, {"k": 0}, {"k": 2.0}, {"k": True}, {"lr": -1.0}], ids=str)
def test_arguments_without_a_meaning_are_refused(args):
    (name,) = args
    label = "learning rate" if name == "lr" else name
    with pytest.raises(ValueError, match=f"Invalid {label}: "):
        Ranger([torch.nn.Parameter(torch.ones(2))], **args)


def test_further_groups_have_the_lookahead_of_the_first():
    optimizer = Ranger([torch.nn.Parameter(torch.ones(2))], k=3, alpha=0.25)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    assert [(group["k"], group["alpha"]) for group in optimizer.param_groups] == [(3, 0.25)] * 2


def test_a_closure_computes_the_gradients():
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = Ranger([parameter])

    def closure():
        optimizer.zero_grad()
        loss = (parameter**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert (parameter < 1).all()
