"""`misc/evaluate_moments.py`, against plain loops."""

import itertools
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from helpers.moments import make_moments, write_moments
from hypothesis import given
from hypothesis import strategies as st

from misc import evaluate_moments
from misc.evaluation import moments
from misc.evaluation.moments import Query, average_precision, chance, evaluate, expected_precision, iou, score
from misc.searching.channels.channel import ChannelHit
from misc.searching.windows import Moment

SPANS = [(float(i), i + 4.0) for i in range(0, 20, 2)]


@given(*[st.tuples(st.integers(0, 30), st.integers(1, 10)) for _ in range(2)])
def test_iou_is_that_of_sets_of_seconds(one, other):
    sets = [set(range(start, start + length)) for start, length in (one, other)]
    expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    spans = [(float(start), float(start + length)) for start, length in (one, other)]
    assert iou(*spans) == pytest.approx(expected)


def test_average_precision_is_the_mean_over_thresholds():
    right = (10.0, 20.0)
    assert average_precision([(10.0, 20.0)], right) == 1
    assert average_precision([(0.0, 5.0), (10.0, 20.0)], right) == 0.5
    # IoU 0.7 first, which is enough for five of ten thresholds, then 1.
    assert average_precision([(10.0, 17.0), (10.0, 20.0)], right) == pytest.approx((5 * 1 + 5 * 0.5) / 10)
    assert average_precision([], right) == 0


@given(st.lists(st.sampled_from(SPANS), min_size=1, max_size=5), st.tuples(st.integers(0, 10), st.integers(2, 9)))
def test_expected_precision_is_the_mean_over_all_orders(spans, right):
    right = (float(right[0]), float(sum(right)))
    orders = [average_precision(order[:3], right) for order in itertools.permutations(spans)]
    assert expected_precision(spans, right) == pytest.approx(statistics.mean(orders))


def test_scores_of_a_query_and_of_chance():
    query = Query(video="a", start=10, end=20, caption="x")
    assert score(query, "a", [(10.0, 16.0)]) == pytest.approx((100, 100, 0, 30, 100, 0))
    assert score(query, "b", [(10.0, 18.0)])[:3] == (0, 100, 100) and score(query, "b", [(10.0, 18.0)])[4:] == (0, 0)
    assert score(query, None, []) == (0, 0, 0, 0, 0, 0)
    found = chance(query, [(0.0, 10.0), (10.0, 20.0)], 4)
    assert found == pytest.approx((25, 50, 50, 75, 12.5, 12.5))


def test_each_combination_of_channels_is_scored():
    def hits(*found):
        return [ChannelHit(video, 1.0, [], [Moment(*span, 1.0) for span in spans]) for video, *spans in found]

    words = {"x": hits(("b", (0, 10)), ("a", (0, 10), (10, 20))), "y": []}
    concepts = {"x": hits(("a", (10, 20))), "y": hits(("a", (0, 10)))}
    queries = [Query(video="a", start=10, end=20, caption="x"), Query(video="b", start=0, end=10, caption="y")]
    scores = evaluate(
        {"words": words.__getitem__, "concepts": concepts.__getitem__}, queries, lambda video: [(0, 10), (10, 20)], 2
    )
    assert list(scores) == ["chance", "words", "concepts", "words + concepts"]
    assert scores["words"][:2] == (0, 0) and scores["words"].mean_ap == 25
    assert scores["concepts"] == (50, 50, 50, 50, 50, 50)
    assert scores["words + concepts"] == (50, 50, 50, 50, 50, 50)


def test_the_command_on_a_collection(collection, call):
    archive, _ = collection
    ocr = make_moments([(3.0, 4.0), (15.0, 15.5)], words=["Thanks", "SALE"])
    rgb = make_moments(np.arange(36.0), np.ones((36, 12), np.float16))
    write_moments(archive.folder, {"video3": (36.0, {"ocr": ocr, "rgb": rgb})}, dict.fromkeys(archive.ids, "1"))
    truth = [{"video": "video3", "start": 0, "end": 10, "caption": "thanks"}]
    truth.append({"video": "video3", "start": 12, "end": 20, "caption": "no such words"})

    def evaluated(content, *options):
        Path("truth.json").write_text(json.dumps(content))
        return call(evaluate_moments, "--name", "Toy", "--truth", "truth.json", *options)

    code, out, err = evaluated(truth, "--resume", "model.pth")
    assert code == 0, err
    assert "2 queries, 44 videos, 4 windows" in out
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:] for line in out.splitlines() if "|" in line}
    assert rows["words"] == ["50.0"] * 6 and {"chance", "trained", "words + trained"} <= rows.keys()
    assert not (archive.folder.parent / "index").exists()
    for change, message in (
        ({"video": "nobody"}, "0.video: no video 'nobody'"),
        ({"video": "video4"}, "'video4' has no windows"),
        ({"end": 0}, "0.end: found 0, expected more than 0"),
        ({"start": "x"}, "0.start"),
        ({"more": 1}, "0.more"),
    ):
        code, _, err = evaluated([truth[0] | change])
        assert code == 2 and message in err and err.count("\n") == 1
    assert "1 query, 44 videos" in evaluated(truth, "--only", "th.nks")[1]
    assert "no query matches --only" in evaluated(truth, "--only", "thanx")[2]
    assert "--only '('" in evaluated(truth, "--only", "(")[2]
    assert "no query, expected some" in evaluated([])[2] and "expected --name and --truth" in call(evaluate_moments)[2]
    assert "--window 0" in evaluated(truth, "--window", "0")[2]
    (archive.folder / "moments.h5").unlink()
    assert "earlier version" in evaluated(truth)[2]


def test_films_are_made_with_their_times(tmp_path, call, monkeypatch):
    monkeypatch.setattr(moments, "CLIPS_PER_FILM", 2)
    code, out, err = call(evaluate_moments, "--make_films", tmp_path / "films", "--clips", "3")
    assert code == 0 and "3 clips in films" in out, err
    truth = json.loads((tmp_path / "films/moments.json").read_text())
    assert {x["video"] for x in truth} == {"film00", "film01"}
    assert {path.name for path in (tmp_path / "films/videos").iterdir()} == {"film00.webm", "film01.webm"}
    assert "expected at most 75" in call(evaluate_moments, "--make_films", tmp_path, "--clips", "76")[2]
