"""The real package of stamps: the committed lists are what the rule gives, and the clips can be made and extracted."""

import subprocess
from pathlib import Path

import pytest
from helpers.paths import ROOT

from misc.demo.video_files import read_clip
from misc.stamps import dataset
from misc.stamps.clips import make_clip
from misc.stamps.items import find_stamps
from misc.stamps.package import INSTALLED, NAME, read_package

VERSION = "2022.06.04-1"  # of the lists


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The installed package or, from Debian's servers, its .deb; skip if neither can be had."""
    if INSTALLED.is_dir():
        return read_package(INSTALLED)
    folder = tmp_path_factory.mktemp("package")
    try:
        command = ["apt-get", "download", f"{NAME}={VERSION}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"{NAME} {VERSION} is not installed and cannot be downloaded ({type(error).__name__})")
    return read_package(next(folder.glob("*.deb")))


def test_the_committed_lists_are_those_of_the_rule(package, tmp_path):
    stamps, warnings, _ = find_stamps(package.files)
    assert warnings == [f"seasonal/christmas/gift{x}.txt: left out, it has no picture" for x in ("", "2")]
    dataset.write_lists(stamps, package, tmp_path)
    lists = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert lists == {path.name: path.read_bytes() for path in (ROOT / "misc/datasets/stamps2").glob("*.txt")}


def test_no_caption_of_an_evaluated_stamp_is_anywhere_else(package):
    stamps, _, _ = find_stamps(package.files)
    words = {name: stamp.caption.casefold().strip(" .!?") for name, stamp in stamps.items()}
    for split in ("val", "test"):
        for name in (ROOT / f"misc/datasets/stamps2/{split}_list.txt").read_text().split("\n")[:-1]:
            assert list(words.values()).count(words[name]) == 1, name


def test_the_page_says_what_the_package_has(package):
    page = " ".join((ROOT / "misc/datasets/stamps2/README.md").read_text().split())
    stamps, _, translations = find_stamps(package.files)
    pictures = [Path(stamp.picture).suffix for stamp in stamps.values()]
    assert package.version == VERSION and VERSION in page
    assert f"PNG ({pictures.count('.png')} stamps)" in page and f"no PNG ({pictures.count('.svg')})" in page
    assert f"captions in {len(translations)} other languages" in page
    spoken = f"{package.other_sounds.total():,} spoken names in {len(package.other_sounds)} other languages"
    assert spoken in page
    assert b"Copyright: 2002-2022 by Bill Kendrick" in package.copyright and "2002-2022 by Bill Kendrick" in page


def test_clips_of_all_kinds_of_sound_can_be_made(package, tmp_path):
    stamps, _, _ = find_stamps(package.files)
    names = ("animals-birds-crow", "symbols-alphabets-english-filled-uppercase-A_filled", "clothes-sunglasses_01")
    for name, tracks in zip(names, (2, 1, 0), strict=True):
        stamp = stamps[name]
        assert len(stamp.sounds) == tracks
        assert make_clip(tmp_path / f"{name}.webm", stamp, package.files) == []
        frames, sound = read_clip(tmp_path / f"{name}.webm", 16000)
        assert len(frames) >= 16 and frames.std() > 10 and (sound is None) == (tracks == 0)
