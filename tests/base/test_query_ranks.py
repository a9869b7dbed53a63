"""The file of the ranks of all queries."""

import json

import pytest

from base import query_ranks
from base.query_ranks import QueryRanks
from utils.errors import InputError

CONTENT = {
    "config": "c.json",
    "checkpoint": "c.pth",
    "seed": 1,
    "split": "test",
    "leaky": False,
    "v2t_ties": "expected",
    "videos": ["a", "b"],
    "captions": ["a#0", "a#1", "b#0"],
    "texts": ["x", "\ud800", ""],
    "owners": [0, 0, 1],
    "ranks": {"t2v": [0.0, 0.5, 1], "v2t": [0, 2], "t2v_querybank": [0, 0, 0]},
}


def test_a_file_is_read_as_it_was_written(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({**CONTENT, "texts": ["x", "y", ""]}))
    found = QueryRanks.read(tmp_path / "a.json")
    found.write(tmp_path / "b.json")
    assert QueryRanks.read(tmp_path / "b.json") == found
    assert found.ranks["t2v"] == [0, 0.5, 1] and found.queries("v2t") == ["a", "b"]
    assert found.queries("t2v_querybank") == ["a#0", "a#1", "b#0"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owners": [0, 0]}, "captions, texts and owners of different lengths"),
        ({"owners": [0, 0, 2]}, "a caption of video 2 of 2"),
        ({"ranks": {"t2v": [0, 0, 1], "v2t": [1, 2, 3]}}, "3 ranks in v2t, expected 2"),
        ({"ranks": {"t2v": [0, 0, 1]}}, "no v2t in ranks"),
        ({"ranks": {"t2v": [0, 0, 2], "v2t": [0, 0]}}, "rank 2 in t2v, expected less than 2"),
        ({"ranks": {"t2v": [0, 0, 1], "v2t": [0, 3]}}, "rank 3 in v2t, expected less than 3"),
        ({"ranks": {"v2t": [1, -1]}}, "ranks.v2t.1: found -1"),
        ({"captions": [], "texts": [], "owners": []}, "different lengths, or none"),
        ({"seed": "1"}, "seed: found '1'"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, message):
    path = tmp_path / "ranks.json"
    path.write_text(json.dumps({**CONTENT, "texts": ["x", "y", ""], **change}))
    with pytest.raises(InputError, match=message) as refused:
        QueryRanks.read(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_the_content_of_a_file_is_not_repeated(tmp_path):
    path = tmp_path / "ranks.json"
    path.write_text(json.dumps({**CONTENT, "texts": ["x" * 5000, "y", ""]})[:-1])
    with pytest.raises(InputError, match="expected ranks written by") as refused:
        QueryRanks.read(path)
    assert len(str(refused.value)) < len(str(path)) + 400


@pytest.mark.parametrize("text", ["", "[]", '{"seed": NaN}', "{" * 5000])
def test_what_is_no_such_file_is_refused(tmp_path, text, monkeypatch):
    (tmp_path / "ranks.json").write_text(text)
    with pytest.raises(InputError, match="expected ranks written by"):
        QueryRanks.read(tmp_path / "ranks.json")
    monkeypatch.setattr(query_ranks, "MAX_BYTES", 0)
    (tmp_path / "ranks.json").write_text("{}")
    with pytest.raises(InputError, match="more than 0 bytes"):
        QueryRanks.read(tmp_path / "ranks.json")
