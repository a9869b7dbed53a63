"""The channel of words, against a plain BM25."""

import math

import hypothesis.strategies as st
import pytest
from helpers.channel_collection import StubCollection
from helpers.properties import examples
from hypothesis import given

from misc.searching.channels import words
from misc.searching.channels.channel import Evidence
from misc.searching.channels.tokens import count_terms
from misc.searching.channels.words import WordsChannel
from utils.errors import InputError

WORDS = {
    "v/1": {"speech": ["Thanks", "for", "watching"], "ocr": ["SALE", "50%"]},
    "v/2": {"speech": ["watching", "birds"]},
    "RedBird": {"ocr": ["thanks", "a", "lot"]},
    "空": {"ocr": ["東京タワー", "出口"]},
}


def bm25(documents, terms, weights, k1=1.2, b=0.75):
    """Return the score of each document, a list of words per field: BM25 with the formula and the constants of FTS5."""
    lengths = [sum(map(len, fields)) for fields in documents]
    average = sum(lengths) / len(documents)
    scores = []
    for fields, length in zip(documents, lengths, strict=True):
        score = 0.0
        for term in terms:
            containing = sum(any(term in field for field in other) for other in documents)
            if containing:
                idf = max(math.log((len(documents) - containing + 0.5) / (containing + 0.5)), 1e-6)
                count = sum(weight * field.count(term) for weight, field in zip(weights, fields, strict=True))
                score += idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length / average))
        scores.append(score)
    return scores


LETTERS = st.lists(st.sampled_from(["aa", "bb", "cc", "dd"]), max_size=6)
DOCUMENTS = st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=8)


@examples(60)
@given(
    st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=8), st.lists(st.sampled_from(["aa", "bb", "xx"]), min_size=1)
)
def test_scores_are_those_of_a_plain_bm25(documents, query):
    ids = [f"{i:03}" for i in range(len(documents))]
    content = {video: {"ocr": ocr} for video, (ocr, _) in zip(ids, documents, strict=True)}
    captions = {video: [" ".join(caption)] for video, (_, caption) in zip(ids, documents, strict=True)}
    channel = WordsChannel(StubCollection(content, captions, ids, ["ocr"]))
    terms = list(dict.fromkeys(query))
    fields = [[ocr, caption, [video]] for video, (ocr, caption) in zip(ids, documents, strict=True)]
    expected = dict(zip(ids, bm25(fields, terms, [1.0, 1.0, 0.5]), strict=True))
    has = {video: any(term in ocr + caption for term in terms) for video, (ocr, caption) in zip(ids, documents, strict=True)}
    hits = channel.search(" ".join(query), 100)
    assert {hit.id: hit.score for hit in hits} == pytest.approx({x: score for x, score in expected.items() if has[x]})
    assert [hit.id for hit in hits] == sorted((hit.id for hit in hits), key=lambda x: (-round(expected[x], 9), x))


def found(channel, query, k=10):
    return [hit.id for hit in channel.search(query, k)]


@pytest.mark.parametrize("word", ["straße", "გზა", "Ὀδυσσεύς", "ЁЛКА", "ԹԻՖԼԻՍ և", "ᏣᎳᎩ", "Ấn", "ǅep"])
def test_words_match_whatever_their_case(word):
    for spoken in (word, word.lower(), word.upper(), word.title()):
        channel = WordsChannel(StubCollection({"a": {"speech": [spoken]}, "b": {"speech": ["other"]}}))
        for query in (word, word.lower(), word.upper(), word.casefold()):
            (hit,) = channel.search(query, 10)
            assert hit.id == "a" and not hit.evidence[0].similar


def test_the_confidence_is_the_share_of_the_words_by_their_rarity():
    content = {"a": ["red", "bird"], "b": ["red", "dog"], "c": ["Red"], "d": ["blue"]}
    channel = WordsChannel(StubCollection({video: {"speech": words} for video, words in content.items()}), names=False)
    rarity = {n: math.log(1 + (4 - n + 0.5) / (n + 0.5)) for n in range(4)}  # of a word in n of the four videos

    def confidences(query):
        return {hit.id: hit.confidence for hit in channel.search(query, 10)}

    total = rarity[3] + rarity[1] + rarity[0]
    expected = {"a": (rarity[3] + rarity[1]) / total, "b": rarity[3] / total, "c": rarity[3] / total}
    assert confidences("the RED bird sings") == pytest.approx(expected)
    assert confidences("bird") == {"a": 1} and confidences('"red dog"') == {"b": 1} and confidences("bi*") == {"a": 1}
    similar = rarity[0] / (rarity[0] + rarity[1])
    assert confidences("blue birds") == pytest.approx({"d": 1 - similar, "a": 0.1 * similar})


