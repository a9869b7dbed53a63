"""Hostile, broken and unusual archives: a refused archive changes no files."""

import gzip
import os
import stat
import tarfile
from pathlib import Path

import pytest
from helpers.archive_server import packed

from utils.errors import cli_command
from utils.files import locked
from utils.unpack import unpack

FILE, DIR, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
FEATS = "data/MSVD/symlinked-feats"
GOOD = (f"{FEATS}/rgb.pickle", b"rgb")


def link(target, kind=LINK):
    return {"type": kind, "linkname": target}


def tree(folder):
    """Return all files, folders and links with their content."""
    return {
        str(path): path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a working directory with code, features of another dataset, and folders beside it."""
    folder = tmp_path / "project"
    (folder / "data/MSRVTT").mkdir(parents=True)
    (folder / "data/MSRVTT/rgb.pickle").write_bytes(b"theirs")
    (folder / "train.py").write_bytes(b"ours")
    (tmp_path / "neighbour").mkdir()
    (tmp_path / "neighbour/file").write_bytes(b"neighbour's")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def unpacked(tmp_path, project):
    """Unpack members, or the bytes of an archive; return everything below `data`."""

    def unpacked(*members):
        archive = tmp_path / "x.tar.gz"
        archive.write_bytes(members[0] if isinstance(members[0], bytes) else packed(*members))
        unpack(archive, Path("data"), "MSVD/symlinked-feats")
        return tree(Path("data"))

    return unpacked


@pytest.fixture
def refused(tmp_path, unpacked, capsys):
    """Unpack an archive that has to be refused; return the error. Asserts that no file has changed."""

    def refused(*members):
        before = tree(tmp_path)
        with pytest.raises(SystemExit) as stop:
            cli_command(lambda: unpacked(*members))()
        err = capsys.readouterr().err
        assert stop.value.code == 2 and err.startswith("error: ") and err.count("\n") == 1
        (tmp_path / "x.tar.gz").unlink()
        assert tree(tmp_path) == before
        return err

    return refused


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("train.py", b"evil"), "leads to 'train.py', expected a place in data/"),
        (("../neighbour/file", b"evil"), "leads to '../neighbour/file'"),
        (("data/../train.py", b"evil"), "leads to 'train.py'"),
        (("data/../../neighbour/file", b"evil"), "leads to '../neighbour/file'"),
        (("data/MSVD/../../../neighbour/file", b"evil"), "leads to '../neighbour/file'"),
        (("database/file", b"evil"), "leads to 'database/file'"),
        (("data", b"evil"), "leads to 'data'"),
        (("data", link("../neighbour")), "leads to 'data'"),
        (("/tmp/evil", b"evil"), "leads to '/tmp/evil'"),
        (("//data/evil", b"evil"), "leads to '//data/evil'"),
        (("elsewhere", {"type": DIR}), "leads to 'elsewhere'"),
        ((f"{FEATS}/x", link("/etc/passwd")), "absolute path"),
        ((f"{FEATS}/x", link("../../../train.py")), "leads to 'train.py'"),
        ((f"{FEATS}/x", link("../../../../neighbour/file")), "outside the destination"),
        ((f"{FEATS}/x", link("../..")), "leads to 'data'"),
        ((f"{FEATS}/x", link("../../../../project/data/MSRVTT")), "outside the destination"),
        ((f"{FEATS}/x", link("train.py", HARD)), "leads to 'train.py'"),
        ((f"{FEATS}/x", link("../neighbour/file", HARD)), "outside the destination"),
        ((f"{FEATS}/x", link("/etc/passwd", HARD)), "absolute path"),
        ((f"{FEATS}/x", link("data/MSRVTT/rgb.pickle", HARD)), "expected an earlier file"),
        ((f"{FEATS}/x", link(FEATS, HARD)), "expected an earlier file"),
        ((f"{FEATS}/x", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}), "is a special file"),
        ((f"{FEATS}/x", {"type": tarfile.BLKTYPE, "devmajor": 1, "devminor": 3}), "is a special file"),
        ((f"{FEATS}/x", {"type": tarfile.FIFOTYPE}), "is a special file"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_member_that_leads_out_of_data_is_refused(refused, member, message):
    err = refused(GOOD, member)
    assert "x.tar.gz: refused, its member " in err and message in err


@pytest.mark.parametrize(
    "members",
    [
        [("data/MSVD/x", link("../MSRVTT")), ("data/MSVD/x/rgb.pickle", b"evil")],
        [("data/MSVD/x", link("../MSRVTT")), ("data/MSVD/x/more", {"type": DIR})],
        [("data/MSVD/x", link("../MSRVTT")), ("data/MSVD/x/more/file", b"evil")],
        [("data/MSVD/x", link("../MSRVTT")), ("data/MSVD/y", link("data/MSVD/x/rgb.pickle", HARD))],
        [("data/MSVD/x", link("symlinked-feats")), ("data/MSVD/y", link("data/MSVD/x/rgb.pickle", HARD))],
        [("data/MSVD/x", link("symlinked-feats/rgb.pickle")), ("data/MSVD/y", link("data/MSVD/x", HARD))],
        # Here the way by names stays in `data` and that by links does not: x leads to data/MSVD, so x/../.. is the project.
        [
            ("data/MSVD/a/b/x", link("../..")),
            ("data/MSVD/a/b/y", link("x/../..")),
            ("data/MSVD/a/b/y/train.py", b"evil"),
        ],
    ],
)
def test_nothing_is_written_through_a_link_of_the_archive(refused, members):
    err = refused(GOOD, *members)
    assert "behind a link" in err or "expected an earlier file" in err


def test_links_are_rewritten_so_that_they_cannot_leave_data(unpacked, project):
    """x links to data/MSVD; the name of y is data/MSVD/a/train.py, but its links lead to the project's train.py."""
    files = unpacked(
        GOOD,
        ("data/MSVD/a/b/x", link("../..")),
        ("data/MSVD/a/b/y", link("x/../../train.py")),
        ("data/MSVD/z", link("../../data/MSRVTT/rgb.pickle")),
    )
    assert files["data/MSVD/a/b/y"] == Path("../train.py")
    assert files["data/MSVD/z"] == Path("../MSRVTT/rgb.pickle")
    for path in Path("data").rglob("*"):
        assert Path(os.path.realpath(path)).is_relative_to(project / "data")


def test_long_chains_of_links_do_not_lead_out(refused, tmp_path):
    """Each link doubles the length of the way, until `os.path.realpath`, which the filter of tarfile asks, gives up."""
    long, folder, members = "d" * 247, "data/MSVD", []
    for step in "abcdefghijklmnop":
        members += [(f"{folder}/{long}", {"type": DIR}), (f"{folder}/{step}", link(long))]
        folder += f"/{long}"
    short = "data/MSVD/" + "/".join("abcdefghijklmnop")
    members += [
        (f"{short}/{'l' * 254}", link("../" * 16)),
        ("data/MSVD/escape", link(f"{short[len('data/MSVD/') :]}/{'l' * 254}/../../../../neighbour")),
        ("data/MSVD/escape/file", b"evil"),
    ]
    assert "behind a link" in refused(GOOD, *members)


def test_files_folders_and_links_are_unpacked(unpacked):
    files = unpacked(
        (".", {"type": DIR}),
        ("data", {"type": DIR}),
        (f"./{FEATS}/", {"type": DIR}),
        GOOD,
        ("data/MSVD/empty", {"type": DIR}),
        (f"{FEATS}/link", link("../more/./ocr")),
        (f"{FEATS}/dangling", link("none")),
        (f"{FEATS}/hard", link(GOOD[0], HARD)),
        ("data/MSVD//more/ocr", b"ocr"),
    )
    assert {name: content for name, content in files.items() if content is not None} == {
        "data/MSRVTT/rgb.pickle": b"theirs",
        f"{FEATS}/rgb.pickle": b"rgb",
        f"{FEATS}/hard": b"rgb",
        f"{FEATS}/link": Path("../more/ocr"),
        f"{FEATS}/dangling": Path("none"),
        "data/MSVD/more/ocr": b"ocr",
    }
    assert "data/MSVD/empty" in files
    assert Path(FEATS, "hard").samefile(Path(FEATS, "rgb.pickle")) and Path(FEATS, "link").read_bytes() == b"ocr"
    assert not any("unpacking" in name for name in files)


def test_the_last_of_several_members_of_one_name_counts(unpacked):
    files = unpacked(GOOD, (f"{FEATS}/x", link("rgb.pickle")), (f"{FEATS}/x", b"new"), (f"{FEATS}/y", b"y"), GOOD)
    assert files[f"{FEATS}/x"] == b"new" and files[f"{FEATS}/rgb.pickle"] == b"rgb"
    assert unpacked(GOOD, (f"{FEATS}/x", b"new"), (f"{FEATS}/x", link("none")))[f"{FEATS}/x"] == Path("none")
    assert unpacked(GOOD, (f"{FEATS}/x", link("none")), (f"{FEATS}/x", b"new"))[f"{FEATS}/x"] == b"new"


def test_neither_owner_nor_mode_is_taken_over(unpacked):
    unpacked((GOOD[0], {"mode": 0o6777, "uid": 12345}), ("data/MSVD/folder", {"type": DIR, "mode": 0o1000}))
    ours = os.umask(0)
    os.umask(ours)
    assert stat.S_IMODE(Path(GOOD[0]).stat().st_mode) == 0o666 & ~ours
    assert Path(GOOD[0]).stat().st_uid == os.getuid()
    assert stat.S_IMODE(Path("data/MSVD/folder").stat().st_mode) == 0o777 & ~ours


def test_what_is_in_data_besides_stays_and_files_are_replaced(unpacked):
    for name in (f"{FEATS}/rgb.pickle", f"{FEATS}/own.pickle", "data/MSVD/videos/1.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"old")
    Path(FEATS, "link").symlink_to("../../MSRVTT/rgb.pickle")
    files = unpacked(GOOD, (f"{FEATS}/link", b"a file now"))
    assert {name: content for name, content in files.items() if content is not None} == {
        "data/MSRVTT/rgb.pickle": b"theirs",
        f"{FEATS}/rgb.pickle": b"rgb",
        f"{FEATS}/own.pickle": b"old",
        f"{FEATS}/link": b"a file now",
        "data/MSVD/videos/1.mp4": b"old",
    }


@pytest.mark.parametrize(
    ("place", "target"),
    [("data/MSVD", "../../neighbour"), (FEATS, "../../../neighbour"), ("data/MSVD", "MSRVTT"), ("data/MSVD", "nowhere")],
)
def test_nothing_is_written_through_a_link_in_data(refused, place, target):
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).symlink_to(target)
    assert f"error: {place}: found a file or link, expected a folder as in the archive" in refused(("data/A/x", b"x"), GOOD)


def test_a_folder_is_not_replaced_by_a_file(refused):
    Path(GOOD[0]).mkdir(parents=True)
    assert f"error: {GOOD[0]}: found a folder, expected a file or link as in the archive" in refused(
        ("data/A/x", b"x"), GOOD
    )


@pytest.mark.parametrize("second", [b"file", link("rgb.pickle")])
def test_a_member_does_not_replace_a_folder_of_the_archive(refused, second):
    refused(GOOD, (f"{FEATS}/x/y", b"y"), (f"{FEATS}/x", second))


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", packed(GOOD)[:20], packed(GOOD)[:-30], packed((GOOD[0], os.urandom(50_000)))[:30_000], packed()],
    ids=["empty", "no gzip", "header", "end", "middle", "no members"],
)
def test_broken_archives(refused, content):
    err = refused(content)
    assert "x.tar.gz: cannot be unpacked (" in err or "found no folder data/MSVD/symlinked-feats in it" in err


