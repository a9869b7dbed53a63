"""Test files mirror the tree of the project, and none is long."""

import ast

import pytest
from helpers.daily import cases_of_today
from helpers.mutate import choose, load_mutations, parse_part
from helpers.paths import ROOT

TESTS = ROOT / "tests"
MIRRORED = ("base", "data_loader", "figs", "logger", "misc", "model", "trainer", "utils")
OTHER = {"fixtures", "helpers", "integration", "nightly"}
COMMANDS = [
    "test_parse_config.py",
    "test_parse_config_corrected.py",
    "test_parse_config_properties.py",
    "test_test.py",
    "test_test_checkpoint_config.py",
    "test_test_eval_settings.py",
    "test_train.py",
]
MAX_LINES = 300


# Modules without a test file of their name -> where their tests are.
TESTED_ELSEWHERE = {
    "base/schema.py": "base/test_validation.py",  # what is declared in it is checked there
    **dict.fromkeys(
        (f"data_loader/datasets/{path.name}" for path in (ROOT / "data_loader/datasets").glob("[!_]*.py")),
        "data_loader/datasets/test_datasets_layouts.py",  # each declares the files of a dataset, as all do
    ),
    "misc/demo/dataset.py": "misc/test_make_demo.py",  # the work of a command, as those below that are tested by commands
    "misc/demo/places.py": "misc/demo/test_experts.py",  # its pictures are backgrounds of clips
    "misc/evaluation/moments.py": "misc/test_evaluate_moments.py",
    "misc/evaluation/search.py": "misc/test_evaluate_search.py",
    "misc/evaluation/speech.py": "misc/test_evaluate_speech.py",
    "misc/extraction/caption_encoding.py": "misc/test_encode_captions.py",
    "misc/extraction/collection_files.py": "misc/test_extract_experts_unusable_files.py",  # names of files
    "misc/extraction/extraction.py": "misc/test_extract_experts_next.py",
    "misc/reporting/ablations.py": "misc/test_run_ablations.py",
    "misc/reporting/compared_runs.py": "misc/test_compare.py",
    "misc/reporting/fold_trainings.py": "misc/test_cross_validate.py",
    "misc/reporting/markdown_blocks.py": "misc/test_gen_readme.py",  # used through the commands that fill in pages
    "misc/reporting/pages.py": "misc/test_gen_readme.py",
    "misc/reporting/ridge.py": "misc/test_ridge_baseline.py",
    "misc/reporting/settings.py": "misc/test_cross_validate.py",  # the values of --compare
    "misc/searching/answering.py": "misc/test_search_honest.py",  # the answer to a command line
    "misc/searching/channels/channel.py": "misc/searching/channels/test_fused_result.py",  # the interface of channels
    "misc/searching/choices.py": "misc/test_search.py",  # choices of the command line
    "misc/searching/file_features.py": "misc/searching/test_collection.py",  # called by the collection
    "misc/searching/extraction_record.py": "misc/test_search_channels.py",  # read by the command
    "misc/searching/opening.py": "misc/test_search_channels.py",  # what the command opens
    "misc/searching/commands.py": "misc/test_search.py",  # the command line of `misc/search.py`
    "misc/searching/running.py": "misc/test_search.py",
    "misc/searching/index/milvus_store.py": "nightly/test_milvus_store.py",  # slow
    "misc/searching/index/vector_store.py": "misc/searching/index/test_faiss_store.py",  # the base class of the stores
    "misc/speed/evaluation.py": "nightly/test_speed_evaluation.py",  # slow
    "misc/speed/settings.py": "misc/test_benchmark.py",  # the defaults of the command line
    "misc/stamps/dataset.py": "misc/test_make_stamps.py",
    "misc/syncing/remote_archive.py": "misc/test_sync_experts.py",  # the archives of the command
    "trainer/data_parallel.py": "nightly/test_data_parallel.py",  # slow
    "trainer/launch.py": "integration/test_start.py",  # what a command does before torch is imported
    "trainer/teacher_files.py": "misc/test_make_teacher.py",
    "trainer/testing.py": "test_test.py",
    "trainer/training.py": "test_train.py",
    "utils/late_imports.py": "integration/test_start.py",
}


