"""Reading of the Debian package: from a .deb as from the folder of an installed one, and nothing else."""

import io
import lzma
import shutil
import subprocess
import tarfile

import pytest
from helpers.stamps import DOCUMENTS, data_tar, deb, stamp_files, write_folder

from misc.stamps import package
from misc.stamps.package import read_package
from utils.errors import InputError

NEEDED = {name for name in stamp_files() if not name.endswith("_desc_fr.ogg")}


def refusal(path):
    """Return the one line about a package that cannot be read."""
    with pytest.raises(InputError) as refused:
        read_package(path)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stamps.deb"


def test_a_deb_and_its_folder_have_the_same_files(tmp_path, path):
    files = stamp_files()
    path.write_bytes(deb(data_tar(files)))
    folder = write_folder(tmp_path, files)
    found = read_package(path)
    assert found == read_package(folder)
    assert found.files == {name: files[name] for name in sorted(NEEDED)} and list(found.files) == sorted(NEEDED)
    assert found.version == "1.5-2" and found.copyright == DOCUMENTS["doc/tuxpaint-stamps-default/copyright"]
    assert found.other_sounds == {"fr": 1}


def test_a_deb_of_dpkg(tmp_path, path):
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    files = stamp_files()
    write_folder(tmp_path / "tree", files)
    control = tmp_path / "tree/DEBIAN/control"
    control.parent.mkdir()
    control.write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n")
    subprocess.run(["dpkg-deb", "-Zxz", "--build", tmp_path / "tree", path], check=True, capture_output=True)
    assert read_package(path).files == {name: files[name] for name in NEEDED}


@pytest.mark.parametrize(
    ("name", "is_read"),
    [
        ("x_desc_en.ogg", True),
        ("x_desc_en_GB.wav", True),
        ("x_desc_eng.ogg", False),
        ("x_desc_pt_BR.wav", False),
        ("x_desc_zh_tw.ogg", False),
        ("x_desc.ogg", True),
        ("x_red.ogg", True),
        ("x_desc_fr.png", True),
        ("x.dat", False),
        ("x.jpg", False),
    ],
)
def test_pictures_texts_and_english_sounds_are_read(tmp_path, name, is_read):
    folder = write_folder(tmp_path, {"a.txt": b"A.", name: b"content"})
    assert (name in read_package(folder).files) == is_read


def test_files_of_another_package_in_the_installed_folder_are_not_read(tmp_path, monkeypatch):
    folder = write_folder(tmp_path, {"a.txt": b"A.", "tux/drat.txt": b"Of tuxpaint-data."})
    listed = tmp_path / "package.list"
    monkeypatch.setattr(package, "FILE_LIST", listed)
    monkeypatch.setattr(package, "INSTALLED", folder)
    assert list(read_package(folder).files) == ["a.txt", "tux/drat.txt"]  # no list, for example not Debian
    listed.write_text(f"/.\n{folder}\n{folder}/a.txt\n{folder}/tux\n")
    assert list(read_package(folder).files) == ["a.txt"]
    elsewhere = folder.rename(tmp_path / "copied")
    assert list(read_package(elsewhere).files) == ["a.txt", "tux/drat.txt"]


def test_without_documents_the_version_is_not_known(tmp_path):
    found = read_package(write_folder(tmp_path, stamp_files(), documents=False))
    assert found.version is None and found.copyright is None and set(found.files) == NEEDED


CUT_CHANGELOG = DOCUMENTS["doc/tuxpaint-stamps-default/changelog.Debian.gz"][:14]


@pytest.mark.parametrize("changelog", [b"", b"no gzip", CUT_CHANGELOG], ids=["empty", "text", "cut"])  # gzip has a time
def test_a_damaged_changelog_costs_the_version(tmp_path, changelog):
    folder = write_folder(tmp_path, {"a.txt": b"A."})
    (tmp_path / "usr/share/doc/tuxpaint-stamps-default/changelog.Debian.gz").write_bytes(changelog)
    assert read_package(folder).version is None


