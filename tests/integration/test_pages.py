"""The README and the pages of the project: size, links, and agreement with the code."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers.paths import ROOT

from data_loader.datasets import LAYOUTS

README = ROOT / "README.md"


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "misc").rglob("*.md"))


def anchors(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= 10_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_have_targets(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / unquote(path)).resolve() if path else page
        assert linked.exists() and linked.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    folders = "tests|misc|model|trainer|base|utils|data_loader|logger"
    for name in re.findall(rf"`((?:{folders})/[\w/.-]+\.\w+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_every_key_of_a_config_has_a_line():
    keys = re.findall(r"^    ([a-z]\w*): [^#\n]*(#?)", (ROOT / "base" / "schema.py").read_text(), re.MULTILINE)
    assert len(keys) > 60
    assert [key for key, comment in keys if not comment] == []


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [README]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for target in re.findall(r"\]\(([^)\s#]+\.md)", page.read_text()):
            linked = (page.parent / target).resolve()
            if not re.match(r"[a-z]+:", target) and linked not in reached:
                waiting.append(linked)
    assert set(PAGES) <= reached


def test_nothing_names_a_folder_of_the_developers():
    for path in tracked("*.md", "*.py", "*.j2", "*.yml", "*.txt", "Makefile"):
        if path.parts[len(ROOT.parts)] != "tests":
            assert "../shared" not in path.read_text(), path


def test_the_expert_zoo_lists_the_models_that_are_downloaded():
    rows = re.findall(r"^\| \[(\w+)\]\((.*?)\) \| (.*?) \| (.*?) GiB \| `(\w+)` \|$", README.read_text(), re.MULTILINE)
    published = {layout.name: layout for layout in LAYOUTS.values() if layout.download}
    assert {name for name, *_ in rows} == published.keys()
    for name, page, experts, size, sha1 in rows:
        layout = published[name]
        assert experts.split(", ") == sorted(layout.experts) and sha1 == layout.download.sha1[0]
        assert f"{layout.download.size / 2**30:.1f}" == size and Path(page).parent.name == layout.folder.lower()


def test_the_conda_environment_has_the_name_that_the_original_documents():
    files = [ROOT / "requirements" / name for name in ("conda-freeze.yml", "conda-requirements.yml")]
    assert files[0].read_text() == files[1].read_text() and files[0].name in README.read_text()
