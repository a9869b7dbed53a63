"""Runs to compare, found by the paths on the command line."""

import numpy as np
import pytest
from helpers.compared_runs import MODELS, write_experiment, write_run

from misc.reporting.run_groups import SCORES, check_distinct, read_groups
from model.metric import summarize
from utils.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refusal(*arguments, **options):
    with pytest.raises(InputError) as refused:
        read_groups(list(map(str, arguments)), **options)
    return str(refused.value)


def test_a_group_is_an_experiment_a_run_its_seeds_a_file_or_several_of_them():
    experiment = write_experiment("ce")
    run = experiment / "2026-11-26_10-00-00"
    alone = write_run(MODELS / "moee" / "2026-11-26_11-00-00", seed=5)
    given = [
        f"{experiment}",
        f"A={run}",
        f"B={run}/seed-1",
        f"C={run}/seed-0/metrics.json,{run}/seed-2/ranks.json",
        f"{alone}",
    ]
    found = read_groups(given)
    assert [group.name for group in found] == ["ce", "A", "B", "C", "moee"]
    assert [[x.seed for x in group.runs] for group in found] == [[0, 1, 2], [0, 1, 2], [1], [0, 2], [5]]
    assert found[0].paths[1] == run / "seed-1" / "ranks.json"


def test_runs_of_an_experiment_with_a_seed_each_are_a_group():
    for seed in range(3):
        write_run(MODELS / "ce" / f"2026-11-26_10-00-0{seed}", seed)
    (group,) = read_groups([str(MODELS / "ce")])
    assert [run.seed for run in group.runs] == [0, 1, 2]


def test_groups_of_one_name_are_told_apart_by_their_runs():
    for time in (10, 11):
        write_run(MODELS / "ce" / f"2026-11-26_{time}-00-00")
    names = [group.name for group in read_groups([str(path) for path in sorted((MODELS / "ce").iterdir())])]
    assert names == ["ce (2026-11-26_10-00-00)", "ce (2026-11-26_11-00-00)"]


def test_paths_and_names_may_have_equals_signs():
    run = write_run(MODELS / "lr=1" / "2026-11-26_10-00-00")
    assert [group.name for group in read_groups([str(run), f"x={run}", f"lr=x={run}"])] == ["lr=1", "x", "lr=x"]


def test_samples_are_the_metrics_of_all_runs():
    (group,) = read_groups([str(write_experiment("ce"))])
    group.runs[1].ranks["t2v"][3] = group.runs[2].ranks["v2t"][4] = 0.5  # ties for the first position
    for task in ("t2v", "v2t"):
        counts = group.queries_per_video(task)
        assert counts.tolist() == [2 if task == "t2v" else 1] * 40
        for metric in SCORES:
            sample = group.sample(task, metric)
            assert sample.shape == (3, 40)
            for run, values in zip(group.runs, sample, strict=True):
                ranks = np.array(run.ranks[task])
                known = summarize(ranks) | {"MRR": 100 * np.mean(1 / (ranks + 1))}
                assert values.sum() / counts.sum() == pytest.approx(known[metric])
    first = np.array(group.runs[0].ranks["t2v"]).reshape(40, 2)
    assert group.sample("t2v", "MeanR")[0].tolist() == (first + 1).sum(axis=1).tolist()


def test_runs_with_a_query_bank_follow_those_without():
    found = read_groups([str(write_experiment("ce", querybank=True))], querybank=True)
    assert [(group.name, group.querybank) for group in found] == [("ce", False), ("ce + query bank", True)]
    assert found[1].ranks("t2v")[2].tolist() == found[1].runs[2].ranks["t2v_querybank"]
    assert "no t2v ranks with a query bank" in refusal(write_experiment("moee"), querybank=True)


def test_a_seed_that_is_there_twice_is_refused():
    for time in (10, 11):
        write_run(MODELS / "ce" / f"2026-11-26_{time}-00-00", seed=3)
    assert "seed 3 is there twice" in refusal(MODELS / "ce")


def test_runs_of_other_configs_are_not_in_one_group():
    for seed in range(2):
        write_run(
            MODELS / "ce" / f"2026-11-26_10-00-0{seed}",
            seed,
            config={"margin": 0.1 * seed, "trainer": {"save_dir": str(seed)}},
        )
    assert "margin is 0.1, expected 0.0 as in" in refusal(MODELS / "ce")


def test_runs_with_other_banks_are_in_one_group_only_without_them():
    for seed in range(2):
        config = {"name": "ce", "querybank": {"method": "dynamic", "beta": 20.0 + seed}}
        write_run(MODELS / "ce" / f"2026-11-26_10-00-0{seed}", seed, config=config, querybank=True)
    assert len(read_groups([str(MODELS / "ce")])[0].runs) == 2
    assert "querybank.beta is 21.0, expected 20.0 as in" in refusal(MODELS / "ce", querybank=True)


def test_a_run_is_in_one_group():
    experiment = write_experiment("ce", querybank=True)
    check_distinct(read_groups([str(experiment)], querybank=True))
    with pytest.raises(InputError, match="in the groups ce and other, expected each run in one group"):
        check_distinct(read_groups([str(experiment), f"other={experiment}/2026-11-26_10-00-00/seed-1"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "val"}, "split 'val', expected 'test' as in"),
        ({"v2t_ties": "published"}, "v2t_ties 'published', expected 'expected'"),
        ({"videos": [f"video{v}" for v in range(39)] + ["other"]}, "video 'other', expected 'video39'"),
        ({"texts": ["other"] * 80}, "text 'other', expected 'text 0 of <video0>'"),
        (
            {"captions": ["video0#7"] + [f"video{v // 2}#{v % 2}" for v in range(1, 80)]},
            "caption 'video0#7', expected 'video0#0'",
        ),
    ],
)
def test_runs_on_other_queries_are_refused(change, message):
    write_run(MODELS / "ce" / "2026-11-26_10-00-00")
    write_run(MODELS / "moee" / "2026-11-26_10-00-00", change=change)
    error = refusal(MODELS / "ce", MODELS / "moee")
    assert message in error and error.startswith(f"{MODELS}/moee/")


def test_splits_of_other_sizes_are_refused():
    write_run(MODELS / "ce" / "2026-11-26_10-00-00")
    write_run(MODELS / "moee" / "2026-11-26_10-00-00", num_videos=41)
    assert "41 videos, expected 40" in refusal(MODELS / "ce", MODELS / "moee")
    write_run(MODELS / "one" / "2026-11-26_10-00-00", num_videos=1)
    assert "1 video, expected at least 2" in refusal(MODELS / "one")


def test_paths_without_runs_are_refused():
    experiment = write_experiment("ce")
    (experiment / "2026-11-26_10-00-00" / "seed-1" / "ranks.json").unlink()
    assert "seed-1: no ranks.json, expected one; test.py" in refusal(experiment)
    (MODELS / "empty").mkdir()
    assert "no ranks.json of a run in it" in refusal(MODELS / "empty")
    assert "config.json: another file, expected" in refusal(experiment / "2026-11-26_10-00-00" / "seed-0" / "config.json")
    assert "nowhere: not there" in refusal(f"x={MODELS}/ce/2026-11-26_10-00-00/seed-0,nowhere")
