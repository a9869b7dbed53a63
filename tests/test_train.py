"""`train.py`: trainings, the files that they write, and resuming."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained, weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import test as test_command
import train as train_command


def test_training_writes_checkpoints_metrics_log_and_events(run):
    folder, out = train(run, "--set", "trainer.epochs=5")
    assert sorted(p.name for p in folder.iterdir()) == [
        *(f"checkpoint-epoch{n}.pth" for n in (3, 4, 5)),
        "config.json",
        "metrics.json",
        "ranks.json",
        "trained_model.pth",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    best = torch.load(folder / "trained_model.pth", weights_only=True)
    assert metrics.keys() >= {"t2v_metrics", "v2t_metrics"}
    assert metrics["split"] == "val" and metrics["leaky"] is False and metrics["seed"] == 0
    assert metrics["config"] == CONFIG and metrics["checkpoint"] == str(folder / "trained_model.pth")
    assert metrics["epoch"] == best["epoch"]
    environment = {"torch": torch.__version__, "numpy": np.__version__, "threads": torch.get_num_threads(), "processes": 1}
    assert metrics["environment"].items() >= environment.items()
    # The best epoch's own validation says the same as the evaluation of its checkpoint.
    for name, value in metrics["t2v_metrics"].items():
        assert value == pytest.approx(best["values"][f"val_t2v_metrics_{name}"]), name

    log = folder.parents[2] / "log" / folder.parent.name / folder.name
    assert "epoch 5/5" in out and "epoch 5/5" in (log / "info.log").read_text()
    assert "audio" in out and "rgb 24 (100.0%)" in out
    events = EventAccumulator(str(log)).Reload()
    scalars = set(events.Tags()["scalars"])
    assert scalars >= {"loss", "lr", "steps_per_second", "moe_weights/rgb", "moe_weights/audio", "val_t2v_metrics/R1"}
    assert [e.step for e in events.Scalars("loss")] == [1, 2, 3, 4, 5]
    assert "config/text_summary" in events.Tags()["tensors"]


def test_training_learns(run):
    """Captions and videos share latents, so that a model can learn; by chance, R@1 is 10 % of ten candidates."""
    folder, _ = train(run, "--set", "trainer.epochs=30", "--set", "trainer.save_period=30")
    assert json.loads((folder / "metrics.json").read_text())["t2v_metrics"]["R1"] > 40


def test_resuming_with_another_config_starts_another_run(run):
    first, _ = trained(run)
    kept = {p.name: p.read_bytes() for p in first.iterdir()}
    code, out, _ = run(train_command, "--resume", first / "checkpoint-epoch3.pth", "--set", "trainer.epochs=4")
    assert code == 0 and "epoch 4/4" in out and "epoch 3/4" not in out
    (second,) = set(MODELS.glob("*")) - {first}
    assert (second / "trained_model.pth").exists()
    assert {p.name: p.read_bytes() for p in first.iterdir()} == kept
    changes = ["--set", "optimizer.type=SGD", "--set", "optimizer.args.lr=0.5", "--set", "trainer.epochs=4"]
    code, out, _ = run(train_command, "--resume", first / "checkpoint-epoch3.pth", *changes)
    assert code == 0 and "start afresh" in out and "epoch 4/4" in out and "lr 5.00e-01" in out


def test_a_finished_training_has_nothing_left_to_train(run):
    folder, _ = trained(run)
    code, out, _ = run(train_command, "--resume", folder / "checkpoint-epoch3.pth")
    assert code == 0 and "nothing left to train" in out
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch3.pth", "--set", "seed=5")
    assert code == 2 and "epoch 3 is the last of trainer.epochs" in err


def test_seeds_are_all_run_and_summarised(run):
    folder, out = train(run, "--seeds", "3,5")
    runs = [json.loads((folder / f"seed-{seed}" / "metrics.json").read_text()) for seed in (3, 5)]
    assert [r["seed"] for r in runs] == [3, 5]
    summary = json.loads((folder / "summary.json").read_text())
    environments = [json.loads(path.read_text())["environment"] for path in folder.glob("*/metrics.json")]
    assert summary["environments"] == environments[:1]
    for direction in ("t2v_metrics", "v2t_metrics"):
        for name in runs[0][direction]:
            values = [r[direction][name] for r in runs]
            assert summary["mean"][direction][name] == pytest.approx(np.mean(values))
            assert summary["std"][direction][name] == pytest.approx(np.std(values, ddof=1))
    assert f"{summary['mean']['t2v_metrics']['R5']:.1f} ({summary['std']['t2v_metrics']['R5']:.1f})" in out
    single, _ = train(run, "--set", "seed=5")
    assert_equal_weights(folder / "seed-5" / "checkpoint-epoch3.pth", single / "checkpoint-epoch3.pth")
    assert not torch.equal(*(weights(folder / f"seed-{s}/trained_model.pth")["moe_fc.weight"] for s in (3, 5)))


def test_any_file_name_makes_a_name_for_the_experiment(run):
    path = Path("configs/toy/my new model.json")
    path.write_text(Path(CONFIG).read_text())
    code, _, err = run(train_command, "--config", path, "--train_single_epoch")
    assert code == 0, err
    (best,) = Path("data/saved/models/toy-my-new-model").glob("*/trained_model.pth")
    code, _, err = run(test_command, "--resume", best)
    assert code == 0, err


def test_debugging_flags(run):
    folder, out = train(run, "--train_single_epoch", "--mini_train", "--disable_workers")
    assert "epoch 1/1" in out and "train: 16 videos" in out and "val: 8 videos" in out
    assert (folder / "checkpoint-epoch1.pth").exists()


def test_workers_change_nothing(run, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)  # enough for workers
    alone, _ = train(run, "--set", "trainer.epochs=2")
    helped, _ = train(run, "--set", "trainer.epochs=2", "--set", "data_loader.args.num_workers=2")
    assert_equal_weights(alone / "checkpoint-epoch2.pth", helped / "checkpoint-epoch2.pth")


def test_early_stop_and_skipped_saves(run):
    options = ("trainer.epochs=9", "trainer.monitor=max epoch", "trainer.skip_first_n_saves=2", "trainer.save_period=4")
    folder, _ = train(run, *(x for option in options for x in ("--set", option)))
    assert {p.name for p in folder.glob("checkpoint*")} == {f"checkpoint-epoch{n}.pth" for n in (4, 8, 9)}
    assert torch.load(folder / "trained_model.pth", weights_only=True)["epoch"] == 9
    options = ("trainer.epochs=9", "trainer.monitor=min epoch", "trainer.early_stop=2", "trainer.save_period=9")
    folder, out = train(run, *(x for option in options for x in ("--set", option)))
    assert "stopped: epoch has not improved for 2 epochs" in out and "epoch 4/9" not in out
    assert torch.load(folder / "trained_model.pth", weights_only=True)["epoch"] == 1
    assert (folder / "checkpoint-epoch3.pth").exists()


def test_purging_deletes_only_this_experiment(run, refused):
    first, _ = trained(run)
    other = MODELS.parent / "toy-train-other"
    other.mkdir()
    assert "expected --yes" in refused(train_command, "--config", CONFIG, "--purge_exp_dir")
    kept = first / "checkpoint-epoch3.pth"
    assert kept.exists()
    code, _, err = run(train_command, "--config", CONFIG, "--purge_exp_dir", "--yes", "--set", "trainer.epochs=1")
    assert code == 0, err
    assert not kept.exists() and other.exists()
    assert len(list(MODELS.iterdir())) == len(list(Path("data/saved/log/toy-train-ce").iterdir())) == 1


def test_a_checkpoint_in_another_place_starts_another_run(run):
    first, _ = trained(run, "--set", "trainer.epochs=4")
    shutil.copy(first / "checkpoint-epoch3.pth", "elsewhere.pth")
    code, out, err = run(train_command, "--resume", "elsewhere.pth")
    assert code == 0, err
    (second,) = set(MODELS.glob("*")) - {first}
    assert_equal_weights(first / "checkpoint-epoch4.pth", second / "trained_model.pth")
    metrics = json.loads((second / "metrics.json").read_text())
    assert metrics["config"] == CONFIG and metrics["checkpoint"] == str(second / "trained_model.pth")


def test_a_run_that_stopped_early_stays_stopped(run):
    options = ("trainer.epochs=9", "trainer.monitor=min epoch", "trainer.early_stop=2")
    folder, _ = train(run, *(x for option in options for x in ("--set", option)))
    code, out, _ = run(train_command, "--resume", folder / "checkpoint-epoch3.pth")
    assert code == 0 and "stopped" in out and "epoch 4/9" not in out


def test_tf32_without_a_gpu_says_that_it_is_none(run):
    plain, out = trained(run)
    assert "tf32" not in out
    folder, out = train(run, "--set", "trainer.precision=tf32")
    assert "trainer.precision: tf32 is for GPUs, on a CPU it is fp32" in out
    assert_equal_weights(plain / "checkpoint-epoch3.pth", folder / "checkpoint-epoch3.pth")


def test_a_training_file_may_name_neither_unknown_nor_tested_videos_silently(run, workplace):
    folder = Path("data/Toy/symlinked-feats")
    names = [*workplace.lists["train_list.txt"], workplace.lists["test_list.txt"][0]]
    (folder / "some.txt").write_text("\n".join(names))
    settings = (
        "--config",
        CONFIG,
        "--set",
        "training_file=some.txt",
        "--set",
        "test_split=test",
        "--set",
        "trainer.epochs=1",
    )
    code, out, err = run(train_command, *settings)
    assert code == 0, err
    assert f"some.txt: 1 video for both training and evaluation, first '{names[-1]}'" in out
    (folder / "some.txt").write_text("\n".join([*names, "nobody"]))
    code, _, err = run(train_command, *settings)
    assert code == 2 and err.startswith(f"error: {folder}/some.txt: 'nobody' is in no other list of {folder}")
