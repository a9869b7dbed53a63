"""Words of texts, names and queries."""

import unicodedata

import hypothesis.strategies as st
import pytest
from helpers.properties import examples
from hypothesis import given

from misc.searching.channels.tokens import (
    MAX_TERMS,
    Term,
    fold,
    parse_query,
    split_name,
    split_negatives,
    split_words,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A red bird, isn't it?", ["A", "red", "bird", "isn", "t", "it"]),
        ("ＳＡＬＥ 50%", ["SALE", "50"]),
        ("caf\u00e9 cafe\u0301", ["café", "café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("Straße GROẞ Թիֆլիս", ["Strasse", "GROss", "թիֆլիս"]),
        ("駅JR3番", ["駅", "JR3", "番"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("한국어 검색", ["한국어", "검색"]),
        ("\u0301 ... __ \x00", []),
        ("", []),
    ],
)
def test_words_of_texts(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("holiday/IMG_2023RedBird", ["holiday", "IMG", "2023", "Red", "Bird", "2023RedBird"]),
        ("clip-0012", ["clip", "0012"]),
        ("myHTTPServer.v2", ["my", "HTTP", "Server", "v", "2", "myHTTPServer", "v2"]),
        ("ÉtéÀParis", ["Été", "À", "Paris", "ÉtéÀParis"]),
        ("-_-", []),
    ],
)
def test_words_of_names(name, words):
    assert split_name(name) == words


def expressions(query):
    return [term.expression for term in parse_query(query)]


def test_terms_are_words_phrases_and_beginnings():
    assert expressions('a red bird "thanks for" sing* well-known "open') == [
        '"red"',
        '"bird"',
        '"thanks for"',
        '"sing"*',
        '"well known"',
        '"open"',
    ]


def test_suffixes_of_videos_are_no_words():
    assert parse_query("IMG_0009.MP4 a.b film.webm") == [Term(("IMG", "0009")), Term(("a", "b")), Term(("film",))]
    assert parse_query('"film.mp4"') == [Term(("film", "mp4"), is_quoted=True)]


def test_very_common_words_only_count_alone_or_in_a_phrase():
    assert expressions("the on") == ['"the"', '"on"']
    assert expressions('"the on" The bird') == ['"the on"', '"bird"']


def test_neighboring_characters_of_unspaced_scripts_are_terms():
    assert expressions("東京駅") == ['"東 京"', '"京 駅"']
    assert expressions("犬 JR東日本x猫") == ['"犬"', '"JR"', '"東 日"', '"日 本"', '"x"', '"猫"']
    assert expressions('"東京駅"') == ['"東 京 駅"']


@pytest.mark.parametrize("query", ["", " ", '"', '""', "*", "( ) AND:^-+{}", "\x00", "\u0301"])
def test_signs_are_no_terms(query):
    assert [term for term in parse_query(query) if term.words != ("AND",)] == []


def test_words_are_never_operators():
    assert expressions("bird OR NEAR(dog cat) AND name:x NOT *y* ^z") == [
        '"bird"',
        '"NEAR dog"',
        '"cat"',
        '"name x"',
        '"y"*',
        '"z"',
    ]


@examples(200)
@given(st.text(st.characters(codec=None), max_size=40))
def test_words_are_letters_digits_and_marks(text):
    for word in [*split_words(text), *split_name(text), *(word for term in parse_query(text) for word in term.words)]:
        assert word and all(unicodedata.category(char)[0] in "LNM" or unicodedata.category(char) == "Co" for char in word)


def test_long_queries_have_a_limited_number_of_terms():
    assert len(parse_query(" ".join(f"word{i}" for i in range(1000)))) == MAX_TERMS


def test_words_are_folded():
    assert [fold(word) for word in ("Élan", "naïve", "STRASSE", "straße", "हिन्दी")] == [
        "elan",
        "naive",
        "strasse",
        "strasse",
        "हिन्दी",
    ]
    assert Term(("x",)).is_plain and not Term(("x",), True).is_plain and not Term(("駅",)).is_plain


@pytest.mark.parametrize(
    ("text", "words", "negatives"),
    [
        ("bird -red", "bird", ["red"]),
        ('-"red robin" bird -café', "bird", ['"red robin"', "café"]),
        ("t-shirt x--y a - b -- -, well-", "t-shirt x--y a - b -- -, well-", []),
        ("-5 degrees -50% off", "-5 degrees -50% off", []),
        ("-red*", "", ["red*"]),
        ('bird -"open phrase', "bird", ['"open phrase']),
    ],
)
def test_negative_words_are_split_off(text, words, negatives):
    found, excluded = split_negatives(text)
    assert (found.split(), excluded) == (words.split(), negatives)
