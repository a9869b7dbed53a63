"""`test.py`: evaluations of a checkpoint, and the files that they write."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import CONFIG, train, trained
from helpers.ranking_pages import shown

import test as test_command
from base.checkpoint import load_checkpoint
from model.metric import t2v_metrics, v2t_metrics
from trainer import embedding, evaluation
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


def test_the_test_command_needs_only_a_checkpoint(run):
    folder, _ = trained(run)
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
    environment = load_checkpoint(folder / "trained_model.pth")["environment"]
    assert metrics["training_environment"] == environment == json.loads(str(kept["training_environment"]))
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
    folder, _ = trained(run)
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
    folder, _ = trained(run)
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
    monkeypatch.setattr(embedding, "MIB", 1)
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