@pytest.mark.parametrize(
    ("size", "message"), [(2**62, "cannot be unpacked"), (2**80, "cannot be unpacked"), (-512, "size is -512")]
)
def test_absurd_sizes(refused, size, message):
    members = [tarfile.TarInfo(f"{FEATS}/{name}") for name in "abc"]
    members[1].size = size
    content = b"".join(member.tobuf(format=tarfile.GNU_FORMAT) for member in members)
    assert message in refused(gzip.compress(content + bytes(1024)))


def test_an_absurd_size_of_a_name(refused):
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**80
    assert "it has a header of" in refused(gzip.compress(member.tobuf(format=tarfile.GNU_FORMAT) + bytes(1024)))


def test_a_name_with_a_zero(refused):
    assert "cannot be unpacked (" in refused(GOOD, (f"data/MSVD/{'long' * 50}\0", b"x"))


def test_an_archive_of_another_dataset(refused):
    assert "x.tar.gz: found no folder data/MSVD/symlinked-feats in it" in refused(("data/didemo/x", b"x"))


def test_what_a_killed_process_left_is_not_taken_over(unpacked):
    left = Path("data/.x.tar.gz.unpacking/data/MSVD")
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"half")
    assert set(unpacked(GOOD)) == {"data/MSRVTT", "data/MSRVTT/rgb.pickle", "data/MSVD", FEATS, GOOD[0]}


def test_two_do_not_unpack_to_one_folder(refused):
    with locked(Path("data"), "unused message"):
        assert "another process is unpacking to data" in refused(GOOD)


def test_a_planted_link_in_place_of_the_folder_to_unpack_to(refused):
    Path("data/.x.tar.gz.unpacking").symlink_to("../../neighbour")
    refused(GOOD)
