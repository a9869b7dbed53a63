"""Downloading the archives of the corrected release: the documented sequence of MSVD, other names, codes and sums."""

import dataclasses
import hashlib
import io
import json
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from helpers.archive_server import Server, packed
from helpers.corrected_archive import write_corrected_archive
from helpers.paths import ROOT

from data_loader.data_loaders import ExpertDataLoader
from data_loader.datasets import CORRECTED_LAYOUTS
from data_loader.experts import Expert
from misc import sync_experts
from utils import download

V2 = "data/MSVD/structured-symlinks"
HIGH_QUALITY = "data/MSVD/high-quality/structured-symlinks"
V2_URL = "/data/features-v2/MSVD-experts.tar.gz"
EXPERTS = {
    "face": Expert(512, may_be_missing=True),
    "i3d.i3d.0": Expert(1024, file="aggregated_i3d_25fps_256px_stride25_offset0_inner_stride1/i3d-avg.pickle"),
    "ocr": Expert(300, aggregation="vlad", may_be_missing=True),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "BACKOFF", 0)
    return folder


@pytest.fixture
def server(project):
    server = Server({})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def sync(server, call):
    def sync(*arguments, dataset="MSVD"):
        return call(sync_experts, "--dataset", dataset, "--root_url", server.url, *arguments)

    return sync


def publish(monkeypatch, server, path, content, dataset="MSVD", release="features-v2", **changed):
    """Serve an archive at a path, with its size and sum as the published ones."""
    layout = CORRECTED_LAYOUTS[dataset]
    fields = {"size": len(content), "sha1": (hashlib.sha1(content).hexdigest(),), **changed}
    downloads = {**layout.downloads, release: dataclasses.replace(layout.downloads[release], **fields)}
    monkeypatch.setitem(CORRECTED_LAYOUTS, dataset, dataclasses.replace(layout, downloads=downloads))
    server.files[path] = content


