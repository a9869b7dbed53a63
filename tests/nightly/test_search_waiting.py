"""Processes that search at the same time."""

import contextlib

from helpers.waiting_search import INDEX, RESUME, started

from misc.searching.index.vector_store import lock_index


def test_two_first_searches_build_one_index(collection):
    search = ["--video", "video3", *RESUME, "--json"]
    INDEX.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        with lock_index(INDEX):
            processes = [stack.enter_context(started(*search)) for _ in range(2)]
        results = [(*process.communicate(), process.returncode, first) for process, first in processes]
    assert [code for _, _, code, _ in results] == [0, 0], results
    assert results[0][0] == results[1][0] != ""
    assert all(first == ["no index of Toy yet: building it\n"] for *_, first in results)
    rest = sorted((err for _, err, *_ in results), key=len)
    assert sum("44 videos in" in err for err in rest) == 1
    assert sum("another process has built it: using that index" in err for err in rest) == 1
