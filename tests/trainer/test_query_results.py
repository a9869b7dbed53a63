"""Results per query of `test.py` and `train.py`: several relevant items, confidence, ranks and files for trec_eval."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from helpers.commands import CONFIG, train, trained

import test as test_command
import train as train_command
from base.query_ranks import QueryRanks
from model.confidence import rank_intervals
from model.metric import summarize, t2v_ranks, v2t_ranks
from model.relevance import evaluate_relevance

TASKS = ("t2v", "v2t")


@pytest.fixture
def evaluate(run):
    """Train once, evaluate the model on its test split, and return `metrics.json`, `ranks.json` and the output."""

    def evaluate(*arguments):
        folder, _ = trained(run)
        before = set(Path("data/saved/log/toy-train-ce").glob("*/metrics.json"))
        code, out, err = run(test_command, "--resume", folder / "trained_model.pth", "--split", "test", *arguments)
        assert code == 0, err
        (path,) = set(Path("data/saved/log/toy-train-ce").glob("*/metrics.json")) - before
        return json.loads(path.read_text()), QueryRanks.read(path.with_name("ranks.json")), out

    return evaluate


def share_captions(archive, *groups):
    """Give the captions (video, number) of each group the text of the first one."""
    for group in groups:
        for video, number in group:
            archive.raw[video][number] = archive.raw[group[0][0]][group[0][1]]
    archive.write()


def test_equal_captions_make_their_videos_relevant_for_each_other(evaluate, workplace):
    a, b, c = ids = workplace.lists["test_list.txt"][:3]
    share_captions(workplace, [(a, 0), (b, 1)], [(b, 0), (c, 0), (a, 1)])
    for video in workplace.lists["test_list.txt"][3:]:
        for k in range(2):
            workplace.raw[video][k] = [f"{video} {k}"]
    workplace.raw[c][1] = ["other"]
    workplace.write()
    metrics, _, out = evaluate("--qrels", "--save_sims", "s.npz")
    kept = np.load("s.npz")
    truth = np.repeat(np.eye(10), 2, axis=0)
    for row, videos in ((0, (0, 1)), (3, (0, 1)), (2, (0, 1, 2)), (4, (0, 1, 2)), (1, (0, 1, 2))):
        truth[row, list(videos)] = 1
    for task in TASKS:
        assert metrics[f"{task}_relevance_metrics"] == pytest.approx(evaluate_relevance(kept["sims"], truth, task))
    assert "qrels: 5 of 20 captions have several relevant videos\n" in out and "t2v_relevance" in out and "nDCG@10" in out
    assert ids == kept["video_ids"].tolist()[:3]


def test_qrels_of_a_file_are_used_in_both_directions(evaluate, workplace):
    a, b = workplace.lists["test_list.txt"][:2]
    Path("my.qrels").write_text(f"{a}#0 0 {b} 2\n{a}#0 0 {a} 1\n{b}#1 0 {b} 1\nelsewhere#0 0 x 1\n{b}#0 0 {a} 0\n")
    metrics, _, out = evaluate("--qrels", "my.qrels", "--save_sims", "s.npz")
    truth = np.zeros((20, 10))
    truth[0, :2], truth[3, 1] = (1, 2), 1
    for task in TASKS:
        expected = evaluate_relevance(np.load("s.npz")["sims"], truth, task)
        assert metrics[f"{task}_relevance_metrics"] == pytest.approx(expected)
    assert "qrels: 1 of 20 captions have several relevant videos, 18 have none and are left out" in out


@pytest.mark.parametrize("averaged", [False, True])
def test_a_row_of_all_captions_of_a_video_has_what_is_relevant_for_any(evaluate, workplace, averaged):
    a, b = workplace.lists["test_list.txt"][:2]
    Path("my.qrels").write_text(f"{a}#0 0 {b} 3\n{a}#1 0 {b} 1\n{b}#0 0 {b} 1\n")
    mode = "avg" if averaged else "indep"
    option = ("--set", f"arch.args.test_caption_mode={mode}", "--save_trec", "trec")
    _, ranks, _ = evaluate("--qrels", "my.qrels", *option)
    expected = f"{a} 0 {b} 3\n{b} 0 {b} 1\n" if averaged else f"{a}#0 0 {b} 3\n{a}#1 0 {b} 1\n{b}#0 0 {b} 1\n"
    assert Path("trec/t2v.qrels").read_text() == expected
    assert ranks.captions[:2] == ([a, b] if averaged else [f"{a}#0", f"{a}#1"])
    assert ranks.texts[0] == " / ".join(" ".join(x) for x in (workplace.raw[a] if averaged else workplace.raw[a][:1]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x#0 0 y 1\n", "my.qrels: no caption of the split"),
        (b"{a}#0 0 y 1\n", "my.qrels: relevant videos that are not in the split: 'y'"),
        (b"{a}#0 0 {a} 0\n", "my.qrels: no relevant video of the split"),
        (b"nonsense\n", "my.qrels, line 1: found 'nonsense'"),
        (None, "my.qrels: No such file"),
    ],
)
def test_qrels_that_cannot_be_used_are_refused_before_training_and_evaluation(refused, workplace, content, message):
    if content is not None:
        a = workplace.lists["val_list.txt"][0].encode()
        Path("my.qrels").write_bytes(content.replace(b"{a}", a))
    assert message in refused(train_command, "--config", CONFIG, "--set", "qrels=my.qrels")


def test_without_texts_equal_captions_cannot_be_asked_for(refused, workplace):
    workplace.dump("raw-captions.pkl", {})
    assert "the text of captions is unknown" in refused(train_command, "--config", CONFIG, "--set", "qrels=true")


def test_a_training_reports_what_its_config_asks_for(run):
    options = [word for x in ("qrels=true", "confidence=90", "querybank.beta=20") for word in ("--set", x)]
    folder, out = train(run, *options)
    metrics, ranks = json.loads((folder / "metrics.json").read_text()), QueryRanks.read(folder / "ranks.json")
    assert metrics["confidence"]["level"] == 90 and "below each metric: its 90 % confidence interval" in out
    names = [name for name in metrics if name.endswith("_metrics")]
    assert len(names) == 8 and [*metrics["confidence"]][1:] == names
    for name in names:
        assert metrics["confidence"][name].keys() == metrics[name].keys()
        assert all(low <= metrics[name][x] + 1e-9 for x, (low, _) in metrics["confidence"][name].items() if x != "MedR")
        assert all(high >= metrics[name][x] - 1e-9 for x, (_, high) in metrics["confidence"][name].items() if x != "MedR")
    for task in TASKS:
        assert summarize(np.array(ranks.ranks[task])) == pytest.approx(metrics[f"{task}_metrics"])
        assert summarize(np.array(ranks.ranks[f"{task}_querybank"])) == pytest.approx(metrics[f"{task}_querybank_metrics"])
        owners = np.array(ranks.owners) if task == "t2v" else np.arange(10)
        expected = rank_intervals(np.array(ranks.ranks[task]), owners, 90)
        assert {x: tuple(y) for x, y in metrics["confidence"][f"{task}_metrics"].items()} == expected


def test_the_query_bank_has_these_metrics_too(evaluate, workplace):
    """If only its own video is relevant for a caption, R@k and MRR are those of the ranks."""
    ids = workplace.lists["test_list.txt"]
    Path("own.qrels").write_text("".join(f"{video}#{k} 0 {video} 1\n" for video in ids for k in range(2)))
    metrics, ranks, _ = evaluate("--qrels", "own.qrels", "--querybank", "--confidence")
    for task in TASKS:
        normalized = metrics[f"{task}_querybank_relevance_metrics"]
        assert {k: normalized[k] for k in ("R1", "R5")} == {k: metrics[f"{task}_querybank_metrics"][k] for k in ("R1", "R5")}
        assert normalized["MRR"] == pytest.approx((100 / (1 + np.array(ranks.ranks[f"{task}_querybank"]))).mean())
        assert metrics["confidence"][f"{task}_querybank_relevance_metrics"].keys() == normalized.keys()
        assert normalized != metrics[f"{task}_relevance_metrics"]


def test_without_a_switch_nothing_is_added(evaluate, workplace):
    metrics, ranks, out = evaluate("--save_sims", "s.npz")
    assert not {"confidence", "t2v_relevance_metrics"} & metrics.keys() and "nDCG" not in out and "interval" not in out
    kept = np.load("s.npz")
    assert ranks.ranks == {"t2v": t2v_ranks(kept["sims"]).tolist(), "v2t": v2t_ranks(kept["sims"]).tolist()}
    assert ranks.captions == kept["caption_ids"].tolist() and ranks.videos == kept["video_ids"].tolist()
    assert ranks.owners == [i // 2 for i in range(20)]
    assert ranks.texts == [" ".join(words) for video in ranks.videos for words in workplace.raw[video]]
    shared = ("config", "checkpoint", "seed", "split", "leaky", "v2t_ties")
    assert {key: getattr(ranks, key) for key in shared} == {key: metrics[key] for key in shared}


def test_captions_that_do_not_exist_are_not_in_the_files(evaluate, workplace):
    a = workplace.lists["test_list.txt"][0]
    workplace.text[a], workplace.raw[a] = workplace.text[a][:1], workplace.raw[a][:1]
    workplace.write()
    metrics, ranks, _ = evaluate("--qrels", "--confidence", "--save_trec", "trec", "--save_sims", "s.npz")
    assert len(ranks.captions) == 19 and ranks.owners[:3] == [0, 1, 1] and metrics["confidence"]["level"] == 95
    run = {task: pytrec_eval.parse_run(io.StringIO(Path(f"trec/{task}.run").read_text())) for task in TASKS}
    assert len(run["t2v"]) == 19 and all(len(items) == 10 for items in run["t2v"].values())
    assert len(run["v2t"]) == 10 and all(len(items) == 19 for items in run["v2t"].values())
    kept = np.load("s.npz")
    scores = dict(zip(kept["video_ids"].tolist(), kept["sims"][2].tolist(), strict=True))
    assert run["t2v"][kept["caption_ids"][2]] == pytest.approx(scores, rel=1e-8)


def test_trec_eval_agrees_on_the_files(evaluate, workplace):
    share_captions(workplace, [(workplace.lists["test_list.txt"][i], 0) for i in (0, 4, 5)])
    metrics, _, _ = evaluate("--qrels", "--save_trec", "new/trec")
    for task in TASKS:
        qrels = pytrec_eval.parse_qrel(io.StringIO(Path(f"new/trec/{task}.qrels").read_text()))
        run = pytrec_eval.parse_run(io.StringIO(Path(f"new/trec/{task}.run").read_text()))
        assert max(map(len, qrels.values())) >= 3
        found = pytrec_eval.RelevanceEvaluator(qrels, {"map", "ndcg_cut.10", "recip_rank", "success.5"}).evaluate(run)
        for measure, name in (("map", "mAP"), ("ndcg_cut_10", "nDCG10"), ("recip_rank", "MRR"), ("success_5", "R5")):
            mean = np.mean([values[measure] for values in found.values()])
            assert metrics[f"{task}_relevance_metrics"][name] == pytest.approx(100 * mean), name
        lines = [line.split() for line in Path(f"new/trec/{task}.run").read_text().splitlines()]
        assert {line[5] for line in lines} == {"toy-train-ce"} and [int(line[3]) for line in lines[:3]] == [1, 2, 3]
        scores = [float(line[4]) for line in lines[:10]]
        assert scores == sorted(scores, reverse=True)


def test_a_file_in_place_of_the_folder_is_refused(refused):
    Path("trec").write_text("")
    assert "--save_trec trec: expected a folder" in refused(test_command, "--resume", "x.pth", "--save_trec", "trec")


@pytest.mark.parametrize("level", ["0", "100", "x"])
def test_a_level_that_is_none_is_refused(refused, level):
    assert "confidence: found" in refused(train_command, "--config", CONFIG, "--set", f"confidence={level}")
