"""The plain implementation of CE against ours: the same numbers, or the benchmark would compare two different things."""

import copy
import json

import pytest
import torch
from helpers.gradients import gradients

from misc import benchmark
from misc.speed import step
from misc.speed.plain_model import PlainCE, plain_loss
from model.loss import MaxMarginRankingLoss
from model.model import CENet
from trainer.optim import instantiate_optimizer

DIMS = {"audio": 6, "face": 5, "ocr": 4, "rgb": 7}
CLUSTERS = {"text": 3, "audio": 2, "ocr": 3}
ARGUMENTS = {
    "expert_dims": {name: (dim * CLUSTERS.get(name, 1), 8) for name, dim in DIMS.items()},
    "text_dim": 10,
    "vlad_clusters": CLUSTERS,
}
CLOSE = {"rtol": 1e-6, "atol": 1e-9}  # in double precision


@pytest.fixture(params=["2019", "2020"])
def models(request):
    """Both implementations of the network of a release in training mode, with the same weights."""
    torch.manual_seed(0)
    use_ce, ghosts = (True, 0) if request.param == "2019" else ("pairwise", 2)
    ours = CENet(**ARGUMENTS, use_ce=use_ce, ghost_clusters={"text": ghosts}).double()
    plain = PlainCE(**ARGUMENTS, use_ce=use_ce, num_ghosts=ghosts).double()
    plain.load_state_dict(ours.state_dict())
    return ours.train(), plain.train()


def double(batch):
    return {
        key: double(x) if isinstance(x, dict) else x.double() if x.is_floating_point() else x for key, x in batch.items()
    }


def batch(seed):
    return double(step.random_batch(DIMS, 10, {"audio", "ocr"}, num_videos=12, seed=seed))


def test_loss_gradients_and_statistics_are_those_of_the_plain_implementation(models):
    ours, plain = models
    inputs = batch(0)
    assert 0 < sum(x.sum() for x in inputs["ind"].values()) < 4 * 12  # some experts are missing
    ours_loss = MaxMarginRankingLoss()(ours(**inputs)["cross_view_conf_matrix"])
    loss = plain_loss(plain(**inputs))
    torch.testing.assert_close(ours_loss, loss, **CLOSE)
    ours_loss.backward()
    loss.backward()
    expected, found = gradients(plain), gradients(ours)
    assert expected.keys() == found.keys() and all(x.any() for x in expected.values())
    torch.testing.assert_close(found, expected, **CLOSE)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), **CLOSE)  # running statistics


def test_so_are_the_weights_after_several_steps_of_adam(models):
    ours, plain = models
    before = copy.deepcopy(plain.state_dict())
    optimizers = [instantiate_optimizer({"type": "Adam", "args": {"lr": 0.01, "eps": 1e-3}}, ours.parameters())]
    optimizers.append(torch.optim.Adam(plain.parameters(), lr=0.01, eps=1e-3))
    for seed in range(4):
        inputs = batch(seed)
        losses = [MaxMarginRankingLoss()(ours(**inputs)["cross_view_conf_matrix"]), plain_loss(plain(**inputs))]
        for loss, optimizer in zip(losses, optimizers, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.testing.assert_close(*losses, **CLOSE)
    torch.testing.assert_close(ours.state_dict(), plain.state_dict(), **CLOSE)
    assert not any(torch.equal(before[name], x) for name, x in plain.state_dict().items())


def test_the_floor_has_the_products_of_the_layers(models):
    """Count the multiplications of a forward pass, layer by layer, for five videos."""
    text_layers = 30 * 4 * (8 + 1)  # with the weights of the mixture
    gates = 4 * (2 + 5) * 8 * 8  # of the text, modulations, and g (in halves) and h
    ghosts = 0
    if models[0].corrected:
        gates = 4 * (2 + 3) * 8 * 8 + 4 * 4 * 8 * 8  # without h, with the layer of g that sees pairs
        ghosts = 30 * 2 * 10  # in the assignment of words
    projections = 8 * (2 * 6 + 5 + 3 * 4 + 7)
    pooling = 2 * (30 * 3 * 10 + 30 * 2 * 6 + 30 * 3 * 4)
    similarity = 5 * 4 * 8
    found = sum(number * m * k * n for number, m, k, n, *_ in step.products(models[0], 5))
    assert found == 5 * (text_layers + gates + projections + pooling + ghosts + similarity)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_measured(models, capsys, precision):
    ours, plain = (x.float() for x in models)
    inputs = step.random_batch(DIMS, 10, {"audio", "ocr"}, num_videos=12)
    device = torch.device("cpu")
    clock = step.Clock(device)
    sides = {
        "plain": step.plain_step(plain, inputs, precision),
        "ours": step.our_step(ours, inputs, clock, precision),
        "floor": step.floor_step(ours, 12, device),
    }
    seen = set()
    for model in (ours, plain):
        model.video_dim_reduce[0].fc.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    seconds = step.measure(sides, clock, repetitions=3)
    assert seen == {torch.float32 if precision == "fp32" else torch.bfloat16}
    about = {"precision": precision, "kernels": {"plain": 12, "ours": step.kernels(sides["ours"], device)}}
    written = json.loads(json.dumps(step.report(seconds, clock.parts, 99, device, about)))
    out = capsys.readouterr().out
    assert precision in out and "kernels of plain            12\n" in out and "kernels of ours" not in out
    parts = ["text pooling", "text layers", "video side", "similarity and loss", "backward", "optimizer"]
    for name in (*sides, *parts):
        assert len((written["seconds"] | written["parts"])[name]) == 3 and name in out
    assert list(written["parts"]) == parts
    assert sum(sum(values) for values in written["parts"].values()) <= sum(written["seconds"]["ours"])


def test_the_command_measures_it_when_asked_to(call, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(step, "run", lambda *arguments: asked.append(arguments) or {"steps": []})
    assert call(benchmark, "--step", "--json", tmp_path / "step.json", "--device", "0")[0] == 0
    assert call(benchmark, "--step", "--release", "2020")[0] == 0
    assert asked == [(0, "2019"), (None, "2020")] and json.loads((tmp_path / "step.json").read_text()) == {"steps": []}