def test_hits_say_which_words_match_and_where():
    channel = WordsChannel(StubCollection(WORDS, {"v/2": ["A bird is seen.", "Birds: thanks"]}))
    first, second, third = channel.search("thanks", 10)
    assert {first.id, second.id, third.id} == {"v/1", "v/2", "RedBird"}
    evidence = {hit.id: hit.evidence for hit in (first, second, third)}
    assert evidence["v/1"] == [Evidence("speech", "Thanks", [0])]
    assert evidence["v/2"] == [Evidence("captions", "thanks")]
    (hit,) = channel.search('"thanks for watching"', 10)
    assert hit.evidence == [Evidence("speech", "Thanks for watching", [0, 1, 2])]
    (hit,) = channel.search("50", 10)
    assert hit.evidence == [Evidence("ocr", "50", [1])]
    (hit,) = channel.search("京タ", 10)
    assert hit.id == "空" and hit.evidence == [Evidence("ocr", "京 タ", [0])]
    (hit,) = channel.search('"タワー出"', 10)  # over two recognized words
    assert hit.evidence[0].positions == [0, 1]
    (hit,) = channel.search("red", 10)
    assert hit.evidence == [Evidence("name", "Red")]


def test_only_equal_words_are_believable():
    channel = WordsChannel(StubCollection(WORDS, {"v/2": ["A bird is seen."]}))
    assert channel.find_doubt(channel.search("bird", 10)) is None
    similar = channel.search("thankz", 10)
    assert similar and channel.find_doubt(similar) == "no video has these words, only similar ones"
    assert channel.find_doubt([]) == "no video has these words"


@pytest.mark.parametrize(
    ("query", "believed"),
    [
        ("thanks spaceship", True),  # half of the words
        ("purple spaceship thanks", False),
        ("purple spaceship thanks sale", True),
        ("one purple spaceship thanks sale", False),
        ("a purple spaceship that lands at night, watched by aliens: thanks", True),  # a sentence
        ("spaceship sals", False),
    ],
)
def test_half_of_the_words_of_a_short_query_are_believable(query, believed):
    channel = WordsChannel(StubCollection(WORDS), names=False)
    doubt = channel.find_doubt(channel.search(query, 10))
    assert (doubt is None) == believed
    assert doubt == "no video has half of these words" or query != "purple spaceship thanks"


def test_frequent_english_words_are_no_typos():
    channel = WordsChannel(StubCollection({"a": {"speech": ["wedding"]}, "b": {"speech": ["wearings"]}}))
    assert found(channel, "weddnig") == ["a"] and found(channel, "wearing") == ["b"]


@pytest.mark.parametrize("query", ["watchin", "birds", "atching"])
def test_other_forms_of_words_are_believable(query):
    channel = WordsChannel(StubCollection({"RedBird": {"speech": ["watching", "watch", "Tomato"]}}))
    assert channel.find_doubt(channel.search(query, 10)) is None
    assert channel.find_doubt(channel.search("tomatoes", 10)) is None
    (hit,) = channel.search("tomatp", 10)
    assert hit.evidence[0].misspelled and channel.find_doubt([hit]) is not None


def test_long_queries_get_a_note():
    channel = WordsChannel(StubCollection(WORDS))
    text = " ".join(f"word{i}" for i in range(201))
    assert channel.find_notes(text) == ["words: the first 200 words are searched, not the rest"]
    assert channel.find_notes(text.removesuffix(" word200") + " word0") == [] and count_terms(text) == 201


@pytest.mark.parametrize(
    ("query", "absent"),
    [
        ("thanks tie", ["tie"]),
        ("the sale of a tie in Paris", ["tie", "Paris"]),
        ('sale "watching zebra" watching', ["watching zebra"]),
        ("thank watchin sale", []),  # other forms, and words with typos, are found
        ("thanks sale", []),
        ("tie Paris", []),  # nothing is found: a doubt says it
        ("tie", []),
        ("one two three four five thanks", []),  # a sentence
    ],
)
def test_absent_words_of_short_queries_get_a_note(query, absent):
    notes = WordsChannel(StubCollection(WORDS)).find_notes(query)
    assert notes == ([f"words: no video has {', '.join(f'“{x}”' for x in absent)}"] if absent else [])


@pytest.mark.parametrize("query", ['"watching thanks"', 'sale "watching thanks" watching'])
def test_a_phrase_whose_words_are_in_another_order_gets_a_note(query):
    (note,) = WordsChannel(StubCollection(WORDS)).find_notes(query)
    assert note == "words: no video has the words “watching thanks” in this order"


def test_negative_words_exclude_all_videos_that_have_them():
    channel = WordsChannel(StubCollection(WORDS))
    for negatives in (["thanks"], ["watching", "50"], ['"thanks for"'], ["wat*"], ["thankz"], ["?"]):
        expected = {hit.id for x in negatives for hit in channel.search(x, 10) if not hit.evidence[0].similar}
        assert channel.find_excluded(negatives) == expected
    assert channel.find_excluded(["watching", "50"]) and not channel.find_excluded(["thankz"])


