"""The commands as people type them: what they write, and how they go on."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import CONFIG, MODELS, assert_equal_weights, train, weights
from conftest import ROOT
from ranking import shown
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import test as test_command
import train as train_command
from base.checkpoint import load_checkpoint
from model.metric import t2v_metrics, v2t_metrics
from model.model import CENet
from trainer import evaluation
from utils.files import temporary_array


def assert_close(one, other):
    """Compare nested contents of pages: numbers up to the rounding of products of other sizes, all else exactly."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for x, y in zip(one, other, strict=True):
            assert_close(x, y)
    else:
        assert one == (pytest.approx(other, abs=1.1e-4) if isinstance(other, float) else other)


def test_training_writes_checkpoints_metrics_log_and_events(run):
    folder, out = train(run, "--set", "trainer.epochs=5")
    assert sorted(p.name for p in folder.iterdir()) == [
        *(f"checkpoint-epoch{n}.pth" for n in (3, 4, 5)),
        "config.json",
        "metrics.json",
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
    """Latents are shared by captions and videos: ten candidates, chance 10 %."""
    folder, _ = train(run, "--set", "trainer.epochs=30", "--set", "trainer.save_period=30")
    assert json.loads((folder / "metrics.json").read_text())["t2v_metrics"]["R1"] > 40


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(run, monkeypatch):
    whole, _ = train(run, "--set", "arch.args.randomise_feats=scene")  # noise: the random state matters too

    def interrupt(self, epoch, *args):
        if epoch == 2:
            raise KeyboardInterrupt
        return original(self, epoch, *args)

    original = train_command.Trainer._train_epoch
    monkeypatch.setattr(train_command.Trainer, "_train_epoch", interrupt)
    code, out, err = run(train_command, "--config", CONFIG, "--set", "arch.args.randomise_feats=scene")
    assert code == 130
    (part,) = set(MODELS.glob("*")) - {whole}
    assert f"--resume {part}/checkpoint-epoch1.pth" in out
    monkeypatch.setattr(train_command.Trainer, "_train_epoch", original)

    code, _, err = run(train_command, "--resume", part / "checkpoint-epoch1.pth")
    assert code == 0, err
    assert set(MODELS.glob("*")) == {whole, part}  # it went on in its own folder
    for name in ("checkpoint-epoch3.pth", "trained_model.pth"):
        assert_equal_weights(whole / name, part / name)
    states = [torch.load(folder / "checkpoint-epoch3.pth", weights_only=True) for folder in (whole, part)]
    assert states[0]["monitor_best"] == states[1]["monitor_best"]
    assert states[0]["lr_scheduler"]["last_epoch"] == states[1]["lr_scheduler"]["last_epoch"] == 3
    moments = [state["optimizer"]["state"][0]["exp_avg"] for state in states]
    assert torch.equal(*moments)


def test_resuming_with_another_config_starts_another_run(run):
    first, _ = train(run)
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
    folder, _ = train(run)
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


def test_workers_change_nothing(run):
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


@pytest.mark.parametrize(
    "option",
    [
        "optimizer={'type': 'SGD', 'args': {'lr': 0.1}}",
        "lr_scheduler={'type': 'ReduceLROnPlateau', 'args': {'patience': 0, 'mode': 'max'}}",
        "arch.args.use_ce=false",
    ],
)
def test_any_torch_optimiser_schedule_and_variant_trains_and_resumes(run, option):
    path = Path(CONFIG)
    config = json.loads(path.read_text())
    key, _, value = option.partition("=")
    if "." not in key:
        config[key] = json.loads(value.replace("'", '"'))
        path.write_text(json.dumps(config))
        option = "seed=0"
    folder, _ = train(run, "--set", option)
    code, out, err = run(train_command, "--resume", folder / "checkpoint-epoch2.pth")
    assert code == 0, err
    assert "epoch 3/3" in out


def test_the_test_command_needs_a_checkpoint_alone(run):
    folder, _ = train(run)
    code, out, err = run(test_command, "--resume", folder / "trained_model.pth", "--split", "test", "--save_sims", "s.npz")
    assert code == 0, err
    assert "Toy, test: 10 videos, 20 captions" in out and "scene" in out and "t2v" in out and "v2t" in out
    (path,) = Path("data/saved/log/toy-train-ce").glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert metrics["split"] == "test" and metrics["checkpoint"] == str(folder / "trained_model.pth")
    kept = np.load("s.npz")
    assert kept["split"] == "test" and not kept["leaky"]
    assert metrics["t2v_metrics"] == pytest.approx(t2v_metrics(kept["sims"], kept["query_masks"]))
    ids = Path("data/Toy/symlinked-feats/test_list.txt").read_text().split()
    assert kept["video_ids"].tolist() == ids
    assert kept["caption_ids"].tolist() == [f"{video}#{k}" for video in ids for k in range(2)]
    assert kept["sims"].shape == (20, 10)
    trained = load_checkpoint(folder / "trained_model.pth")["environment"]
    assert metrics["training_environment"] == trained == json.loads(str(kept["training_environment"]))
    assert metrics["environment"] == json.loads(str(kept["environment"])) and metrics["environment"]["torch"]


def without_words(archive, *captions):
    """Take the words of some captions (video, number) out of the archive."""
    for video, number in captions:
        archive.text[video][number] = archive.text[video][number][:0]
        archive.raw[video][number] = []
    archive.write()


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("data_loader.args.num_test_captions=2", ["a#1", "", "b#0", "b#1", "c#0", "c#2"]),
        ("data_loader.args.fuse_captions=true", ["a", "b", "c"]),
        ("arch.args.test_caption_mode=avg", ["a", "b", "c"]),
    ],
)
def test_ids_of_captions_are_those_of_the_file(run, workplace, option, expected):
    """Captions without a word are left out; the names of the others do not change with that."""
    a, b, c = workplace.lists["test_list.txt"][:3]
    workplace.lists["test_list.txt"] = [a, b, c]
    workplace.text[c].append(workplace.text[c][0])
    workplace.raw[c].append(workplace.raw[c][0])
    without_words(workplace, (a, 0), (c, 1))
    folder, _ = train(run)
    arguments = ("--split", "test", "--save_sims", "s.npz", "--set", option)
    code, _, err = run(test_command, "--resume", folder / "trained_model.pth", *arguments)
    assert code == 0, err
    names = {"a": a, "b": b, "c": c}
    found = np.load("s.npz")["caption_ids"].tolist()
    assert found == [x and names[x[0]] + x[1:] for x in expected]


