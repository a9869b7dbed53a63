"""Words with typos, against a plain implementation of the distance."""

import hypothesis.strategies as st
import pytest
from helpers.properties import examples
from hypothesis import given

from misc.searching.channels.spelling import correct_words, find_similar_words

letters = st.text("abc", min_size=1, max_size=9)
NAMES = ["accordion", "bee", "bicycle", "hen", "potter", "squirrel", "squirrels", "tomato"]


def count_typos(a, b):
    """Return the optimal string alignment distance of two words, by its recurrence."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            choices = [rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (x != y)]
            if i > 1 and j > 1 and (x, a[i - 2]) == (b[j - 2], y):
                choices.append(rows[i - 2][j - 2] + 1)
            row.append(min(choices))
        rows.append(row)
    return rows[-1][-1]


@examples(200)
@given(letters, st.lists(letters, unique=True, max_size=20))
def test_similar_words_are_those_of_a_plain_loop(word, vocabulary):
    limit = 2 if len(word) >= 7 else 1
    expected = {x: count_typos(word, x) for x in vocabulary if x[0] == word[0]}
    assert dict(find_similar_words(word, vocabulary)) == {x: n for x, n in expected.items() if 1 <= n <= limit}


@pytest.mark.parametrize(
    ("word", "corrected"),
    [
        ("squirel", "squirrel"),
        ("squirells", "squirrels"),
        ("bycicle", "bicycle"),  # two letters are wrong
        ("acordian", "accordion"),
        ("tomato", None),
        ("tomatos", None),  # a plural of a name
        ("tomcat", None),  # too many typos
        ("potted", None),  # in the dictionary only
        ("henn", None),  # too short
        ("beech", None),  # an English word
        ("beeches", None),  # its plural
        ("xquirrel", None),  # another first letter
        ("squirre1", None),
        ("", None),
    ],
)
def test_misspelled_words_are_corrected(word, corrected):
    assert correct_words([word], NAMES) == ({} if corrected is None else {word: corrected})


def test_the_most_similar_word_is_chosen_and_the_first_of_equal_ones():
    assert correct_words(["squirrelz"], ["squirrelly", "squirrels"]) == {"squirrelz": "squirrels"}
    assert correct_words(["bqxyz"], ["bqxya", "bqxyb"]) == {"bqxyz": "bqxya"}
