"""Captions from CSV, JSON and JSONL, and splits: all documented forms, and errors for others."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misc.extraction.caption_files import SPLITS, make_splits, parse_split_shares, read_captions, read_splits
from utils.errors import InputError

IDS = ["a", "b", "sub/c", "v1", "v1.2", 'q"d, e']
EXPECTED = {"b": ["A red bird.", 'It sings, "la"'], "a": ["Ein Käfer 🐞"], "sub/c": ["two lines"]}
OBJECTS = [
    {"video": "b", "caption": "A red bird."},
    {"video": "a", "caption": "  Ein  Käfer 🐞"},
    {"video": "b.mp4", "caption": 'It sings, "la"'},
    {"video": "nowhere", "caption": "x"},
    {"video": "sub/c.webm", "caption": "two\nlines"},
    {"video": "a", "caption": "  "},
]
CSV = (
    'video,caption\nb,A red bird.\na,"  Ein  Käfer 🐞"\nb.mp4,"It sings, ""la"""\nnowhere,x\nsub/c.webm,"two\nlines"\na,  \n'
)
LISTED = {
    "b": [OBJECTS[0]["caption"], OBJECTS[2]["caption"]],
    "a": "Ein Käfer 🐞",
    "sub/c.mp4": ["two lines"],
    "nowhere": [],
}


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("sign", [";", "\t"])
def test_the_first_line_of_a_csv_tells_what_separates_cells(write, sign):
    rows = ["filename{}text", "b.mp4{}A red, fast bird", 'a{}"one{} two"']
    found, unknown = read_captions(write("c.csv", "\r\n".join(rows).replace("{}", sign)), IDS)
    assert found == {"b": ["A red, fast bird"], "a": [" ".join(f"one{sign} two".split())]} and unknown == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", CSV),
        ("c.CSV", "\ufeff" + CSV.replace("video,caption", " Filename , Sentence").replace("\n", "\r\n", 1)),
        ("c.csv", "id,n,text\n" + "".join(f"{x},0,{y}\n" for x, y in [("b", "A red bird."), ("a", "Ein Käfer 🐞")])),
        ("c.jsonl", "\n\n".join(map(json.dumps, OBJECTS)) + "\n"),
        (
            "c.jsonl",
            "".join(json.dumps({"clip": x, "sentences": y}, ensure_ascii=False) + "\r\n" for x, y in LISTED.items()),
        ),
        ("c.json", json.dumps(OBJECTS)),
        ("c.json", json.dumps([{"video_id": x, "captions": y, "more": 1} for x, y in LISTED.items()])),
        ("c.json", json.dumps(LISTED)),
    ],
)
def test_every_form_gives_the_same(write, name, content):
    found, unknown = read_captions(write(name, content), IDS)
    expected = dict(EXPECTED)
    if '"  "' in content or "a,  \n" in content:  # one without a word keeps its place
        expected["a"] = [*EXPECTED["a"], ""]
    if ",n," in content:
        expected = {"b": EXPECTED["b"][:1], "a": EXPECTED["a"]}
    assert found == expected
    has_caption = re.search('nowhere(,|", "caption": ")x', content)  # of a video that there is not
    assert unknown == (["nowhere"] if has_caption else [])
    assert list(found)[:2] == ["b", "a"]  # in the order of the file


def test_a_video_is_named_by_its_id_or_its_file(write):
    """An id with a dot in it is not another's with a suffix."""
    rows = ["v1.2,x", "./v1.2.mp4,y", "v1,z", "v1.avi,w", '"q""d, e.mov",q']
    found, unknown = read_captions(write("c.csv", "video,caption\n" + "\n".join(rows)), IDS)
    assert (found, unknown) == ({"v1.2": ["x", "y"], "v1": ["z", "w"], 'q"d, e': ["q"]}, [])


@pytest.mark.parametrize("name", ["", ".", "..", "/", "/a", "../a", ".a", "a/", "a/.mp4", "a\0", "sub", "sub/"])
def test_odd_names_are_unknown(write, name):
    assert read_captions(write("c.json", json.dumps({name: "x"})), IDS) == ({}, [name])