def test_links_are_not_followed(tmp_path, path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = write_folder(tmp_path, {"a.txt": b"A."})
    (folder / "b.txt").symlink_to(secret)
    link = tarfile.TarInfo("./usr/share/tuxpaint/stamps/b.txt")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    path.write_bytes(deb(data_tar({"a.txt": b"A."}, [link])))
    assert list(read_package(folder).files) == list(read_package(path).files) == ["a.txt"]


def test_names_that_lead_elsewhere_write_nothing(tmp_path, path):
    files = {"a.txt": b"A.", "../../../../escaped.txt": b"x", "/tmp/escaped.txt": b"x"}
    path.write_bytes(deb(data_tar(files)))
    assert "a.txt" in read_package(path).files
    assert sorted(tmp_path.rglob("*")) == [path]


def test_what_is_not_there_is_refused_with_how_to_get_it(tmp_path):
    assert "apt-get download tuxpaint-stamps-default" in refusal(tmp_path / "none")


def test_a_folder_and_a_package_without_stamps_are_refused(tmp_path, path):
    (tmp_path / "a.png").write_bytes(b"x")
    assert "no stamps in it" in refusal(tmp_path)
    path.write_bytes(deb(data_tar({})))
    assert "no stamps in it" in refusal(path)


DEB = deb(data_tar({"a.txt": b"A."}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a .deb"),
        (b"PK\3\4 a zip", "not a .deb"),
        (DEB[:8], "no data.tar.xz"),
        (DEB[:8] + b"x" * 60, "not a .deb, or damaged"),
        (DEB[:-20], "truncated"),
        (DEB[:-200], "truncated"),
        (deb(b"x" * 100), "Input format not supported"),
        (deb(lzma.compress(b"x" * 4096)), "invalid header"),
        (deb(b"x", "data.tar.zst"), "found data.tar.zst, expected data.tar.xz"),
    ],
)
def test_what_is_not_the_package_is_refused(path, content, reason):
    path.write_bytes(content)
    assert reason in refusal(path)


def test_a_package_that_unpacks_to_too_much_is_refused(path, monkeypatch):
    monkeypatch.setattr(package, "MAX_CONTENT", 1 << 20)
    path.write_bytes(deb(data_tar({"a.txt": b"A.", "b.dat": bytes(1 << 20)})))
    assert len(path.read_bytes()) < 4096 and "unpacks to more than 1048576 bytes" in refusal(path)


def test_a_file_that_is_too_large_is_refused(tmp_path, path, monkeypatch):
    monkeypatch.setattr(package, "MAX_FILE", 1000)
    files = {"a.txt": b"A.", "b.png": bytes(1001)}
    path.write_bytes(deb(data_tar(files)))
    for source in (path, write_folder(tmp_path, files)):
        assert "b.png has more than 1000 bytes" in refusal(source)
    files["b.png"] = bytes(1000)
    path.write_bytes(deb(data_tar(files)))
    assert len(read_package(path).files["b.png"]) == 1000


def test_decompression_takes_limited_memory(path, monkeypatch):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 << 20}]
    data = lzma.decompress(data_tar({"a.txt": b"A."}))
    path.write_bytes(deb(lzma.compress(data, filters=filters)))
    assert read_package(path).files == {"a.txt": b"A."}
    monkeypatch.setattr(package, "MAX_DICTIONARY", 32 << 20)
    assert "cannot be read" in refusal(path)


def test_a_sparse_file_is_left_out(path):
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        sparse = tarfile.TarInfo("./usr/share/tuxpaint/stamps/s.txt")
        sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,0"}
        out.addfile(sparse)
        plain = tarfile.TarInfo("./usr/share/tuxpaint/stamps/a.txt")
        out.addfile(plain)
    path.write_bytes(deb(lzma.compress(tar.getvalue())))
    assert list(read_package(path).files) == ["a.txt"]
