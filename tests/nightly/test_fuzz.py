"""Mutated files of every kind give a valid result or one clear line."""

import os

import pytest
from helpers.fuzzing import in_parts, kinds, read_mutations
from helpers.hostile import read_shared_memory
from helpers.isolated_process import MIB, outcome

KINDS = ["pickle", "npy", "hdf5", "msgpack", "checkpoint", "legacy checkpoint", "config", "cache", "archive"]
FEW, AT_ONCE = 112, 250  # of each kind
MANY = int(os.environ.get("FUZZ_INPUTS", "150"))  # of each kind, the few included; misc/docs/reliability.md reports 1,500


def problems_of(kind, folder, seeds):
    """Return the problems with these seeds, read in another process; if it crashes, one by one."""
    found = outcome(read_mutations, kind, folder, seeds, seconds=400)
    if found.kind in ("crashed", "hung") and len(seeds) > 1:
        half = len(seeds) // 2
        return problems_of(kind, folder, seeds[:half]) + problems_of(kind, folder, seeds[half:])
    if found.kind != "returned" or found.text != "[]":
        return [f"{seeds}: {found.kind} {found.text}"]
    return [f"{seeds}: took {found.growth // MIB} MiB"] * (found.growth > 500 * MIB)


@pytest.mark.share
def test_every_kind_is_mutated(tmp_path):
    assert list(kinds(tmp_path)) == KINDS
    assert FEW * len(KINDS) >= 1000


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_that_are_mutated_can_be_read(tmp_path, kind):
    files, read = kinds(tmp_path)[kind]
    for data in files:
        read(tmp_path, data)


@pytest.mark.share
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_mutated_files(tmp_path, kind):
    assert problems_of(kind, tmp_path, range(FEW)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_more_mutated_files(tmp_path, kind, capsys):
    assert MANY > FEW, f"FUZZ_INPUTS={MANY}: expected more than the {FEW} of `test_a_few_mutated_files`"
    parts = in_parts(range(FEW, MANY), AT_ONCE)
    problems = [problem for seeds in parts for problem in problems_of(kind, tmp_path, seeds)]
    with capsys.disabled():
        print(f"\nfuzzed: {kind}: {MANY} inputs, {len(problems)} problems")
    assert problems == []


@pytest.mark.share
def test_no_random_pickle_shares_memory():
    """See `test_no_pickle_shares_memory` in `tests/utils/test_safe_pickle.py`."""
    assert read_shared_memory.problems_in_process(600) == []
