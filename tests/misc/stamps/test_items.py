"""The stamps in the files of the package."""

import pytest
from helpers.stamps import GOOD, stamp_files

from misc.stamps.items import Stamp, find_stamps

FILES = {name: content for name, content in sorted(stamp_files().items()) if not name.endswith("_desc_fr.ogg")}


def test_stamps_have_the_picture_the_english_caption_and_the_english_sounds():
    stamps, _, translations = find_stamps(FILES)
    drawable = {name: stamp for name, stamp in stamps.items() if not name.startswith("bad-")}
    assert drawable == {
        "animals-cat": Stamp("animals-cat", "A cat.", "animals/cat.png", ("animals/cat.ogg", "animals/cat_desc.wav")),
        "animals-dog": Stamp("animals-dog", "A dog in a café.", "animals/dog.svg", ()),
        "food-apple": Stamp("food-apple", "An apple.", "food/apple.png", ("food/apple_desc.ogg",)),
        "letters-a_red": Stamp("letters-a_red", "The letter a.", "letters/a_red.png", ("letters/a_red_en_GB.ogg",)),
        "letters-b": Stamp("letters-b", "The letter b.", "letters/b.png", ()),
    }
    assert tuple(drawable) == GOOD
    assert translations == {"fr": 3, "pt_BR": 1, "de": 1}


def test_what_cannot_be_used_has_a_line_each():
    stamps, warnings, _ = find_stamps(FILES)
    assert {name for name in stamps if name.startswith("bad-")} == {"bad-broken", "bad-invisible"}  # only drawing tells
    assert warnings == [
        "animals/dog.txt: not UTF-8, read as Latin-1",
        "bad/empty.txt: left out, its first line is no English caption",
        "bad/nopicture.txt: left out, it has no picture",
        "bad/notext.png: left out, it has no caption (notext.txt)",
        "bad/translated.txt: left out, its first line is no English caption",
        "letters/a_red.txt: UTF-16, expected UTF-8",
    ]


@pytest.mark.parametrize("text", [b"\n\nA cat.\n", b" \t\n", b"!?\nfr.utf8=x", b"ca@valencia.utf8=Un gat.\n"])
def test_a_first_line_without_english_words_is_no_caption(text):
    stamps, warnings, _ = find_stamps({"cat.png": b"", "cat.txt": text})
    assert stamps == {} and warnings == ["cat.txt: left out, its first line is no English caption"]


def test_names_that_become_equal_are_told_apart():
    files = {f"{name}{suffix}": b"A cat." for name in ("a-b/c", "a/b-c") for suffix in (".png", ".txt")}
    stamps, warnings, _ = find_stamps(files)
    assert list(stamps) == ["a-b-c"] and stamps["a-b-c"].picture == "a-b/c.png"
    assert warnings == ["a/b-c.txt: left out, it has the same name as a-b/c.png"]


def test_the_sound_of_no_language_comes_before_that_of_a_briton():
    files = dict.fromkeys(("a.png", "a.txt", "a.wav", "a_en_GB.ogg", "a_desc_en.ogg", "a_desc_en_GB.ogg"), b"A.")
    assert find_stamps(files)[0]["a"].sounds == ("a.wav", "a_desc_en.ogg")
