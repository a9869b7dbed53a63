"""Evaluation with a query bank, compared with normalization by hand, and what `test.py` and `train.py` report of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from helpers.commands import train, trained
from helpers.toy_archive import CONFIG

import test as test_command
from model.metric import t2v_metrics, v2t_metrics
from model.similarity import pairwise_similarity
from parse_config import ConfigParser
from trainer import embedding, evaluation, querybank_evaluation
from trainer.build import build_evaluation_loaders, build_model
from trainer.evaluation import evaluate, evaluation_settings
from trainer.querybank_evaluation import evaluate_with_querybank
from utils.errors import InputError
from utils.files import temporary_array

CPU = torch.device("cpu")
TASKS = ("t2v", "v2t")


@pytest.fixture
def setup(archive):
    """Return a config, a random model, and loaders of videos that have one or two captions."""
    for video in ("video1", "video5", "video24", "video30"):
        archive.text[video], archive.raw[video] = archive.text[video][:1], archive.raw[video][:1]
    archive.write()

    def setup(*overrides):
        config = ConfigParser(CONFIG, "test", overrides)
        torch.manual_seed(0)
        return config, build_model(config), build_evaluation_loaders(config, "val", CPU)

    return setup


def score_all(model, texts, videos, mode):
    """Return the similarities of all captions, or of averages per video, in one batch and all videos of another."""
    model.eval()
    with torch.no_grad():
        mask = texts["word_mask"]
        video = model.embed_video(videos["experts"], videos["ind"], videos["frame_masks"])
        text = model.embed_text(texts["text"], mask)
        sims, exists = pairwise_similarity(text, video), mask.any(-1)  # (N * K, V), (N, K)
        if mode == "indep":
            return sims.double().numpy(), exists.flatten().numpy()
        sims = sims.unflatten(0, exists.shape)
        return ((sims * exists[..., None]).sum(1) / exists.sum(1, keepdim=True)).double().numpy(), exists.any(1).numpy()


def normalized_by_hand(sims, bank, beta):
    """Return the scores (Q, G) by the dynamic inverted softmax."""
    hubs = set(bank.argmax(axis=1))
    corrected = np.exp(beta * sims) / np.exp(beta * bank).sum(axis=0)
    return np.array([corrected[q] if row.argmax() in hubs else row for q, row in enumerate(sims)])


@pytest.mark.parametrize("mode", ["indep", "avg"])
@pytest.mark.parametrize("in_files", [False, True])
def test_both_results_are_those_of_the_training_captions_and_videos_by_hand(setup, monkeypatch, mode, in_files):
    if in_files:
        monkeypatch.setattr(embedding, "MIB", 1)
    files = []
    monkeypatch.setattr(evaluation, "temporary_array", lambda shape: files.append(temporary_array(shape)) or files[-1])
    config, model, loaders = setup(
        "querybank.beta=5", f"arch.args.test_caption_mode={mode}", "data_loader.args.batch_size=32"
    )
    found = evaluate_with_querybank(model, config, loaders, None, CPU)
    assert bool(files) == in_files
    (bank,), (items,) = loaders.bank, loaders.evaluation
    assert bank["ids"] == [f"video{i}" for i in range(24)]
    plain, exists = score_all(model, items, items, mode)
    masks = exists.reshape(10, -1)
    captions, caption_exists = score_all(model, bank, items, mode)
    videos, _ = score_all(model, items, bank, mode)
    by_hand = {"t2v": normalized_by_hand(plain, captions[caption_exists], 5), "v2t": np.zeros_like(plain)}
    by_hand["v2t"][exists] = normalized_by_hand(plain[exists].T, videos[exists].T, 5).T
    assert found.normalized.metrics["t2v_metrics"] == pytest.approx(t2v_metrics(by_hand["t2v"], masks))
    assert found.normalized.metrics["v2t_metrics"] == pytest.approx(v2t_metrics(by_hand["v2t"], masks))
    first = by_hand["t2v"][exists].argsort(axis=1)[:, ::-1][:, :10]
    counts = np.bincount(first.flatten(), minlength=10)
    assert found.normalized.hubness["t2v"] == (0 if len(set(counts)) == 1 else pytest.approx(scipy.stats.skew(counts)))
    first = by_hand["v2t"][exists].argsort(axis=0)[::-1][:10]
    counts = np.bincount(first.flatten(), minlength=exists.sum())
    assert found.normalized.hubness["v2t"] == (0 if len(set(counts)) == 1 else pytest.approx(scipy.stats.skew(counts)))
    assert found.normalized.bank_size == {"t2v": 46 if mode == "indep" else 24, "v2t": 24}
    assert found.metrics == evaluate(model, loaders.evaluation, device=CPU, **evaluation_settings(config)).metrics


def newest_metrics():
    path = max(Path("data/saved/log/toy-train-ce").glob("*/metrics.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(path.read_text())


def evaluated(run, *arguments):
    """Evaluate the model of the only run, and return `metrics.json` and standard output."""
    (path,) = Path("data/saved/models/toy-train-ce").glob("*/trained_model.pth")
    code, out, err = run(test_command, "--resume", path, *arguments)
    assert code == 0, err
    return newest_metrics(), out


def test_the_bank_adds_its_results_and_changes_no_other(run):
    trained(run)
    plain, out = evaluated(run, "--split", "test")
    assert "querybank" not in json.dumps(plain) and "query bank" not in out
    assert f"first 10): t2v {plain['hubness']['t2v']:.2f}, v2t {plain['hubness']['v2t']:.2f}" in out
    found, out = evaluated(run, "--split", "test", "--querybank")
    rows = [line.split()[0] for line in out.splitlines() if line.lstrip().startswith(TASKS)]
    assert rows == ["t2v", "t2v_querybank", "v2t", "v2t_querybank"]
    about = found.pop("querybank")
    assert {key: about[key] for key in about if key != "hubness"} == {
        "method": "dynamic", "beta": {"t2v": 20, "v2t": 20}, "beta_chosen_on": None, "captions": 48, "videos": 24,
    }  # fmt: skip
    assert about["hubness"].keys() == {"t2v", "v2t"}
    for task in TASKS:
        assert found.pop(f"{task}_querybank_metrics").keys() == found[f"{task}_metrics"].keys()
    assert found == plain


def test_beta_is_the_best_one_on_the_split_that_the_training_was_validated_on(run, monkeypatch):
    monkeypatch.setattr(querybank_evaluation, "BETAS", betas := (20.0, 2.0, 5.0, 50.0))
    trained(run)
    found, out = evaluated(run, "--split", "test", "--querybank", "val")
    assert found["querybank"]["beta_chosen_on"] == "val" and "(chosen on val)" in out
    best = {}
    for split in ("val", "test"):
        results = {beta: evaluated(run, "--split", split, "--querybank", f"{beta:g}")[0] for beta in betas}
        for task in TASKS:
            quality = {x: values[f"{task}_querybank_metrics"]["geometric_mean_R1-R5-R10"] for x, values in results.items()}
            best[split, task] = max(quality, key=quality.get)
    assert found["querybank"]["beta"] == {task: best["val", task] for task in TASKS}
    assert best["val", "v2t"] != best["test", "v2t"]  # otherwise this test could not fail
    for task in TASKS:
        assert found[f"{task}_querybank_metrics"] == results[best["val", task]][f"{task}_querybank_metrics"]


def test_a_training_whose_config_asks_for_it_reports_it_for_each_seed(run):
    options = ("--set", "querybank.choose_beta=true", "--set", "test_split=test", "--set", "trainer.epochs=1")
    folder, out = train(run, *options, "--seeds", "0,1")
    metrics = [json.loads((folder / f"seed-{seed}/metrics.json").read_text()) for seed in (0, 1)]
    mean = json.loads((folder / "summary.json").read_text())["mean"]
    for name in ("t2v_metrics", "t2v_querybank_metrics", "v2t_metrics", "v2t_querybank_metrics"):
        assert mean[name]["MeanR"] == pytest.approx(np.mean([x[name]["MeanR"] for x in metrics]))
    assert metrics[0]["querybank"]["beta_chosen_on"] == "val"
    code, _, err = run(test_command, "--resume", folder / "seed-0/trained_model.pth")
    assert code == 0, err
    assert newest_metrics()["t2v_querybank_metrics"] == metrics[0]["t2v_querybank_metrics"]  # the checkpoint asks for it too


def test_a_video_that_is_evaluated_is_no_part_of_the_bank(run, workplace, archive):
    trained(run)
    both = workplace.lists["train_list.txt"][:3]
    (workplace.folder / "test_list.txt").write_text("\n".join([*both, *workplace.lists["test_list.txt"]]))
    found, out = evaluated(run, "--split", "test", "--querybank")
    assert (found["videos"], found["querybank"]["videos"], found["querybank"]["captions"]) == (13, 21, 42)
    assert "3 videos left out of the query bank" in out


def test_the_rule_for_ties_holds_for_normalized_similarities_too(run, workplace):
    for video in workplace.ids:  # each caption twice
        workplace.text[video][1], workplace.raw[video][1] = workplace.text[video][0], workplace.raw[video][0]
    workplace.write()
    trained(run)
    expected, published = (evaluated(run, "--querybank", "--set", f"v2t_ties={x}")[0] for x in ("expected", "published"))
    assert published["v2t_querybank_metrics"]["R1"] == 0 < expected["v2t_querybank_metrics"]["R1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--querybank", "0"), "querybank.beta: found 0, input should be greater than or equal to 0.001"),
        (("--querybank", "NaN"), "querybank.beta: found nan"),
        (("--querybank", "Infinity"), "querybank.beta: found inf"),
        (("--querybank", "validation"), "querybank.beta: found 'validation', input should be a valid number"),
        (("--querybank", "true"), "querybank.beta: found True, input should be a valid number"),
        (("--set", "querybank.method=softmax"), "querybank.method: found 'softmax', input should be 'dynamic'"),
        (("--set", "querybank.size=5"), "querybank.size: unknown key"),
        (("--querybank", "--similarity", "paired-2019"), "querybank: found with arch.args.similarity paired-2019"),
        (("--querybank", "val"), "querybank.choose_beta: split 'val' shares 10 videos with what is evaluated"),
    ],
)
def test_bad_input_is_one_line(refused, run, arguments, message):
    folder, _ = trained(run)
    assert message in refused(test_command, "--resume", folder / "trained_model.pth", "--split", "val", *arguments)


def test_a_number_counts_where_the_config_would_choose_beta(run):
    folder, _ = train(run, "--set", "test_split=test", "--set", "querybank.choose_beta=true")
    assert json.loads((folder / "metrics.json").read_text())["querybank"]["beta_chosen_on"] == "val"
    path = folder / "trained_model.pth"
    for options, chosen_on, beta in ((["--querybank", "7"], None, 7), (["--querybank"], "val", None)):
        before = set(Path("data/saved/log/toy-train-ce").glob("*/metrics.json"))
        assert run(test_command, "--resume", path, *options)[0] == 0
        (new,) = set(Path("data/saved/log/toy-train-ce").glob("*/metrics.json")) - before
        found = json.loads(new.read_text())["querybank"]
        assert found["beta_chosen_on"] == chosen_on and (beta is None or found["beta"] == {"t2v": beta, "v2t": beta})


def test_beta_is_not_chosen_on_what_is_evaluated(run):
    folder, out = train(run, "--set", "querybank.choose_beta=true", "--set", "querybank.beta=7")
    cannot = "querybank: beta 7, which cannot be chosen: split 'val' shares 10 videos with what is evaluated"
    assert cannot in out
    about = json.loads((folder / "metrics.json").read_text())["querybank"]
    assert (about["beta"], about["beta_chosen_on"]) == ({"t2v": 7, "v2t": 7}, None)
    assert cannot in evaluated(run, "--split", "val")[1]


def test_csls_has_no_beta_to_choose(run):
    trained(run)
    arguments = ("--split", "test", "--set", "querybank.method=csls", "--querybank")
    given, chosen = (evaluated(run, *arguments, beta)[0] for beta in ("20", "val"))
    assert given == chosen and chosen["querybank"]["beta_chosen_on"] is chosen["querybank"]["beta"] is None


def test_without_a_validation_split_beta_is_not_chosen(run, refused, workplace):
    folder, _ = train(run, "--set", "querybank.choose_beta=true", "--set", "test_split=test")
    (workplace.folder / "val_list.txt").unlink()
    found, out = evaluated(run)
    assert "querybank: beta 20, which cannot be chosen: " in out and "val_list.txt" in out
    assert found["querybank"]["beta"] == {"t2v": 20, "v2t": 20}
    assert "val_list.txt" in refused(test_command, "--resume", folder / "trained_model.pth", "--querybank", "val")


def test_without_a_number_beta_is_that_of_the_config(run):
    trained(run)
    found, _ = evaluated(run, "--split", "test", "--querybank", "--set", "querybank.beta=7")
    assert found["querybank"]["beta"] == {"t2v": 7, "v2t": 7}


def test_a_bank_needs_videos_that_are_not_evaluated_and_beta_those_that_are_not_in_the_bank(refused, run, workplace):
    folder, _ = trained(run)
    path, lists = folder / "trained_model.pth", workplace.lists
    (workplace.folder / "train_list.txt").write_text("\n".join([*lists["train_list.txt"], lists["val_list.txt"][4]]))
    message = refused(test_command, "--resume", path, "--split", "test", "--querybank", "val")
    assert "querybank.choose_beta: split 'val' shares 1 video with the query bank, first 'video28'" in message
    (workplace.folder / "train_list.txt").write_text("\n".join(lists["val_list.txt"]))
    message = refused(test_command, "--resume", path, "--split", "val", "--querybank")
    assert "10 videos to train on, all evaluated too, expected others for a query bank" in message


def test_nan_of_a_training_caption_names_the_bank(setup):
    config, model, loaders = setup("querybank.beta=5", "data_loader.args.batch_size=32")
    (bank,) = loaders.bank
    bank["text"][3, 1, 0] = np.inf
    loaders.bank = [bank]
    with pytest.raises(InputError, match="^query bank of training captions: metrics: .* NaN or inf, first in row 7$"):
        evaluate_with_querybank(model, config, loaders, None, CPU)


def test_the_bank_and_the_evaluation_share_the_memory(setup, monkeypatch):
    config, model, loaders = setup("querybank.beta=5", "evaluation_memory=64")
    used = []
    for name in ("embed_split", "compute_similarities"):
        original = getattr(querybank_evaluation, name)
        monkeypatch.setattr(querybank_evaluation, name, lambda *a, f=original: used.append(a[-1]) or f(*a))
    evaluate_with_querybank(model, config, loaders, None, CPU)
    assert used == [32, 32, 32]