def tar_of(folder, name):
    """Return a tar.gz of a folder, whose members are in `name`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, name)
    return buffer.getvalue()


def test_the_documented_sequence_of_msvd(tmp_path, sync, server, monkeypatch):
    """sync_experts.py without --release, and the loader of its full CE with the setting that it prints."""
    archive = write_corrected_archive(tmp_path / "server", "MSVD", EXPERTS, "openai", 768)
    publish(monkeypatch, server, V2_URL, tar_of(tmp_path / "server", V2))
    code, out, err = sync()
    assert (code, err) == (0, "") and [request["path"] for request in server.log] == [V2_URL]
    config = out.rpartition("data/MSVD: unpacked, next: python train.py --config ")[2].strip()
    root_feat_folder = json.loads((ROOT / "configs/base-2020.json").read_text())["data_loader"]["args"]["root_feat_folder"]
    assert config == "configs/msvd/train-full-ce-2020.json" and (ROOT / config).exists()
    data = ExpertDataLoader(
        "MSVD", "data/MSVD", 4, "dev", experts=EXPERTS, text_feat="openai", text_dim=768, root_feat_folder=root_feat_folder
    )
    videos = []
    for batch in data.evaluation:
        for b, video in enumerate(batch["ids"]):
            videos.append(video)
            np.testing.assert_array_equal(batch["experts"]["i3d.i3d.0"][b], archive.features["i3d.i3d.0"][video])
            assert bool(batch["ind"]["face"][b]) is (archive.features["face"][video] is not None)
    assert videos == archive.ids["val"] and len(data.train) > 0
    code, out, _ = sync()
    assert code == 0 and "data/MSVD: there already" in out and len(server.log) == 1


def test_releases_lie_beside_each_other(sync, server, monkeypatch):
    publish(monkeypatch, server, V2_URL, packed((f"{V2}/a.pickle", b"2")))
    url = "/data-hq/high-quality/high-quality-MSVD-experts.tar.gz"
    publish(monkeypatch, server, url, packed((f"{HIGH_QUALITY}/a.pickle", b"3")), release="high-quality", size=None)
    assert sync()[0] == 0
    code, out, _ = sync("--release", "high-quality")
    assert code == 0 and "downloading" in out and "unknown size" in out
    assert out.split()[-1] == "configs/msvd/train-ce-plus-2020.json"
    assert (Path(V2, "a.pickle").read_bytes(), Path(HIGH_QUALITY, "a.pickle").read_bytes()) == (b"2", b"3")
    records = sorted(path.name for path in Path("data/MSVD").glob("*.json"))
    assert records == ["synced-features-v2.json", "synced-high-quality.json"]
    assert {str(path) for path in Path("data").glob("*/*.tar.gz")} == {
        "data/features-v2/MSVD-experts.tar.gz",
        "data/high-quality/MSVD-experts.tar.gz",
    }


@pytest.mark.parametrize("version", [0, 1])
def test_each_published_sum_is_accepted(sync, server, monkeypatch, version):
    contents = [packed(("data/MSRVTT/high-quality/structured-symlinks/a.pickle", b"%d" % i)) for i in range(2)]
    sums = tuple(hashlib.sha1(content).hexdigest() for content in contents)
    url = "/data-hq/high-quality/high-quality-MSRVTT-experts.tar.gz"
    publish(monkeypatch, server, url, contents[version], "MSRVTT", "high-quality", size=None, sha1=sums)
    assert sync("--release", "high-quality", dataset="MSRVTT")[0] == 0
    assert Path("data/MSRVTT/high-quality/structured-symlinks/a.pickle").read_bytes() == b"%d" % version


def test_a_wrong_sum_is_refused(sync, server, monkeypatch):
    publish(monkeypatch, server, V2_URL, packed((f"{V2}/a.pickle", b"2")), sha1=("0" * 40,))
    code, _, err = sync()
    assert code == 2 and f"expected {'0' * 40}" in err and err.count("\n") == 1 and not Path("data/MSVD").exists()


@pytest.mark.parametrize(("url_name", "folder"), [("didemo", "DiDeMo"), ("DiDeMo", "didemo"), ("didemo", "didemo")])
def test_didemo_has_either_name_on_the_server_and_in_the_archive(sync, server, monkeypatch, url_name, folder):
    content = packed((f"data/{folder}/structured-symlinks/a.pickle", b"2"))
    publish(monkeypatch, server, f"/data/features-v2/{url_name}-experts.tar.gz", content, "DiDeMo")
    code, out, err = sync(dataset="DiDeMo")
    assert (code, err) == (0, "") and f"data/{folder}: unpacked" in out
    assert ("data_loader.args.data_dir=data/didemo" in out) is (folder == "didemo")
    number = len(server.log)
    assert "there already" in sync(dataset="didemo")[1] and len(server.log) == number
    assert Path("data").joinpath(folder, "synced-features-v2.json").is_file()


def test_the_name_of_lsmdc_depends_on_the_access_code(sync, server, monkeypatch):
    url = "/data/features-v2/2cf24dba5f-LSMDC-experts.tar.gz"  # printf hello | sha256sum
    publish(monkeypatch, server, url, packed(("data/LSMDC/structured-symlinks/a.pickle", b"2")), "LSMDC")
    code, _, err = sync(dataset="LSMDC")
    assert code == 2 and err.startswith("error: --access_code: missing, ") and err.count("\n") == 1 and not server.log
    assert sync("--access_code", "wrong", dataset="LSMDC")[0] == 2
    code, out, _ = sync("--access_code", "hello", dataset="LSMDC")
    assert code == 0 and "hello" not in out and Path("data/LSMDC/structured-symlinks/a.pickle").exists()
    assert "there already" in sync(dataset="LSMDC")[1]


def test_an_archive_without_a_published_sum_needs_an_option(sync, server, monkeypatch):
    url = "/data-hq/high-quality/high-quality-LSMDC-experts.tar.gz"
    content = packed(("data/LSMDC/high-quality/structured-symlinks/a.pickle", b"3"))
    server.files[url] = content
    code, _, err = sync("--release", "high-quality", dataset="LSMDC")
    assert code == 2 and err.startswith("error: --unchecked: missing, no sum") and err.count("\n") == 1 and not server.log
    code, out, _ = sync("--release", "high-quality", "--unchecked", dataset="LSMDC")
    assert code == 0 and f"not checked, no sum was published (its sha1 is {hashlib.sha1(content).hexdigest()})" in out
    assert "there already" in sync("--release", "high-quality", dataset="LSMDC")[1] and len(server.log) == 1


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ("challenge-release-1", "--release challenge-release-1: not supported"),
        ("2020", "--release 2020: no such release, expected one of 2019, features-v2, high-quality"),
    ],
)
def test_other_releases_are_refused(sync, server, release, message):
    code, _, err = sync("--release", release)
    assert code == 2 and message in err and err.count("\n") == 1 and not server.log


def test_datasets_without_an_archive_are_not_offered(sync):
    code, _, err = sync(dataset="QuerYD")
    assert code == 2 and "QuerYD: no such dataset, expected some of ActivityNet, DiDeMo, LSMDC, MSRVTT, MSVD" in err


def test_the_list_and_the_plan_say_what_is_unknown(sync, call):
    code, out, _ = call(sync_experts, "--list", "--release", "high-quality")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line[0] != " "}
    assert rows["LSMDC"] == ["unknown", "no", "not", "published"] and rows["MSVD"][1] == "no"
    assert "311529eeb17527a728a1b930f64415dc15a11298" in out
    code, out, _ = sync("--dry_run", "--release", "high-quality")
    assert code == 0 and "fetch  http://127.0.0.1" in out and "more for archives of unknown size" in out


def test_addresses_are_those_of_the_publication():
    release = sync_experts.RELEASES
    one, other = (sync_experts.RemoteArchive(CORRECTED_LAYOUTS["MSVD"], release[x]) for x in ("features-v2", "high-quality"))
    root = "http://www.robots.ox.ac.uk/~vgg/research"
    assert one.urls == [f"{root}/collaborative-experts/data/features-v2/MSVD-experts.tar.gz"]
    assert other.urls == [f"{root}/teachtext/data-hq/high-quality/high-quality-MSVD-experts.tar.gz"]
    assert (one.size, one.sha1) == (int(1.3 * 2**30), ("999ef6e34c9d9ffe15363ade90400741bae5cb34",))


def test_help_says_which_release_the_full_ce_needs(call):
    text = " ".join(call(sync_experts, "--help")[1].split())
    assert "features-v2, the default" in text and "root_feat_folder structured-symlinks" in text
    assert "has no face, ocr and i3d features and no openai captions" in text
