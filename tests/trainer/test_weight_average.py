"""The moving average of the weights: against a loop, and in validation, checkpoints and resumed trainings."""

import copy
import json
import os
import signal

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train
from helpers.model_variants import SWITCHES, make_batch, make_model
from helpers.properties import examples
from helpers.training import train_steps
from hypothesis import given
from hypothesis import strategies as st

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint
from trainer.loop_helpers import LossSum
from trainer.weight_average import WeightAverage

EMA = ("--set", "trainer.ema_decay=0.8")
STEPS = 3  # of an epoch of the toy archive
RAW, COUNT = "raw_state_dict", "ema_updates"


def average_by_loop(states, start, decay):
    """Return the average of the state dicts after each step, number by number."""
    average = copy.deepcopy(start)
    for t, state in enumerate(states):
        d = min(decay, (t + 1) / (t + 10))
        for name, value in state.items():
            average[name] = d * average[name] + (1 - d) * value if value.is_floating_point() else value
    return average


@given(
    decay=st.floats(0.01, 0.999),
    accumulate=st.integers(1, 3),
    num_batches=st.integers(1, 7),
    variant=st.sampled_from(["ce", "moee", "concat"]),
    precision=st.sampled_from(["fp32", "bf16"]),
)
@examples(8)
def test_the_average_is_that_of_a_loop_over_the_steps(decay, accumulate, num_batches, variant, precision):
    assert variant in SWITCHES
    model = make_model(variant).train()
    start = copy.deepcopy(model.state_dict())
    average, states = WeightAverage(model, decay), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    optimizer.register_step_post_hook(lambda *_: states.append(copy.deepcopy(model.state_dict())))
    batches = [make_batch(seed, 6, 1) for seed in range(num_batches)]
    train_steps(model, optimizer, batches, accumulate=accumulate, precision=precision, average=average)
    assert average.num_updates == len(states) == -(-num_batches // accumulate)
    expected = average_by_loop(states, start, decay)
    found = average.model.state_dict()
    torch.testing.assert_close(dict(found), dict(expected), rtol=1e-5, atol=1e-6)
    assert any(name.endswith("running_var") for name in found) or variant == "concat"
    assert any(not torch.equal(found[name], x) for name, x in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in average.model.parameters())


def test_the_trained_weights_are_those_without_an_average():
    batches, states = [make_batch(seed, 6, 1) for seed in range(4)], []
    for averaged in (False, True):
        model = make_model("ce").train()
        average = WeightAverage(model, 0.9) if averaged else None
        train_steps(model, torch.optim.Adam(model.parameters(), lr=0.01), batches, average=average)
        states.append(dict(model.state_dict()))
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def validation_metrics(run, checkpoint):
    """Return the metrics of test.py on the validation split."""
    code, out, err = run(test_command, "--resume", checkpoint, "--split", "val")
    assert code == 0, err
    return json.loads(max((MODELS.parent.parent / "log").rglob("metrics.json"), key=lambda x: x.stat().st_mtime).read_text())


def test_validation_best_model_and_test_use_the_average(run, tmp_path):
    folder, _ = train(run, *EMA)
    plain, _ = train(run)
    state, other = (load_checkpoint(x / "checkpoint-epoch3.pth") for x in (folder, plain))
    for name, x in other["state_dict"].items():  # the same training
        assert torch.equal(x, state[RAW][name]), name
    assert state[COUNT] == 3 * STEPS and not {RAW, COUNT} & other.keys()
    found = validation_metrics(run, folder / "checkpoint-epoch3.pth")
    for task in ("t2v_metrics", "v2t_metrics"):
        expected = {name.removeprefix(f"val_{task}_"): x for name, x in state["values"].items() if task in name}
        assert {name: found[task][name] for name in expected} == pytest.approx(expected)
    assert state["values"] != other["values"]
    best, final = load_checkpoint(folder / "trained_model.pth"), json.loads((folder / "metrics.json").read_text())
    assert best.keys() >= {RAW, COUNT} and final["epoch"] == best["epoch"]
    run(test_command, "--resume", folder / "trained_model.pth")
    path = max((MODELS.parent.parent / "log").rglob("metrics.json"), key=lambda x: x.stat().st_mtime)
    assert json.loads(path.read_text())["t2v_metrics"] == final["t2v_metrics"]


def test_a_checkpoint_without_an_average_starts_one(run):
    folder, _ = train(run, "--set", "trainer.epochs=2")
    path = folder / "checkpoint-epoch2.pth"
    code, _, err = run(train_command, "--resume", path, "--set", "trainer.epochs=3", *EMA)
    assert code == 0, err
    (second,) = set(MODELS.glob("*")) - {folder}
    whole, _ = train(run)
    state, start = load_checkpoint(second / "checkpoint-epoch3.pth"), load_checkpoint(path)
    expected = load_checkpoint(whole / "checkpoint-epoch3.pth")["state_dict"]
    for name, x in expected.items():
        assert torch.equal(x, state[RAW][name]), name
    assert state[COUNT] == STEPS
    # The start has the weight 0.1 * 2/11 * 3/12 in it, the steps of the third epoch have the rest.
    name = "moe_fc.weight"
    others = [start["state_dict"][name], state[RAW][name]]
    assert all(not torch.equal(x, state["state_dict"][name]) for x in others)


def test_a_training_that_is_interrupted_in_an_epoch_ends_as_one_that_is_not(run, monkeypatch):
    whole, _ = train(run, *EMA, "--disable_workers")
    add, steps = LossSum.add, []

    def add_and_interrupt(self, loss, step):
        add(self, loss, step)
        steps.append(step)
        if len(steps) == STEPS + 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patched:
        patched.setattr(LossSum, "add", add_and_interrupt)
        assert run(train_command, "--config", CONFIG, *EMA, "--disable_workers")[0] == 130
    signal.signal(signal.SIGINT, before)
    (path,) = MODELS.glob("*/interrupted.pth")
    partial = load_checkpoint(path)
    assert (partial["epoch"], partial["begun"]["step"], partial[COUNT]) == (2, 2, STEPS + 2)
    code, _, err = run(train_command, "--resume", path)
    assert code == 0, err
    one, other = (load_checkpoint(x / "checkpoint-epoch3.pth") for x in (whole, path.parent))
    assert one[COUNT] == other[COUNT]
    for key in ("state_dict", RAW):
        assert all(torch.equal(x, other[key][name]) for name, x in one[key].items()), key


def test_without_the_switch_the_weights_of_the_last_step_are_resumed(run):
    folder, _ = train(run, *EMA, "--set", "trainer.epochs=2")
    code, _, err = run(
        train_command,
        *("--config", CONFIG, "--resume", folder / "checkpoint-epoch2.pth", "--set", "trainer.epochs=3"),
    )
    assert code == 0, err
    (second,) = set(MODELS.glob("*")) - {folder}
    whole, _ = train(run)
    assert_equal_weights(second / "checkpoint-epoch3.pth", whole / "checkpoint-epoch3.pth")
    assert not {RAW, COUNT} & load_checkpoint(second / "checkpoint-epoch3.pth").keys()
