"""The videos of an index in the stored format, which another program may have written."""

import hypothesis.strategies as st
import pytest
from helpers.properties import examples
from helpers.search_collection import make_metadata
from hypothesis import given

from misc.searching.index.metadata import IndexedVideos, VideoColumns
from misc.searching.windows import item_id, video_of
from utils.errors import InputError

METADATA = make_metadata(["a", "b"], [3, 4])
COLUMNS = {"next": 9, "ids": ["x", "y"], "numbers": [2, 8], "available": ["10", "11"]}


def test_numbers_of_removed_videos_are_not_used_again():
    videos = IndexedVideos(METADATA, VideoColumns(**COLUMNS))
    videos.remove(["y"])
    assert videos.add(["z"], ["01"]) == [9]
    assert videos.columns.model_dump() == {
        "next": 10,
        "ids": ["x", "z"],
        "numbers": [2, 9],
        "available": ["10", "01"],
        "versions": ["", ""],
    }


ITEMS = ["x", "y", "z", item_id("film", (0.0, 10.0)), item_id("film", (10.0, 20.0))]
CHANGES = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.sampled_from(ITEMS), st.sampled_from(["00", "01", "11"])), max_size=3))
)


@examples(100)
@given(CHANGES)
def test_items_are_those_of_plain_dicts(changes):
    videos, expected, number = IndexedVideos(METADATA), {}, 0
    for is_added, rows in changes:
        rows = {item: bits for item, bits in rows if (item in expected) != is_added}
        if is_added:
            assert videos.add(list(rows), list(rows.values()), [f"v{bits}" for bits in rows.values()]) == [
                *range(number, number + len(rows))
            ]
            expected |= {item: (number + i, bits) for i, (item, bits) in enumerate(rows.items())}
            number += len(rows)
        else:
            videos.remove(list(rows))
            expected = {item: row for item, row in expected.items() if item not in rows}
        assert videos.columns.ids == list(videos.numbers) == list(expected) and len(videos) == len(expected)
        for item in ITEMS:
            assert videos.available_of(item) == (expected[item][1] if item in expected else None)
            assert (item in videos) == (item in expected)
            assert videos.items_of(video_of(item)) == [x for x in expected if video_of(x) == video_of(item)]
        for item, (number_of_item, bits) in expected.items():
            assert (videos.version_of(item), videos.id_of(number_of_item)) == (f"v{bits}", item)
        assert videos.num_videos == len(videos.by_video()) == len({video_of(item) for item in expected})
        numbers = {bits: [n for n, x in expected.values() if x == bits] for bits in ("00", "01", "11")}
        assert {x: y.tolist() for x, y in videos.by_pattern().items()} == {x: y for x, y in numbers.items() if y}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": ["x", "x"]}, "a repeated video"),
        ({"versions": ["1"]}, "columns of different lengths"),
        ({"available": ["10", "1"]}, "expected 2 times 0 or 1"),
        ({"available": ["10", "12"]}, "expected 2 times 0 or 1"),
        ({"numbers": [-1, 8]}, "expected ascending numbers below 9"),
        ({"numbers": [8, 2]}, "expected ascending numbers below 9"),
        ({"numbers": [8, 8]}, "expected ascending numbers below 9"),
        ({"numbers": [2, 9]}, "expected ascending numbers below 9"),  # a new video would get it, too
        ({"numbers": [2, 1 << 62], "next": 1 << 63}, "expected ascending numbers below"),
    ],
)
def test_damaged_columns_are_refused(change, message):
    with pytest.raises(InputError, match=rf"^index: damaged: .*{message}.*; rebuild the index"):
        IndexedVideos(METADATA, VideoColumns(**COLUMNS | change), "index")
