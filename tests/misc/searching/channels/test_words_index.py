"""The file of the channel of words: kept, updated, and made again."""

import pytest
from helpers.channel_collection import StubCollection

from misc.searching.channels.words import WordsChannel
from misc.searching.channels.words_index import WordsIndex

WORDS = {"v/1": {"speech": ["Thanks", "for", "watching"], "ocr": ["SALE"]}, "v/2": {"ocr": ["thanks"]}}


def find(collection, path, query):
    return [hit.id for hit in WordsChannel(collection, path).search(query, 10)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index #1?" / "words.db"


def test_it_is_kept_until_the_collection_changes(path, monkeypatch):
    collection = StubCollection(WORDS)
    expected = WordsChannel(collection, path).search("thanks", 5)
    before = path.stat().st_ino
    with monkeypatch.context() as frozen:
        frozen.setattr(WordsIndex, "_fill", None)
        assert WordsChannel(collection, path).search("thanks", 5) == expected
    changed = StubCollection({**WORDS, "new": {"ocr": ["thanks"]}})
    changed.digest = "1"
    assert "new" in find(changed, path, "thanks") and path.stat().st_ino != before
    assert [x.name for x in path.parent.iterdir()] == ["words.db"]


@pytest.mark.parametrize("size", [0, 10, 1000, 8000])
def test_a_truncated_file_is_made_again(path, size, caplog):
    many = StubCollection({f"v{i}": {"ocr": [f"word{i}", "thanks"]} for i in range(300)})
    expected = WordsChannel(many, path).search("thanks", 500)
    path.write_bytes(path.read_bytes()[:size])
    assert WordsChannel(many, path).search("thanks", 500) == expected
    assert WordsChannel(many, path).search("thanks", 500) == expected
    assert "it is made again" in caplog.text


def test_another_file_is_replaced(path, caplog):
    path.parent.mkdir()
    path.write_bytes(b"no database at all\n" * 1000)
    assert find(StubCollection(WORDS), path, "sale") == ["v/1"]
    assert caplog.text.count("it is made again") == 1


def test_a_folder_that_cannot_be_written_gets_no_file(path, caplog):
    path.parent.write_bytes(b"")
    assert find(StubCollection(WORDS), path, "sale") == ["v/1"]
    assert "indexed in memory" in caplog.text