def test_phrases_and_beginnings():
    channel = WordsChannel(StubCollection(WORDS))
    assert found(channel, '"watching birds"') == ["v/2"] and found(channel, '"birds watching"') == []
    assert set(found(channel, "watch*")) == {"v/1", "v/2"} and found(channel, "wat") == []


def test_captions_can_be_left_out():
    collection = StubCollection({"a": {}}, {"a": ["zebra"]})
    assert found(WordsChannel(collection), "zebra") == ["a"]
    assert found(WordsChannel(collection, captions=False), "zebra") == []


def test_names_can_be_left_out():
    collection = StubCollection({"zebra": {"ocr": ["sale"]}})
    assert found(WordsChannel(collection), "zebra") == ["zebra"]
    channel = WordsChannel(collection, names=False)
    assert found(channel, "zebra") == [] and found(channel, "sale") == ["zebra"]
    with pytest.raises(InputError, match="words: no expert has"):
        WordsChannel(StubCollection({"zebra": {}}, experts=()), captions=False, names=False)


def test_similar_words_follow_if_few_videos_have_the_words():
    speech = {f"v{i}": {"speech": ["watching"]} for i in range(words.FEW)}
    channel = WordsChannel(
        StubCollection({**speech, "both": {"speech": ["zebra", "watching"]}, "other": {"ocr": ["matching"]}})
    )
    assert len(found(channel, "watching", 50)) == words.FEW + 1
    hits = channel.search("zebra watchign", 50)
    assert [hit.id for hit in hits] == ["both", *speech]
    assert hits[0].evidence == [Evidence("speech", "zebra", [0])]
    assert all(hit.evidence == [Evidence("speech", "watching", [0], similar=True, misspelled=True)] for hit in hits[1:])
    assert [hit.id for hit in channel.search("zebra watchign", 3)] == ["both", "v0", "v1"]
    assert found(channel, '"watchimg"*') == [] and found(channel, "watchimg*") == []


def test_similar_words_are_not_searched_if_many_videos_have_the_words():
    speech = {f"v{i}": {"speech": ["watching"]} for i in range(words.FEW)}
    channel = WordsChannel(StubCollection({**speech, "more": {"speech": ["watchings"]}}))
    assert found(channel, "watching", 50) == list(speech)


def test_only_plurals_are_similar_to_known_words():
    channel = WordsChannel(StubCollection({"a": {"ocr": ["horse"]}, "b": {"ocr": ["house"]}, "c": {"ocr": ["horses"]}}))
    assert found(channel, "horse") == ["a", "c"] and found(channel, "horses") == ["c", "a"]
    assert set(found(channel, "hoose")) == {"a", "b"}


def test_words_are_found_in_longer_ones_after_exact_and_misspelled_ones():
    names = {"bigbuckbunny": {}, "bunny": {}, "bunnies": {}, "bunnx": {}, "buckwheat": {}, "xbunnyx": {}}
    channel = WordsChannel(StubCollection(names))
    assert found(channel, "bunny") == ["bunny", "bigbuckbunny", "xbunnyx"]
    assert found(channel, "bunnz")[0] in ("bunny", "bunnx") and found(channel, "buck") == []
    assert channel.find_doubt(channel.search("bunnyy", 5)) is None
    assert channel.find_doubt(channel.search("bunng", 5)) == "no video has these words, only similar ones"


@pytest.mark.parametrize(
    ("query", "has"), [("bord", True), ("brd", False), ("cird", False), ("elefant", False), ("elephamts", True)]
)
def test_the_number_of_typos_depends_on_the_length_and_the_first_letter_is_right(query, has):
    channel = WordsChannel(StubCollection({"a": {"ocr": ["bird", "elephants", "1234"]}}))
    assert bool(found(channel, query)) == has
    assert found(channel, "1235") == []


def test_equal_scores_are_in_the_order_of_the_collection():
    ids = ["c", "a", "b"]
    channel = WordsChannel(StubCollection(dict.fromkeys(ids, {"ocr": ["sale"]}), ids=ids))
    assert found(channel, "sale") == ids and found(channel, "sale", 2) == ids[:2]


@examples(200)
@given(st.text(st.characters(codec=None), max_size=60))
def test_any_query_is_answered(text):
    channel = WordsChannel(StubCollection({"a": {"ocr": [text, "bird"]}, "\udcff": {"ocr": ["bird"]}}))
    channel.search(text, 5)
    assert found(channel, f"{text} bird") != []


def test_long_queries_are_answered():
    channel = WordsChannel(StubCollection(WORDS))
    assert found(channel, "thanks " + " ".join(f"x{i}" for i in range(5000))) != []
    assert found(channel, '"' + "thanks " * 5000 + '"') == []


def test_what_is_indexed_is_described():
    channel = WordsChannel(StubCollection(WORDS, {"v/1": ["x"]}, experts=("ocr", "other", "speech")))
    assert channel.describe() == "ocr of 3 videos, speech of 2 videos, captions of 1 video, name of 4 videos"