def test_the_published_rule_for_ties_can_be_asked_for_and_results_say_which_was_used(run, workplace):
    for video in workplace.ids:  # each caption twice
        workplace.text[video][1], workplace.raw[video][1] = workplace.text[video][0], workplace.raw[video][0]
    workplace.write()
    folder, _ = train(run)
    found = {}
    for ties in ("expected", "published"):
        option = ("--set", f"v2t_ties={ties}")
        arguments = ("--resume", folder / "trained_model.pth", "--save_sims", "s.npz", *option)
        code, _, err = run(test_command, *arguments)
        assert code == 0, err
        newest = max(Path("data/saved/log/toy-train-ce").glob("*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
        found[ties] = json.loads(newest.read_text())
        kept = np.load("s.npz")
        assert found[ties]["v2t_ties"] == ties
        assert found[ties]["v2t_metrics"] == pytest.approx(v2t_metrics(kept["sims"], kept["query_masks"], ties))
    assert found["published"]["v2t_metrics"]["R1"] == 0 < found["expected"]["v2t_metrics"]["R1"]
    assert found["published"]["t2v_metrics"] == found["expected"]["t2v_metrics"]


def test_evaluation_memory_changes_where_similarities_are_but_nothing_else(run, monkeypatch):
    page = ("--set", "visualizer.type=Visualizer", "--set", "visualizer.args={}")
    monkeypatch.setattr(evaluation, "MIB", 1)
    files = []
    monkeypatch.setattr(evaluation, "temporary_array", lambda shape: files.append(temporary_array(shape)) or files[-1])
    found = []
    for memory, num_files in ((1 << 30, 0), (1, 3 + 1)):
        folder, _ = train(run, *page, "--set", f"evaluation_memory={memory}")
        assert len(files) == num_files  # three epochs and the test
        option = ("--set", f"evaluation_memory={memory}", "--save_sims", "s.npz")
        code, _, err = run(test_command, "--resume", folder / "trained_model.pth", "--split", "test", *option)
        assert code == 0, err
        pages = [shown(x) for x in sorted(Path("data/saved/web/toy-train-ce").iterdir())]
        about = [json.loads(x.read_text()) for x in sorted(Path("data/saved").glob("*/toy-train-ce/*/metrics.json"))]
        found.append(([{**x, "checkpoint": None, "validation": None} for x in about], pages, dict(np.load("s.npz"))))
        shutil.rmtree("data/saved")
        files.clear()
    (metrics, pages, sims), (metrics_of_file, pages_of_file, sims_of_file) = found
    assert metrics == metrics_of_file and len(metrics) == 2
    assert len(pages) == 2
    for page, page_of_file in zip(pages, pages_of_file, strict=True):
        assert_close(page, page_of_file)
    np.testing.assert_allclose(sims.pop("sims"), sims_of_file.pop("sims"), rtol=1e-5, atol=1e-6)
    for name in ("query_masks", "video_ids", "caption_ids", "split", "leaky"):
        assert np.array_equal(sims[name], sims_of_file[name])


def test_eval_config_names_the_data_to_test_on(run):
    evaluation = {"inherit_from": CONFIG, "data_loader": {"args": {"split_name": "test", "num_test_captions": 1}}}
    Path("configs/toy/eval-ce.json").write_text(json.dumps(evaluation))
    folder, out = train(run, "--set", "eval_config=configs/toy/eval-ce.json")
    assert "Toy, test: 10 videos, 20 captions" in out
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["split"] == "test" and "val_t2v_metrics_R1" in metrics["validation"]
    best = folder / "trained_model.pth"
    code, out, _ = run(test_command, "--resume", best, "--config", "configs/toy/eval-ce.json")
    assert code == 0 and "Toy, test: 10 videos, 10 captions" in out
    assert list(Path("data/saved/log/toy-eval-ce").glob("*/metrics.json"))
    bare = json.loads(Path(CONFIG).read_text())
    del bare["trainer"], bare["optimizer"], bare["loss"], bare["lr_scheduler"]
    Path("configs/toy/bare.json").write_text(json.dumps(bare))
    code, out, _ = run(test_command, "--resume", best, "--config", "configs/toy/bare.json")
    assert code == 0 and "Toy, val: 10 videos" in out
    Path("configs/toy/eval-ce.json").unlink()  # the checkpoint remembers the split
    code, out, _ = run(test_command, "--resume", best, "--set", "data_loader.args.num_test_captions=1")
    assert code == 0 and "Toy, test: 10 videos, 10 captions" in out
    code, out, _ = run(test_command, "--resume", best, "--set", "data_loader.args.split_name=val")
    assert code == 0 and "Toy, val: 10 videos" in out


def test_the_leaky_similarity_marks_what_it_writes(run):
    folder, out = train(run, "--set", "arch.args.similarity=paired-2019")
    assert json.loads((folder / "metrics.json").read_text())["leaky"] is True
    assert out.index("LEAKY") < out.index("epoch 1/3")
    code, out, _ = run(test_command, "--resume", folder / "trained_model.pth", "--set", "arch.args.similarity=pairwise")
    assert code == 0 and "LEAKY" not in out


def test_purging_deletes_this_experiment_alone(run, refused):
    first, _ = train(run)
    other = MODELS.parent / "toy-train-other"
    other.mkdir()
    assert "expected --yes" in refused(train_command, "--config", CONFIG, "--purge_exp_dir")
    kept = first / "checkpoint-epoch3.pth"
    assert kept.exists()
    code, _, err = run(train_command, "--config", CONFIG, "--purge_exp_dir", "--yes", "--set", "trainer.epochs=1")
    assert code == 0, err
    assert not kept.exists() and other.exists()
    assert len(list(MODELS.iterdir())) == len(list(Path("data/saved/log/toy-train-ce").iterdir())) == 1


@pytest.mark.slow
def test_control_c_ends_a_training_with_word_of_how_to_go_on(workplace):
    command = [sys.executable, "-u", ROOT / "train.py", "--config", CONFIG, "--set", "trainer.epochs=100000"]
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # even where CI ignores it
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heeding)
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    *_, checkpoint = next(line for line in out.splitlines() if "--resume" in line).split()
    assert torch.load(checkpoint, weights_only=True)["epoch"] >= 2


def test_a_checkpoint_in_another_place_starts_another_run(run):
    first, _ = train(run, "--set", "trainer.epochs=4")
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
    plain, out = train(run)
    assert "tf32" not in out
    folder, out = train(run, "--set", "trainer.precision=tf32")
    assert "trainer.precision: tf32 is for GPUs, on a CPU it is fp32" in out
    assert_equal_weights(plain / "checkpoint-epoch3.pth", folder / "checkpoint-epoch3.pth")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch, to itself
def test_a_compiled_model_trains_to_the_same_figures(run, monkeypatch):
    """Without the code generator, which takes a compiler: what is traced is what is run."""
    asked = []

    def compiled(net):
        asked.append(net)
        torch.nn.Module.compile(net, backend="aot_eager")

    monkeypatch.setattr(CENet, "compile", compiled)
    plain, _ = train(run)
    assert not asked
    folder, _ = train(run, "--set", "trainer.compile=true")
    assert len(asked) == 1
    expected, found = (json.loads((x / "metrics.json").read_text()) for x in (plain, folder))
    assert found["t2v_metrics"] == pytest.approx(expected["t2v_metrics"])
    one, other = (weights(x / "checkpoint-epoch3.pth") for x in (plain, folder))
    torch.testing.assert_close(other, one, rtol=1e-3, atol=1e-4)
