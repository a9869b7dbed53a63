"""The benchmark of a training step: its lower bound, and the times that it measures."""

import json

import pytest
import torch
from helpers.plain_model import DIMS, make_models

from misc.speed import step


@pytest.mark.parametrize("release", ["2019", "2020"])
def test_the_floor_has_the_products_of_the_layers(release):
    """Count the multiplications of a forward pass, layer by layer, for five videos."""
    text_layers = 30 * 4 * (8 + 1)  # with the weights of the mixture
    gates = 4 * (2 + 5) * 8 * 8  # of the text, modulations, and g (in halves) and h
    ghosts = 0
    if release == "2020":
        gates = 4 * (2 + 3) * 8 * 8 + 4 * 4 * 8 * 8  # without h, with the layer of g that sees pairs
        ghosts = 30 * 2 * 10  # in the assignment of words
    projections = 8 * (2 * 6 + 5 + 3 * 4 + 7)
    pooling = 2 * (30 * 3 * 10 + 30 * 2 * 6 + 30 * 3 * 4)
    similarity = 5 * 4 * 8
    found = sum(number * m * k * n for number, m, k, n, *_ in step.products(make_models(release)[0], 5))
    assert found == 5 * (text_layers + gates + projections + pooling + ghosts + similarity)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_measured(capsys, precision):
    ours, plain = (x.float() for x in make_models())
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
