"""An epoch of training: accumulated gradients, precisions, and losses that are not finite."""

import copy

import pytest
import torch
from helpers.training import train_steps

from model.loss import MaxMarginRankingLoss
from model.model import MODEL_INPUTS, CENet
from utils.errors import InputError

DIMS = {"audio": (6, 8), "face": (5, 8), "rgb": (7, 8)}


def make_model(**more):
    torch.manual_seed(0)
    return CENet(DIMS, text_dim=10, vlad_clusters={"text": 3, "audio": 2}, use_ce=True, **more)


def make_batch(seed):
    rng = torch.Generator().manual_seed(seed)
    mask = torch.ones(6, 1, 4, dtype=torch.bool)
    mask[:, :, 2:] = torch.rand(6, 1, 2, generator=rng) < 0.5
    experts = {name: torch.randn(6, dim, generator=rng) for name, dim in (("face", 5), ("rgb", 7))}
    return {
        "ids": list("abcdef"),
        "text": torch.randn(6, 1, 4, 10, generator=rng) * mask[..., None],
        "word_mask": mask,
        "experts": experts | {"audio": torch.randn(6, 5, 3, generator=rng)},
        "ind": {name: (torch.rand(6, generator=rng) < 0.7).float() for name in DIMS},
        "frame_masks": {"audio": torch.ones(6, 5, dtype=torch.bool)},
    }


def train(model, batches, **options):
    """Return the losses, with a step of gradient descent wherever the optimizer takes one."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return train_steps(model, optimizer, batches, **options)


def test_accumulated_gradients_are_averaged_also_those_left_at_the_end():
    model, batches = make_model(), [make_batch(seed) for seed in range(5)]
    reference = copy.deepcopy(model).train()
    losses = train(model, batches, accumulate=3)
    expected = []
    for group in (batches[:3], batches[3:]):
        reference.zero_grad()
        for batch in group:
            inputs = {key: batch[key] for key in MODEL_INPUTS}
            expected.append(MaxMarginRankingLoss()(reference(**inputs)["cross_view_conf_matrix"]))
        torch.stack(expected[-len(group) :]).mean().backward()
        with torch.no_grad():
            for parameter in reference.parameters():
                parameter -= 0.5 * parameter.grad
    torch.testing.assert_close(losses, torch.stack(expected).detach())
    torch.testing.assert_close(dict(model.state_dict()), dict(reference.state_dict()), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mask_padding", [True, False])
def test_bf16_trains_in_bfloat16_with_float32_parameters_and_scores(mask_padding):
    batches = [make_batch(seed) for seed in range(4)]
    exact, model = make_model(mask_padding=mask_padding), make_model(mask_padding=mask_padding)
    seen = []
    model.text_units.unit.cg.fc.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    expected, found = train(exact, batches), train(model, batches, precision="bf16")
    assert seen == [torch.bfloat16] * 4
    assert found.dtype == torch.float32 and not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.01)
    for name, x in model.state_dict().items():
        assert x.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float32), name
        assert x.isfinite().all(), name
    torch.testing.assert_close(dict(model.state_dict()), dict(exact.state_dict()), rtol=0.1, atol=0.05)


def test_tf32_is_used_only_in_training_steps():
    seen = []
    model, batches = make_model(), [make_batch(0), make_batch(1)]
    model.register_forward_pre_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    train(model, batches, precision="tf32")
    assert seen == ["high", "high"] and torch.get_float32_matmul_precision() == "highest"
    train(model, batches)
    assert seen[2:] == ["highest", "highest"]


def test_a_nonfinite_loss_names_step_lr_and_expert_and_changes_no_weight():
    model, batches = make_model(), [make_batch(seed) for seed in range(3)]
    present = int(batches[1]["ind"]["rgb"].argmax())
    batches[1]["experts"]["rgb"][present, 0] = torch.inf
    after_one = copy.deepcopy(model)
    train(after_one, batches[:1])
    with pytest.raises(InputError) as refused:
        train(model, batches)
    assert str(refused.value).startswith("step 2 of 3: the loss is NaN or inf, expected a number; it comes from ")
    assert "the features of expert 'rgb'" in str(refused.value) and "learning rate 0.5" in str(refused.value)
    assert "the text" not in str(refused.value)
    found, expected = (dict(net.named_parameters()) for net in (model, after_one))
    assert all(torch.equal(found[name], x) for name, x in expected.items())
