"""Filters of a search, against plain conditions on files whose lengths and dates are known."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import pyav_videos

from misc.searching import filters
from misc.searching.filters import Condition, FileFacts, parse_conditions, read_facts, select_videos
from utils.errors import InputError

FILES = {  # id -> length in seconds and date of the last change
    "birds/Red Robin": (1, "2023-12-31"),
    "birds/far/wren": (2, "2024-05-01"),
    "birdsong/x": (3, "2024-05-31"),
    "cat": (4, "2024-06-01"),
}
NOON = 1_699_963_200_000_000_000  # 14 November 2023, 12:00 UTC, in nanoseconds
IDS = [*FILES, "lost"]  # the last one has no file


class Collection:
    """Videos whose files are in a folder; some have the expert speech."""

    folder = Path("data/Toy")

    def __init__(self, folder):
        self.ids, self._folder = IDS, folder

    def get_file(self, video):
        return self._folder / f"{video}.mkv" if video in FILES else None

    def videos_with(self, name):
        if name != "speech":
            raise InputError(f"expert '{name}': not there")
        return {"cat", "lost"}


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for video, (length, date) in FILES.items():
        path = folder / f"{video}.mkv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyav_videos.write(path, np.zeros((8 * length, 32, 32, 3), np.uint8), 8)
        changed = time.mktime(time.strptime(f"{date} 12", "%Y-%m-%d %H"))
        os.utime(path, (changed, changed))
    return Collection(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("folder=birds", IDS[:2]),
        ("folder=birds/", IDS[:2]),
        ("folder=birds/far", IDS[1:2]),
        ("folder!=birds", IDS[2:]),
        ("folder=/", IDS),
        ("folder=Birds", []),
        ("name=red", IDS[:1]),
        ("'name=red robin'", IDS[:1]),
        ("name=r*", IDS[:1]),
        ("name=?at", ["cat"]),
        ("name=birds", []),
        ("name=cat.MP4", ["cat"]),
        ("name=cat.x", []),
        ("name=ca.mp4", []),
        ("name=c*.mp4", ["cat"]),
        ("name!=cat.mp4", [*IDS[:3], "lost"]),
        ("name!=*r*", IDS[2:]),
        ("name=[rx]*", []),
        ("length<3", IDS[:2]),
        ("length<=3s", IDS[:3]),
        ("length>3", ["cat"]),
        ("length>=2.5", IDS[2:4]),
        ("length=2", IDS[1:2]),
        ("length!=2", [IDS[0], IDS[2], "cat"]),
        ("date=2024", IDS[1:4]),
        ("date=2024-05", IDS[1:3]),
        ("date=2024-5-31", IDS[2:3]),
        ("date<2024-05", IDS[:1]),
        ("date<=2024-05", IDS[:3]),
        ("date>2024-05", ["cat"]),
        ("date>=2024-05-31", IDS[2:4]),
        ("date!=2024", IDS[:1]),
        ("has=speech", ["cat", "lost"]),
        ("has!=speech", IDS[:3]),
        ("folder=birds length>1", IDS[1:2]),
    ],
)
def test_conditions_select_the_videos_for_which_they_hold(collection, monkeypatch, text, expected):
    facts = {video: FileFacts([1, 2], length, date) for video, (length, date) in FILES.items()}
    monkeypatch.setattr(filters, "read_facts", lambda *_: facts)
    assert select_videos(collection, parse_conditions([text])) == set(expected)


def test_several_texts_are_all_conditions(collection):
    conditions = parse_conditions(["folder=birds", "length>1 date>2020"])
    assert conditions == [Condition("folder", "=", "birds"), Condition("length", ">", "1"), Condition("date", ">", "2020")]
    assert select_videos(collection, conditions) == {"birds/far/wren"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bird", "--where bird: expected such as folder=birds"),
        ("", "--where: empty, expected such as folder=birds"),
        (" ", "--where: empty, expected such as"),
        ("folder=birds ''", "--where: empty, expected such as"),
        ("size<3", "--where size<3: expected such as"),
        ("length<", "--where length<: expected such as"),
        ("length<abc", "--where length<abc: expected a number of seconds"),
        ("length<-1", "expected a number of seconds"),
        ("length<nan", "expected a number of seconds"),
        ("date=2024-13", "--where date=2024-13: expected a date such as 2024"),
        ("date=2024-02-30", "expected a date"),
        ("date=yesterday", "expected a date"),
        ("folder<birds", "--where folder<birds: '<', expected = or != with folder"),
        ("name='x", "No closing quotation"),
    ],
)
def test_invalid_conditions_are_one_line(text, message):
    with pytest.raises(InputError) as error:
        parse_conditions([text])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_expert_is_refused(collection):
    with pytest.raises(InputError, match="expert 'sound': not there"):
        select_videos(collection, parse_conditions(["has=sound"]))


def test_only_changed_files_are_read_again(collection, tmp_path, monkeypatch):
    path, read = tmp_path / "index" / filters.FILE, []
    original = filters._read_file
    monkeypatch.setattr(filters, "_read_file", lambda file, state: read.append(file.name) or original(file, state))
    first = read_facts(collection, path)
    assert len(read) == 4 and [about.date for about in first.values()] == [date for _, date in FILES.values()]
    assert [about.length for about in first.values()] == pytest.approx([length for length, _ in FILES.values()], abs=0.2)
    assert read_facts(collection, path) == first and len(read) == 4
    content = json.loads(path.read_text())
    content["cat"][0][0] += 1  # another size
    path.write_text(json.dumps(content))
    assert read_facts(collection, path) == first and read[4:] == ["cat.mkv"]
    path.write_text("[]")
    assert read_facts(collection, path) == first and len(read) == 9


def test_the_date_of_a_recording_precedes_that_of_its_file(tmp_path):
    path = pyav_videos.write(tmp_path / "a.mp4", np.zeros((8, 32, 32, 3), np.uint8), 8, form=None)
    import av

    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mp4"), "w") as target:
        target.metadata["creation_time"] = "2019-07-15T12:00:00Z"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert filters._read_file(tmp_path / "b.mp4", [0, 0]).date == "2019-07-15"
    (tmp_path / "c.mp4").write_bytes(b"no video")
    assert filters._read_file(tmp_path / "c.mp4", [0, NOON]) == ([0, NOON], None, "2023-11-14")