# Files of tests/nightly that are not named after a command, module or package -> what they are of.
NIGHTLY_SUBJECTS = {
    "test_benchmarks.py": "trainings and tests on each published dataset",
    "test_documented_commands.py": "commands of the documentation, one after the other",
    "test_extending.py": "misc/docs/extending.md",
    "test_faults.py": "trainings on full disks and without permissions",
    "test_fuzz.py": "mutated files of all kinds",
    "test_hostile.py": "hostile files of all kinds",
    "test_interruptions.py": "trainings that wait while they are interrupted",
    "test_kills.py": "trainings that are killed",
    "test_own_videos.py": "videos from files to a search",
    "test_ranking_page_accessibility.py": "the page of utils/visualizer in a browser",
    "test_ranking_page_browser.py": "the page of utils/visualizer in a browser",
    "test_real_footage.py": "real videos from files to a search",
    "test_soak.py": "a long training",
    "test_video_mutations.py": "mutated video files",
}


def subjects(path):
    """Return the names of modules that `test_<module>.py` or `test_<module>_<topic>.py` may be of."""
    words = path.stem.removeprefix("test_").split("_")
    return ["_".join(words[:n]) for n in range(1, len(words) + 1)]


def has_subject(path):
    """Return whether a test file is in the folder of its module, or, named after a package with code, in the package."""
    folder = ROOT / path.parent.relative_to(TESTS)
    is_of_package = folder.name in subjects(path) and "\ndef " in (folder / "__init__.py").read_text()
    return is_of_package or any((folder / f"{name}.py").is_file() for name in subjects(path))


def imported_tests(path):
    """Return the test modules that a file imports anywhere."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names += [*(getattr(node, "module", None) or "").split("."), *(x for y in node.names for x in y.name.split("."))]
    return [name for name in names if name.startswith("test_")]


def test_folders_and_commands():
    assert {path.name for path in TESTS.iterdir() if path.is_dir() and path.name != "__pycache__"} == {*MIRRORED, *OTHER}
    assert sorted(path.name for path in TESTS.glob("test_*.py")) == COMMANDS


@pytest.mark.parametrize("folder", MIRRORED)
def test_each_file_is_named_after_a_module(folder):
    paths = [path for path in sorted((TESTS / folder).rglob("*.py")) if path.name != "conftest.py"]
    assert [str(path.relative_to(TESTS)) for path in paths if not has_subject(path)] == []


def test_each_nightly_file_is_named_after_a_module_or_is_listed():
    modules = [*ROOT.glob("*.py"), *(path for top in MIRRORED for path in (ROOT / top).rglob("*.py"))]
    names = {path.parent.name if path.name == "__init__.py" else path.stem for path in modules}
    paths = (TESTS / "nightly").glob("test_*.py")
    assert {path.name for path in paths if names.isdisjoint(subjects(path))} == NIGHTLY_SUBJECTS.keys()


def test_helpers_hold_no_tests_and_tests_import_no_tests():
    assert [path.name for path in (TESTS / "helpers").rglob("test_*.py")] == []
    found = {str(path.relative_to(TESTS)): imported_tests(path) for path in TESTS.rglob("*.py")}
    assert {name: tests for name, tests in found.items() if tests} == {}


def test_each_module_has_tests_of_its_name_or_is_listed():
    modules = [path for top in MIRRORED for path in (ROOT / top).rglob("*.py") if path.name != "__init__.py"]
    tested = {(path.parent.relative_to(TESTS), name) for path in TESTS.rglob("test_*.py") for name in subjects(path)}
    without = {str(x.relative_to(ROOT)) for x in modules if (x.parent.relative_to(ROOT), x.stem) not in tested}
    assert without == TESTED_ELSEWHERE.keys()
    assert [name for name in TESTED_ELSEWHERE.values() if not (TESTS / name).is_file()] == []


def test_the_parts_of_the_mutations_are_all_of_them():
    parts = [choose("", *parse_part(part)) for part in ("1/3", "2/3", "3/3")]
    assert sorted(map(str, sum(parts, []))) == sorted(map(str, choose()))
    assert choose("", *parse_part("today/3")) in parts


def test_nightly_runs_take_each_case_within_as_many_days_as_there_are_parts(monkeypatch):
    monkeypatch.delenv("NIGHTLY_ALL", raising=False)
    taken = [case for day in range(739_946, 739_949) for case in cases_of_today("abcdefgh", 3, day)]
    assert sorted(taken) == list("abcdefgh")
    monkeypatch.setenv("NIGHTLY_ALL", "1")
    assert cases_of_today("abc", 3) == list("abc")


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
