"""Test files mirror the tree of the project, and none is long."""

import pytest
from helpers.mutate import load_mutations
from helpers.paths import ROOT

TESTS = ROOT / "tests"
MIRRORED = ("base", "data_loader", "figs", "logger", "misc", "model", "trainer", "utils")
OTHER = {"fixtures", "helpers", "integration", "nightly"}
COMMANDS = [
    "test_parse_config.py",
    "test_parse_config_corrected.py",
    "test_parse_config_properties.py",
    "test_test.py",
    "test_test_eval_settings.py",
    "test_train.py",
]
MAX_LINES = 300


def has_subject(path):
    """Return whether `test_<module>.py`, or `test_<module>_<topic>.py`, is in the folder of the module or package."""
    folder = ROOT / path.parent.relative_to(TESTS)
    words = path.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:n]) for n in range(1, len(words) + 1)]
    return any(name == folder.name or (folder / f"{name}.py").is_file() or (folder / name).is_dir() for name in names)


def test_folders_and_commands():
    assert {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"} == {*MIRRORED, *OTHER}
    assert sorted(path.name for path in TESTS.glob("test_*.py")) == COMMANDS


@pytest.mark.parametrize("folder", MIRRORED)
def test_each_file_is_named_after_a_module(folder):
    paths = [path for path in sorted((TESTS / folder).rglob("*.py")) if path.name != "conftest.py"]
    assert [str(path.relative_to(TESTS)) for path in paths if not has_subject(path)] == []


def test_helpers_hold_no_tests_and_tests_import_no_tests():
    assert [path.name for path in (TESTS / "helpers").rglob("test_*.py")] == []
    assert [path.name for path in TESTS.rglob("test_*.py") if "\nfrom test_" in path.read_text()] == []


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in TESTS.rglob("*.py")}
    assert {name: count for name, count in lengths.items() if count > MAX_LINES} == {}


def test_each_mutation_changes_one_place_and_names_tests_that_exist():
    """Otherwise `tests/helpers/mutate.py`, which runs nightly, fails after a change of the code or of the name of a test."""
    for mutation in load_mutations():
        assert (ROOT / mutation.path).read_text().count(mutation.old) == 1, mutation
        files, _, word = mutation.tests.partition(" -k ")
        paths = [ROOT / name for name in files.split()]
        assert all(path.exists() for path in paths), mutation
        assert not word or any(word in path.read_text().lower() for path in paths), mutation