def test_half_a_letter_in_a_caption_becomes_a_mark(write):
    assert read_captions(write("c.json", '{"a": "bad \\ud800 word", "b\\udc80": "x"}'), IDS) == (
        {"a": ["bad ? word"]},
        ["b\udc80"],
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.csv", "", "line 1: found the columns none, expected a column 'video' and a column 'caption'"),
        ("c.csv", "video caption\na b\n", "line 1: found the columns video caption, expected"),
        ("c.csv", "video;caption\na;b;c\n", "line 2: 3 cells, expected 2"),
        ("c.csv", "video,words\na,b\n", "line 1: found the columns video, words, expected"),
        ("c.csv", "video,caption\na,b\na,b,c\n", "line 3: 3 cells, expected 2"),
        ("c.csv", "video,caption\na\n", "line 2: 1 cells, expected 2"),
        ("c.csv", 'video,caption\na,"b\nc,d\n', "expected CSV"),
        ("c.csv", 'video,caption\na,"b"c\n', "line 2: "),
        ("c.csv", b"video,caption\na,\xff\n", "not UTF-8 text"),
        ("c.csv", "video,caption\na,b\n".encode("utf-16"), "not UTF-8 text"),
        ("c.csv", "video,caption\na," + "x" * 200_000, "line 2: field larger than"),
        ("c.jsonl", '{"video": "a", "caption": "b"}\n{"video": "a"\n', "line 2: "),
        ("c.jsonl", '\n["a", "b"]\n', "line 2: expected an object with 'video' and 'caption'"),
        ("c.jsonl", '{"video": "a"}\n', "line 1: expected an object with 'video' and 'caption'"),
        ("c.jsonl", '{"video": 3, "caption": "b"}\n', "line 1: found 3 and 'b', expected a video and its caption as text"),
        ("c.jsonl", '{"video": "a", "caption": ["b", null]}\n', "line 1: found 'a' and None, expected"),
        ("c.json", "", "file: Expecting value"),
        ("c.json", '{"a": ', "expected JSON"),
        ("c.json", "[" * 100_000, "expected JSON"),
        ("c.json", '"a"', "found a str, expected a list or a map of captions"),
        ("c.json", "3", "found a int, expected"),
        ("c.json", '{"a": {"caption": "b"}}', "'a': found 'a' and {'caption': 'b'}, expected"),
        ("c.json", '{"a": [["b"]]}', "'a': found 'a' and ['b'], expected"),
        ("c.json", '[{"video": "a", "caption": "b"}, "a"]', "entry 2: expected an object with 'video' and 'caption'"),
        ("c.json", '[{"video": "a", "caption": 9}]', "entry 1: found 'a' and 9, expected"),
        ("c.txt", "a b\n", "unknown kind of file, expected .csv, .json or .jsonl"),
    ],
)
def test_other_content_gets_one_line(write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError) as refused:
        read_captions(path, IDS)
    assert str(refused.value).startswith(f"{path}: ") and message in str(refused.value)


def test_long_content_is_shortened_in_messages(write):
    """The annotations of a published data set are such a file: {"sentences": [{"video_id": ...}, ...]}."""
    content = {
        "sentences": [{"video_id": "a", "caption": "b" * 10_000, "sen_id": i} for i in range(3)],
        "videos": "v" * 10_000,
    }
    with pytest.raises(InputError) as refused:
        read_captions(write("c.json", json.dumps(content)), IDS)
    assert len(str(refused.value)) < 500
    assert read_captions(write("c.json", json.dumps({"x" * 10_000: ["y"]})), IDS)[1] == ["x" * 10_000]


def test_missing_captions_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere.csv: not found, expected captions"):
        read_captions(tmp_path / "nowhere.csv", IDS)


@pytest.mark.parametrize(
    ("number", "split", "sizes"),
    [
        (100, "80/10/10", (80, 10, 10)),
        (10, "80/10/10", (8, 1, 1)),
        (7, "80/10/10", (5, 1, 1)),
        (3, "80/10/10", (1, 1, 1)),
        (2, "80/10/10", (2, 0, 0)),
        (1, "80/10/10", (1, 0, 0)),
        (0, "80/10/10", (0, 0, 0)),
        (60, "1/1/1", (20, 20, 20)),
        (50, "100/0/0", (50, 0, 0)),
        (50, "0/0/100", (0, 0, 50)),
        (40, "50/0/50", (20, 0, 20)),
    ],
)
def test_split_sizes(number, split, sizes):
    ids = [f"v{i}" for i in range(number)]
    parts = make_splits(ids, parse_split_shares(split), 3)
    assert list(parts) == list(SPLITS) and tuple(map(len, parts.values())) == sizes
    assert sorted(video for part in parts.values() for video in part) == sorted(ids)  # each once
    assert parts == make_splits(ids[::-1], parse_split_shares(split), 3)  # whatever their order


