"""Qrels and runs in the formats of trec_eval."""

import io

import pytest
import pytrec_eval
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from utils.errors import InputError
from utils.trec import encode_id, read_qrels, write_qrels, write_run

IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)


@examples(100)
@given(qrels=st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-1, 3), min_size=1, max_size=3), min_size=1, max_size=3))
def test_qrels_are_read_as_they_were_written(tmp_path_factory, qrels):
    path = tmp_path_factory.mktemp("trec") / "a.qrels"
    write_qrels(path, qrels)
    assert read_qrels(path) == qrels
    lines = path.read_text().split("\n")
    assert len(lines) == 1 + sum(map(len, qrels.values())) and all(len(line.split(" ")) == 4 for line in lines[:-1])


def test_runs_are_what_trec_eval_reads(tmp_path):
    rankings = [("my clip#0", [("b c", 0.25), ("50%", 1 / 3 - 1e-9)]), ("x", [])]
    write_run(tmp_path / "a.run", rankings, "my tag")
    text = (tmp_path / "a.run").read_text()
    assert text == "my%20clip#0 Q0 b%20c 1 0.25 my%20tag\nmy%20clip#0 Q0 50%25 2 0.333333332 my%20tag\n"
    assert pytrec_eval.parse_run(io.StringIO(text)) == {"my%20clip#0": {"b%20c": 0.25, "50%25": 0.333333332}}


def test_ids_without_white_space_stay_as_they_are():
    assert encode_id("żółw/映画#1") == "żółw/映画#1"
    assert encode_id("a\u2003b\u0085\t%") == "a%E2%80%83b%C2%85%09%25"


def test_white_space_of_any_kind_separates_and_empty_lines_are_left_out(tmp_path):
    path = tmp_path / "a.qrels"
    path.write_bytes("\ufeffq\t0  d 1\r\n\r\nq 0 e -1\nq 0 d 1\n".encode())
    assert read_qrels(path) == {"q": {"d": 1, "e": -1}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"q 0 d\n", "line 1: found 'q 0 d', expected 'query 0 item grade'"),
        (b"q 0 d 1\nq 0 e 1 x\n", "line 2: found 'q 0 e 1 x'"),
        (b"q 0 d 0.5\n", "line 1: found 'q 0 d 0.5'"),
        (b"q 0 d 1\nq 0 d 2\n", "line 2: 'q' and 'd' have grade 2, and another one before"),
        (b" \n", "empty, expected lines"),
        (b"q 0 \xff 1\n", "not UTF-8"),
    ],
)
def test_invalid_qrels_are_refused_with_their_line(tmp_path, content, message):
    (tmp_path / "a.qrels").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_qrels(tmp_path / "a.qrels")
