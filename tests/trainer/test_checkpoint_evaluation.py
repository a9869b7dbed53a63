"""The results of a checkpoint in metrics.json: metrics, numbers of videos, and the machine of the training."""

import json
from pathlib import Path

import pytest
import torch
from helpers.commands import train

import test as test_command
from base.checkpoint import load_checkpoint


def test_what_a_checkpoint_says_of_its_training_is_passed_on(run):
    """It was trained on another machine, where its validation had other figures."""
    folder, _ = train(run, "--set", "trainer.epochs=1")
    state = load_checkpoint(folder / "trained_model.pth")
    state["environment"] = {**state["environment"], "torch": "0.1", "processes": 8}
    state["values"] = {**state["values"], "val_t2v_metrics_R1": 12.5}
    torch.save(state, "elsewhere.pth")
    code, _, err = run(test_command, "--resume", "elsewhere.pth")
    assert code == 0, err
    (path,) = Path("data/saved/log/toy-train-ce").glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["training_environment"] == state["environment"]
    assert metrics["environment"]["torch"] == torch.__version__ and metrics["environment"]["processes"] == 1
    assert metrics["validation"] == state["values"]
    assert (metrics["epoch"], metrics["seed"], metrics["checkpoint"]) == (1, 0, "elsewhere.pth")


@pytest.mark.parametrize(("captions", "expected"), [(1, 10), (2, 19)])
def test_the_numbers_of_videos_and_captions_are_those_of_the_evaluation(run, workplace, captions, expected):
    """One of the ten videos has a single caption."""
    workplace.text["video30"] = workplace.text["video30"][:1]
    workplace.dump("text-toy.pickle", workplace.text)
    workplace.dump("raw-captions.pkl", {})
    option = ("--set", f"data_loader.args.num_test_captions={captions}", "--set", "trainer.epochs=1")
    folder, _ = train(run, *option)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["videos"], metrics["captions"]) == (10, expected)
    weights = torch.load(folder / "trained_model.pth", weights_only=True)["state_dict"]
    learned = sum(x.numel() for name, x in weights.items() if not name.endswith(("running_mean", "running_var", "tracked")))
    assert metrics["parameters"] == learned


def test_a_mini_training_is_tested_on_the_whole_split(run):
    """With the few candidates of a mini split, metrics would look too good."""
    folder, _ = train(run, "--train_single_epoch", "--mini_train")
    assert json.loads((folder / "metrics.json").read_text())["videos"] == 10
    code, out, err = run(test_command, "--resume", folder / "trained_model.pth")
    assert code == 0 and "Toy, val: 10 videos" in out, err