def test_splits_are_random_by_seed_and_stable():
    ids = [f"v{i}" for i in range(1000)]
    shares = parse_split_shares("80/10/10")
    parts = make_splits(ids, shares, 0)
    other = make_splits(ids, shares, 1)
    assert parts != other and len(set(parts["test"]) & set(other["test"])) < 40
    assert 300 < sum(int(video[1:]) for video in parts["test"]) / 100 < 700
    more = make_splits([*ids, *(f"w{i}" for i in range(50))], shares, 0)
    assert sum(video in more[part] for part in SPLITS for video in parts[part]) > 970


@pytest.mark.parametrize(
    "text", ["", "80", "80/20", "80/10/10/0", "a/b/c", "-80/10/10", "0/0/0", "80/10/1e1", "1000/0/0", "80 /10/10"]
)
def test_invalid_split_shares(text):
    with pytest.raises(InputError, match="expected the shares of train, val and test, such as 80/10/10"):
        parse_split_shares(text)


def test_given_lists(tmp_path):
    captions = dict.fromkeys("abcdef")
    for part, listed in {"train": "a b x", "val": "c", "test": "y e d"}.items():
        (tmp_path / f"{part}_list.txt").write_text("\n".join(listed.split()))
    expected = ({"train": ["a", "b"], "val": ["c"], "test": ["e", "d"]}, ["x", "y"])
    assert read_splits(tmp_path, captions) == expected
    (tmp_path / "val_list.txt").write_text("c.webm\n")  # by its file
    assert read_splits(tmp_path, captions) == expected
    with pytest.raises(InputError, match=f"{tmp_path}: none of 7 names is a video with captions, expected .* such as 'q'"):
        read_splits(tmp_path, {"q": None})
    (tmp_path / "val_list.txt").write_text("b\n")
    with pytest.raises(InputError, match="val_list.txt: 'b' is in train_list.txt, too"):
        read_splits(tmp_path, captions)
    (tmp_path / "val_list.txt").unlink()
    with pytest.raises(InputError, match="val_list.txt: not found"):
        read_splits(tmp_path, captions)


def test_a_listed_video_without_a_caption_is_not_another(tmp_path):
    """The id v.1 without its suffix is that of another video; and a file is named before an id."""
    for part, listed in {"train": "v.1", "val": "v", "test": "w.mp4"}.items():
        (tmp_path / f"{part}_list.txt").write_text(listed)
    files = {"v.mp4": "v", "v.1.mp4": "v.1", "w.mp4": "w", "w.mp4.mkv": "w.mp4"}
    parts, left_out = read_splits(tmp_path, dict.fromkeys(["v", "w", "w.mp4"]), files)
    assert (parts, left_out) == ({"train": [], "val": ["v"], "test": ["w"]}, ["v.1"])


FORMS = st.sampled_from(["NFC", "NFD"])


@given(st.text("eéu\u0308\u0323ŵ가각 が.\u212b", min_size=1, max_size=8), FORMS, FORMS)
def test_names_meet_ids_in_any_unicode_form(tmp_path_factory, name, caption_form, list_form):
    """File names on macOS are in NFD, captions may be in NFC, or the other way round."""
    folder = tmp_path_factory.mktemp("forms")
    video = unicodedata.normalize("NFC", f"x{name}x")
    given_name = unicodedata.normalize(caption_form, video)
    (folder / "captions.json").write_text(json.dumps({given_name: "one", f"{given_name}.mp4": "two", "others": "x"}))
    found, unknown = read_captions(folder / "captions.json", [video, "y", "z"])
    assert found == {video: ["one", "two"]} and unknown == ["others"]
    for part, listed in zip(SPLITS, (video, "y", "z"), strict=True):
        (folder / f"{part}_list.txt").write_text(unicodedata.normalize(list_form, listed))
    parts, left_out = read_splits(folder, {video: [], "y": [], "z": []})
    assert (parts["train"], left_out) == ([video], [])


def test_captions_without_a_word_keep_the_places_of_the_others(write):
    found, unknown = read_captions(write("c.csv", "video,caption\na,\na,one\na, \na,two\nb,\n"), IDS)
    assert found == {"a": ["", "one", "", "two"]} and unknown == []


def test_random_lists_are_in_the_order_of_the_ids():
    """Lists in a fixed order can be compared with `diff`."""
    ids = [f"v{i:03}" for i in range(200)]
    for listed in make_splits(ids, parse_split_shares("60/20/20"), 5).values():
        assert listed == sorted(listed) and len(listed) > 30
