"""The folders of an experiment, and which of them a purge may delete."""

import sys

import pytest

from base.experiment import FOLDERS, Run, purge_runs
from base.runs import run_lock
from utils.errors import InputError


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.is_symlink())


def test_runs_of_the_same_second_differ(tmp_path):
    runs = [Run.create(tmp_path, "toy-ce") for _ in range(4)]
    assert len({run.id for run in runs}) == 4
    for run in runs:
        for kind, folder in zip(FOLDERS, (run.models, run.log, run.web), strict=True):
            assert folder == tmp_path / kind / "toy-ce" / run.id
            assert folder.is_dir()
    only = Run.create(tmp_path, "toy-ce", kinds=("log",))
    assert only.log.is_dir()
    assert not only.models.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "log").write_text("a file")
    with pytest.raises(InputError, match=r"log/toy-ce: cannot be created \(Not a directory\)"):
        Run.create(tmp_path, "toy-ce")


def test_a_checkpoint_leads_back_to_its_run(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "saved", "toy-ce")
    part = run.with_seed(12).with_folders()
    assert part.models == run.models / "seed-12"
    assert part.log.is_dir()
    for expected in (run, part):
        assert Run.of_checkpoint(expected.models / "trained_model.pth") == expected
        monkeypatch.chdir(expected.models)
        assert Run.of_checkpoint(type(tmp_path)("trained_model.pth")) == expected  # by a relative path
    named = Run.create(tmp_path, "seed-study")  # its folder begins as that of a seed
    assert Run.of_checkpoint(named.models / "trained_model.pth") == named


@pytest.mark.parametrize(
    "path", ["x.pth", "downloads/x.pth", "log/toy-ce/2020/x.pth", "models/x.pth", "models/toy-ce/x.pth"]
)
def test_a_checkpoint_outside_of_runs_has_no_run_and_makes_no_folder(tmp_path, path):
    checkpoint = tmp_path / path
    assert Run.of_checkpoint(checkpoint) is None
    assert list(tmp_path.iterdir()) == []
    assert Run.of_checkpoint(type(tmp_path)("/x.pth")) is None


@pytest.fixture
def saved(tmp_path):
    """Write two experiments, one name a prefix of the other, and a run with a link to a file outside."""
    folder = tmp_path / "saved"
    for name in ("toy-ce", "toy-ce-2"):
        for run in (Run.create(folder, name), Run.create(folder, name)):
            for kind in FOLDERS:
                (run.folder(kind) / "file").write_text("x")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("x")
    (run.models.parent.parent / "toy-ce" / "link").symlink_to(tmp_path / "outside")
    return folder


def test_a_purge_deletes_only_the_runs_of_one_experiment(saved):
    kept = [name for name in files(saved.parent) if "/toy-ce/" not in name]
    assert len(kept) == 7
    purge_runs(saved, "toy-ce", agreed=True)
    assert files(saved.parent) == kept
    purge_runs(saved, "toy-ce", agreed=True)  # nothing is left to delete
    purge_runs(saved.parent / "absent", "toy-ce", agreed=True)
    assert files(saved.parent) == kept


def test_a_purge_keeps_the_given_run(saved):
    first, second = sorted(path.name for path in (saved / "models" / "toy-ce").iterdir() if not path.is_symlink())
    others = [name for name in files(saved.parent) if "/toy-ce/" not in name]
    purge_runs(saved, "toy-ce", agreed=True, keep=second)
    for kind in FOLDERS:
        assert (saved / kind / "toy-ce" / second / "file").exists() and not (saved / kind / "toy-ce" / first).exists()
        assert not (saved / kind / "toy-ce" / "link").is_symlink()
    assert [name for name in files(saved.parent) if "/toy-ce/" not in name] == others


@pytest.mark.parametrize("seed", ["", "seed-1"])
def test_a_purge_leaves_a_run_that_is_being_trained(saved, caplog, seed):
    first, second = sorted(path.name for path in (saved / "models" / "toy-ce").iterdir() if not path.is_symlink())
    (saved / "models" / "toy-ce" / first / "seed-1").mkdir()
    with run_lock(saved / "models" / "toy-ce" / first / seed):
        purge_runs(saved, "toy-ce", agreed=True)
    for kind in FOLDERS:
        assert [path.name for path in (saved / kind / "toy-ce").iterdir()] == [first]
    assert f"{first}: another process is training there, not deleted" in caplog.text
    purge_runs(saved, "toy-ce", agreed=True)
    assert not list(saved.glob("*/toy-ce"))


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../..", "../../outside", "../models", "../log/toy-ce", "toy-ce/..", "link", "alias"]
)
def test_a_purge_never_leaves_the_experiment(saved, name):
    for kind in FOLDERS:
        (saved / kind / "link").symlink_to(saved.parent / "outside")
        (saved / kind / "alias").symlink_to(saved / kind / "toy-ce")
    before = files(saved.parent)
    with pytest.raises(InputError, match="nothing is deleted"):
        purge_runs(saved, name, agreed=True)
    assert files(saved.parent) == before


def test_a_purge_through_a_linked_kind_or_absolute_name_is_refused(saved):
    elsewhere = saved.parent / "elsewhere"
    (saved / "web").rename(elsewhere)
    (saved / "web").symlink_to(elsewhere)
    before = files(saved.parent)
    for name in ("toy-ce", str(saved.parent / "outside")):
        with pytest.raises(InputError, match="nothing is deleted"):
            purge_runs(saved, name, agreed=True)
    assert files(saved.parent) == before


@pytest.mark.parametrize(
    ("terminal", "answer", "message"),
    [(False, None, "expected --yes"), (True, "", "declined"), (True, "no", "declined"), (True, " Y ", None)],
)
def test_a_purge_needs_consent(saved, monkeypatch, terminal, answer, message):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: terminal, raising=False)
    questions = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or answer)
    before = files(saved)
    if message is None:
        purge_runs(saved, "toy-ce", agreed=False)
        assert all(str(saved / kind / "toy-ce") in questions[0] for kind in FOLDERS)
        assert files(saved) == [name for name in before if "/toy-ce/" not in name]
        return
    with pytest.raises(InputError, match=message):
        purge_runs(saved, "toy-ce", agreed=False)
    assert files(saved) == before
    assert len(questions) == terminal
