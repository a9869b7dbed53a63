"""Commands refuse invalid input with one line and exit code 2, and write or delete nothing."""

import argparse
import functools
import json
import os
import pickle
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, train, trained
from helpers.paths import ROOT, shared

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint
from misc.searching.embedding import Embedder
from parse_config import ConfigParser
from trainer.build import loader_arguments
from trainer.trainer import Trainer


def corrupt(path):
    Path(path).write_bytes(Path(path).read_bytes()[:-100])


def hostile(path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (Path("pwned"),)

    with Path(path).open("wb") as file:
        pickle.dump({"video0": Evil()}, file)


def pipe(path):
    """Replace a file by a named pipe that nobody writes to."""
    Path(path).unlink()
    os.mkfifo(path)


def endless(path):
    Path(path).unlink()
    Path(path).symlink_to("/dev/zero")


FEATS = Path("data/Toy/symlinked-feats")


@pytest.mark.parametrize(
    ("damage", "arguments", "message"),
    [
        (None, ["--config", "nowhere.json"], "nowhere.json: not found"),
        (None, [], "--config FILE: missing"),
        (None, ["--set", "optimizer.args.lrr=1"], "optimizer.args.lrr: unknown key of Adam, did you mean 'lr'?"),
        (None, ["--set", "trainer.epochs=ten"], "trainer.epochs: found 'ten'"),
        (None, ["--set", "metrics=[]"], "metrics: found []"),
        (None, ["--set", "experts.modalities=[]"], "experts.modalities: found []"),
        (None, ["--set", "experts=3"], "experts: found 3, expected an object"),
        (None, ["--set", "arch.args.vlad_clusters.audo=3"], "vlad_clusters.audo: no such expert, did you mean 'audio'?"),
        (None, ["--set", "loss.args.margin=NaN"], "loss.args.margin: found nan"),
        (None, ["--set", "experts.ce_shared_dim=1000000000"], "not enough memory"),
        (lambda: (FEATS / "test_list.txt").unlink(), ["--set", "test_split=test"], "test_list.txt: not found"),
        (None, ["--set", "eval_config=configs/none.json"], "configs/none.json: not found"),
        (
            None,
            ["--set", "optimizer.args.lr=-1"],
            "optimizer.args: Adam does not work with lr=-1 (Invalid learning rate: -1)",
        ),
        (None, ["--set", "optimizer.args.lr=[1]"], "optimizer.args: Adam does not work with lr=[1]"),
        (None, ["--set", "data_loader.args.split_name=dev"], "split_name: 'dev', expected one of val, test"),
        (None, ["--set", "data_loader.args.data_dir=/nowhere"], "/nowhere/symlinked-feats: no such folder"),
        (
            None,
            ["--set", "data_loader.args.batch_size=25"],
            "24 videos to train on, fewer than data_loader.args.batch_size 25",
        ),
        (None, ["--set", "data_loader.args.batch_size=1"], "batch_size: 1, expected at least 2"),
        (None, ["--set", "experts.scene.dim=7"], "scene.pickle: 'video1' has dimension 6, expected 7"),
        (None, ["--seeds", "1,01"], "--seeds 1,01: expected different whole numbers"),
        (None, ["--set", "lr_scheduler.args.gamma=NaN"], "lr_scheduler: holds NaN or Infinity"),
        (None, ["--set", "optimizer.args.capturable=true"], "optimizer.args: Adam does not work with"),
        (
            None,
            ["--set", 'lr_scheduler={"type": "OneCycleLR", "args": {"max_lr": 0.01, "total_steps": 2}}'],
            "lr_scheduler.args: OneCycleLR does not work with",
        ),
        (None, ["--set", 'metrics=["t2v_metrics", "t2v_metrics"]'], "expected each once"),
        (None, ["--seeds", "1,x"], "--seeds 1,x: expected different whole numbers"),
        (None, ["--resume", "nowhere.pth"], "nowhere.pth: no such checkpoint"),
        (lambda: corrupt(FEATS / "rgb.pickle"), [], "rgb.pickle: cannot be read"),
        (lambda: hostile(FEATS / "rgb.pickle"), [], "rgb.pickle: refused, it holds the class"),
        (lambda: (FEATS / "audio.pickle").unlink(), [], "audio: not found"),
        (lambda: (FEATS / "val_list.txt").unlink(), [], "val_list.txt: not found"),
        (lambda: Path(CONFIG).write_text("{"), [], "train-ce.json: not a JSON config"),
        (lambda: pipe(CONFIG), [], "train-ce.json: not a JSON config (no file"),
        (lambda: endless(CONFIG), [], "train-ce.json: not a JSON config (no file"),
        (lambda: pipe(FEATS / "train_list.txt"), [], "train_list.txt: no file"),
        (lambda: endless(FEATS / "train_list.txt"), [], "train_list.txt: no file"),
        (lambda: pipe(FEATS / "rgb.pickle"), [], "rgb.pickle: cannot be read, expected a file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(refused, damage, arguments, message):
    if damage:
        damage()
    if message[:8] not in ("--config", "nowhere."):
        arguments = ["--config", CONFIG, *arguments]
    assert message in refused(train_command, *arguments)
    assert not Path("pwned").exists()
    assert not list(Path().rglob("*.pth"))


def test_bad_checkpoints_are_refused(run, refused):
    folder, _ = trained(run)
    best = folder / "trained_model.pth"
    assert "'collaborative_gating.g1.bias' is (16,), expected (20,)" in refused(
        test_command, "--resume", best, "--set", "experts.ce_shared_dim=20"
    )
    assert "--save_sims sims.txt: expected a file .npz" in refused(test_command, "--resume", best, "--save_sims", "sims.txt")
    assert "--resume CHECKPOINT: missing" in refused(test_command)
    corrupt(best)
    assert f"{best}: damaged" in refused(test_command, "--resume", best)
    hostile(best)
    assert f"{best}: damaged, or no checkpoint" in refused(test_command, "--resume", best)
    assert not Path("pwned").exists()
    legacy = shared("parity", "legacy_checkpoint.pth")  # its config is of MSRVTT, which is not here
    message = refused(test_command, "--resume", legacy, "--split", "full-test")
    assert "data/MSRVTT/symlinked-feats: no such folder" in message


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("trainer.save_dir", "{}/elsewhere"),
        ("tester.save_dir", "../elsewhere"),
        ("data_loader.args.cache_dir", "data/../../elsewhere"),
        ("visualizer.args.src_video_dir", "/"),
    ],
)
def test_a_checkpoint_does_not_choose_where_to_write_outside_of_the_working_folder(run, refused, tmp_path, key, path):
    """A path on the command line may be anywhere, and data are read from where the checkpoint says."""
    folder, _ = train(run, "--train_single_epoch", "--set", f"data_loader.args.data_dir={Path('data/Toy').resolve()}")
    path, place = path.format(tmp_path.parent), Path("stranger.pth")
    state = load_checkpoint(folder / "trained_model.pth")
    *parents, name = key.split(".")
    state["config"] |= {"tester": {}, "visualizer": {"type": "Visualizer", "args": {}}}
    functools.reduce(dict.__getitem__, parents, state["config"])[name] = path
    torch.save(state, place)
    for command in (test_command, train_command):
        message = refused(command, "--resume", place)
        assert f"config in {place}: {key} is '{path}'" in message and f"--set {key}={path}" in message
    code, _, err = run(test_command, "--resume", place, "--set", f"{key}=inside")
    assert code == 0, err
    ConfigParser.from_arguments(argparse.Namespace(config=None, resume=place, set=[f"{key}={path}"]), state)
    Embedder(place, torch.device("cpu"))  # of a search, which writes nowhere that a checkpoint says, and has no --set


@pytest.mark.parametrize(
    ("data_dir", "given", "may"),
    [
        ("data/Toy", [], True),
        ("data/../data/Toy", [], True),
        ("data/../../Toy", [], False),
        ("/data/Toy", [], False),
        ("/data/Toy", ["optimizer.args.lr=1"], False),
        ("/data/Toy", ["data_loader.args.cache_dir=mine"], True),
        ("/data/Toy", ["data_loader.args.data_dir=/data/Toy"], True),
    ],
)
def test_caches_may_be_made_only_where_the_user_or_the_working_folder_allows(
    config, tmp_path, monkeypatch, data_dir, given, may
):
    monkeypatch.chdir(tmp_path)
    config["data_loader"]["args"]["data_dir"] = data_dir
    args = argparse.Namespace(config=None, resume=Path("x.pth"), set=given)
    parsed = ConfigParser.from_arguments(args, {"config": config}).with_test_split()
    assert (loader_arguments(parsed, torch.device("cpu"))["cache_refusal"] is None) == may
    Path("x.json").write_text(json.dumps(config))
    args.config = Path("x.json")
    assert ConfigParser.from_arguments(args, {"config": config}).cache_refusal is None


def test_a_checkpoint_does_not_choose_caches_outside_of_the_working_folder(run, tmp_path):
    """A checkpoint may name the folder to read data from, with its existing caches."""
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    shutil.copytree("data/Toy", outside / "Toy")
    words, cache = ("--set", f"data_loader.args.data_dir={outside}/Toy"), outside / "Toy" / "cache"
    folder, _ = train(run, "--train_single_epoch", *words)
    state, place = load_checkpoint(folder / "trained_model.pth"), Path("stranger.pth")
    state["config"]["trainer"]["epochs"] = 2
    torch.save(state, place)
    made = sorted(cache.iterdir())
    code, _, err = run(test_command, "--resume", place)
    assert code == 0 and sorted(cache.iterdir()) == made, err

    os.utime(outside / "Toy" / "symlinked-feats" / "rgb.pickle")  # its cache is out of date
    for command in (test_command, train_command):
        code, _, err = run(command, "--resume", place)
        assert code == 2 and err.count("\n") == 1
        assert f"config in {place}: data_loader.args.data_dir is '{outside}/Toy'" in err and f"{words[0]} {words[1]}" in err
    shutil.rmtree(cache)
    assert run(test_command, "--resume", place)[0] == 2 and not cache.exists()
    for command, words_of_a_user in ((test_command, ("--set", "data_loader.args.cache_dir=mine")), (train_command, words)):
        code, _, err = run(command, "--resume", place, *words_of_a_user)
        assert code == 0, err
    assert sorted(cache.iterdir()) == made and len(list(Path("mine").iterdir())) == len(made)
    shutil.rmtree(outside)


@pytest.mark.parametrize("key", ["cache_dir", "data_dir"])
def test_a_run_outside_the_working_folder_resumes_there(run, tmp_path, monkeypatch, key):
    """The folder of the given checkpoint is allowed; any other is in the printed command."""
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    path = elsewhere / "Toy"
    if key == "data_dir":
        shutil.copytree("data/Toy", path)
    places = ("--set", f"trainer.save_dir={elsewhere}", "--set", f"data_loader.args.{key}={path}")
    with monkeypatch.context() as patched:
        original = Trainer._train_epoch

        def interrupt(self, epoch):
            if epoch == 2:
                raise KeyboardInterrupt
            return original(self, epoch)

        patched.setattr(Trainer, "_train_epoch", interrupt)
        code, out, _ = run(train_command, "--config", CONFIG, *places)
    assert code == 130
    words = shlex.split(out.rpartition("resume with: python train.py ")[2].splitlines()[0])
    assert words[2:] == ["--set", f"data_loader.args.{key}={path}"]
    shutil.rmtree(path if key == "cache_dir" else path / "cache")
    code, out, err = run(train_command, *words)
    assert code == 0 and "epoch 2/3" in out, err
    shutil.rmtree(elsewhere)


SCRIPTS = [
    path.relative_to(ROOT)
    for folder in (".", "misc", "misc/speed", "figs")
    for path in sorted((ROOT / folder).glob("*.py"))
    if '__name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_every_script_has_help(script, tmp_path, monkeypatch, capsys):
    """Start each script with --help in this process, and check that it has no side effects."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(ROOT / script), "--help"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = (ROOT / script).parent.stat().st_mtime_ns
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    out, err = capsys.readouterr()
    assert stop.value.code in (0, None) and err == ""
    assert out.startswith("usage:") and any(len(line.split()) > 4 for line in out.partition("\n\n")[2].splitlines())
    assert not list(tmp_path.iterdir()) and (ROOT / script).parent.stat().st_mtime_ns == before


def test_eval_config_of_another_dataset_is_refused(workplace, refused):
    evaluation = {"inherit_from": CONFIG, "data_loader": {"args": {"dataset_name": "Other"}}}
    Path("configs/toy/eval-ce.json").write_text(json.dumps(evaluation))
    err = refused(train_command, "--config", CONFIG, "--set", "eval_config=configs/toy/eval-ce.json")
    assert "dataset_name is 'Other', expected 'Toy'" in err


def test_bad_input_is_found_before_anything_is_purged(run, refused):
    first, _ = trained(run)
    options = ("--purge_exp_dir", "--yes", "--set", "data_loader.args.batch_size=100")
    assert "fewer than" in refused(train_command, "--config", CONFIG, *options)
    assert (first / "trained_model.pth").exists()
    code, _, err = run(train_command, "--config", CONFIG, *options[:3], "optimizer.args.lr=1e30")
    assert code == 2 and "learning rate" in err and (first / "trained_model.pth").exists()


def test_a_diverging_training_is_stopped_with_its_epoch(run):
    code, _, err = run(train_command, "--config", CONFIG, "--set", "optimizer.args.lr=1e30")
    assert code == 2 and err.startswith("error: epoch 1, step 2 of 3: ") and "learning rate 1e+30" in err


def test_a_training_that_diverges_in_the_last_step_of_an_epoch_is_stopped_too(run):
    settings = ("--set", "optimizer.args.lr=1e30", "--set", "data_loader.args.batch_size=24")
    code, _, err = run(train_command, "--config", CONFIG, *settings)
    assert code == 2 and err.startswith("error: epoch 1, after step 1 of 1: ") and "learning rate 1e+30" in err
    assert "expert 'rgb'" in err and "the text" in err and err.endswith("the last checkpoint: none\n")


@pytest.mark.parametrize("key", ["optimizer", "random", "monitor_best"])
def test_a_checkpoint_that_lacks_a_part_is_refused(run, refused, key):
    folder, _ = trained(run)
    path = folder / "checkpoint-epoch2.pth"
    state = torch.load(path, weights_only=True)
    del state[key]
    torch.save(state, path)
    assert f"{path}: damaged, it cannot be resumed (KeyError: '{key}')" in refused(train_command, "--resume", path)
