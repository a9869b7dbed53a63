"""The display of weights and recognized words on the search page."""

import dataclasses
import json
import types

import pytest

from misc.searching.result import (
    MAX_WORDS,
    WORDS_BEFORE,
    ExpertRow,
    Hit,
    ResultView,
    SearchResult,
    highest_weight,
    tokenize,
    write_page,
)

HIT = Hit(1, "video", 0.5, {"a": 0.25, "b": 0.75, "c": 0.0}, ["a", "b"], [], {}, None)


def view(**details):
    return ResultView(["a", "b", "c"], None, None, **details)


def test_rows_are_in_the_order_of_the_querys_weights():
    rows = view(weights={"a": 0.2, "b": 0.6, "c": 0.2}, max_weight=0.75).expert_rows(HIT.weights, HIT.experts)
    assert rows == [
        ExpertRow("b", "present", "75\u00a0%", 100.0),
        ExpertRow("a", "present", "25\u00a0%", 33.33),
        ExpertRow("c", "missing", "", None),
    ]


def test_a_missing_expert_that_counts_has_a_bar_all_the_same():
    """Missing experts count in the ablations that fill them with zeros."""
    rows = view(max_weight=0.5).expert_rows({"a": 0.5, "b": 0.25, "c": 0.25}, ["a", "b"])
    assert rows[2] == ExpertRow("c", "missing", "25\u00a0%", 50.0)


@pytest.mark.parametrize("keep_missing", [False, True])
def test_the_data_of_a_page_say_which_experts_count(tmp_path, keep_missing):
    metadata = types.SimpleNamespace(experts=["a", "b", "c"], keep_missing=keep_missing)
    details = {"name": "Toy", "videos": 1, "checkpoint": None, "bank": None, "no_match": None, "remarks": []}
    write_page(tmp_path / "page", SearchResult("a bird", HIT.weights, [HIT]), [], metadata, **details)
    data = (tmp_path / "page/data.js").read_text().removeprefix("registerResults(").removesuffix(");\n")
    video = json.loads(data)["hits"][0]["video"]
    assert video["has"] == [1, 1, 0] and video["counts"] == ([1, 1, 1] if keep_missing else [1, 1, 0])


def test_without_weights_there_are_no_bars_and_a_partner_says_what_is_shared():
    rows = view(queried_experts=["a", "c"]).expert_rows(None, HIT.experts)
    assert [(row.state, row.percentage, row.bar) for row in rows] == [
        ("present", "", None),
        ("unshared", "", None),
        ("missing", "", None),
    ]


@pytest.mark.parametrize(
    ("number", "place", "start"),
    [(5, 2, 0), (MAX_WORDS, MAX_WORDS - 1, 0), (90, 50, 50 - WORDS_BEFORE), (90, 89, 90 - MAX_WORDS), (90, None, 0)],
)
def test_long_speech_is_shown_near_the_first_word_of_the_query(number, place, start):
    words = [f"w{i}" for i in range(number)]
    asked = "nothing" if place is None else f"the {words[place].upper()}!"
    (found,) = view(query=asked).recognized_words(dataclasses.replace(HIT, words={"speech": words}))
    assert [word for word, _ in found.words] == words[start : start + MAX_WORDS]
    assert [word for word, match in found.words if match] == ([] if place is None else [words[place]])
    assert (found.more_before, found.more_after) == (start > 0, start + MAX_WORDS < number)


def test_stop_words_are_not_marked_beside_others():
    hit = dataclasses.replace(HIT, words={"speech": ["the", "sale", "of", "a", "town"]})
    for asked, marked in (("the Sale and a sign", ["sale"]), ("of the", ["the", "of"])):
        assert [word for word, match in view(query=asked).recognized_words(hit)[0].words if match] == marked


def test_words_are_compared_without_regard_to_case_width_and_marks():
    assert tokenize("ＳＡＬＥ: Straße, 50%-off!") == ["sale", "strasse", "50", "off"]
    assert tokenize("?! …") == []


def test_the_longest_bar_is_that_of_the_highest_weight():
    assert highest_weight([HIT, dataclasses.replace(HIT, weights=None)]) == 0.75
    assert highest_weight([]) == highest_weight([dataclasses.replace(HIT, weights={"a": 0.0})]) == 1.0
