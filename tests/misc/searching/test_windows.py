"""Windows of long videos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.windows import SEPARATOR, Moment, Windows, as_moments, item_id, make_windows, split_item, video_of
from utils.errors import InputError


@given(st.floats(1, 60), st.floats(0.05, 1), st.floats(30, 4000))
def test_windows_contain_all_of_a_video(window, share, length):
    windows = Windows(window=window, stride=max(0.5, window * share))
    spans = windows.cut(length)
    assert spans[0][0] == 0 and spans[-1][1] == pytest.approx(length, abs=1e-3)
    for i, (start, end) in enumerate(spans):
        assert start == pytest.approx(i * windows.stride, abs=1e-3) and end > start
        if i < len(spans) - 1:
            assert end - start == pytest.approx(window, abs=2e-3)
            assert spans[i + 1][0] <= end + 1e-9 and spans[i + 1][1] > end
    last = spans[-1][1] - spans[-1][0]
    assert last <= window + windows.stride / 2 + 2e-3
    assert len(spans) == 1 or last >= window - windows.stride / 2 - 2e-3


def test_the_default_is_ten_seconds():
    assert make_windows(None, None) == Windows(window=10, stride=10)
    assert Windows().cut(36) == [(0, 10), (10, 20), (20, 30), (30, 36)]
    assert Windows().cut(34) == [(0, 10), (10, 20), (20, 34)]
    assert Windows(window=10, stride=5).cut(30) == [(0, 10), (5, 15), (10, 20), (15, 25), (20, 30)]


def test_a_stride_is_the_window_unless_it_is_given():
    before = Windows(window=20, stride=5)
    assert make_windows(8, None, before) == Windows(window=8, stride=8)
    assert make_windows(None, 4, before) == Windows(window=20, stride=4)
    assert make_windows(8, 2, before) == Windows(window=8, stride=2)
    assert make_windows(0, None, before) is None


@pytest.mark.parametrize(
    ("window", "stride", "message"),
    [
        (0.5, None, "^--window 0.5: expected 1 to 3600 seconds, or 0 for whole videos$"),
        (3601, None, "--window 3601"),
        (-1, None, "--window -1"),
        (float("nan"), None, "--window nan"),
        (10, 11, "^--stride 11: expected 0.5 to 10 seconds, the window$"),
        (10, 0.4, "--stride 0.4"),
        (None, 11, "^--stride 11: expected 0.5 to 10"),
        (0, 5, "--stride: expected no stride with --window 0"),
    ],
)
def test_numbers_out_of_bounds_are_refused(window, stride, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        make_windows(window, stride)


@given(st.text(st.characters(blacklist_characters=SEPARATOR), min_size=1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_an_item_has_its_video_and_its_span(video, start, end):
    assert split_item(item_id(video, (start, end))) == (video, (start, end))
    assert split_item(item_id(video, None)) == (video, None) and video_of(item_id(video, (start, end))) == video


def test_moments_are_the_first_windows():
    items = [("v", 9.0), *((item_id("v", (float(i), i + 1.0)), 8.0 - i) for i in range(5))]
    assert as_moments(items) == [Moment(0, 1, 8), Moment(1, 2, 7), Moment(2, 3, 6)]
    assert as_moments([("v", 1.0)]) == []


def test_moments_that_are_mostly_one_are_shown_once():
    spans = [(58, 63), (56, 61), (60, 65), (60.5, 65.5), (50.5, 58), (70, 75), (20, 25)]
    chosen = as_moments((item_id("v", span), 1.0) for span in spans)
    assert [(x.start, x.end) for x in chosen] == [(58, 63), (60.5, 65.5), (50.5, 58)]
