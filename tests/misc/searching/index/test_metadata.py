"""The videos of an index in the stored format, which another program may have written."""

import pytest
from helpers.search_collection import make_metadata

from misc.searching.index.metadata import IndexedVideos, VideoColumns
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
