"""The pages of the datasets agree with their declarations."""

import re
import shutil
from pathlib import Path

import pytest
from helpers.paths import ROOT

from data_loader.datasets import CORRECTED_LAYOUTS, LAYOUTS
from data_loader.experts import EXPERTS
from misc import gen_readme

PUBLISHED = {name: layout for name, layout in LAYOUTS.items() if layout.download}
FOLDERS = {"MSRVTT": "msrvtt", "MSVD": "msvd", "DiDeMo": "didemo", "ActivityNet": "activity-net", "LSMDC": "lsmdc"}
GENERATED = {"stamps2"}  # by a command of this project, which its page describes


def page(name):
    return ROOT / "misc/datasets" / FOLDERS[name] / "README.md"


def row(text, first):
    """Return the cells of the only row of a table that starts with `first`."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_every_published_dataset_has_a_page_and_every_page_a_dataset():
    assert PUBLISHED.keys() == FOLDERS.keys()
    assert {path.parent.name for path in (ROOT / "misc/datasets").glob("*/README.md")} == {*FOLDERS.values(), *GENERATED}


def test_pages_are_what_the_declarations_give(tmp_path, monkeypatch, run):
    texts = {}
    for name in PUBLISHED:
        path = page(name).relative_to(ROOT)
        texts[path] = page(name).read_text()
        path.parent.mkdir(parents=True)
        path.write_text(re.sub(r"(<!-- dataset: .*? -->\n).*?(?=<!-- end)", r"\1", texts[path], flags=re.DOTALL))
        assert len(path.read_text()) < len(texts[path]) / 2
    code, out, _ = run(gen_readme, "--datasets")
    assert code == 0 and out.count(": written") == len(texts)
    assert {path: path.read_text() for path in texts} == texts


def test_a_page_without_a_block_is_refused(refused):
    for name in PUBLISHED:
        path = page(name).relative_to(ROOT)
        path.parent.mkdir(parents=True)
        shutil.copy(page(name), path)
    broken = Path("misc/datasets/msvd/README.md")
    broken.write_text(broken.read_text().replace("<!-- dataset: splits -->", ""))
    assert "misc/datasets/msvd/README.md: 0 blocks '<!-- dataset: splits -->'" in refused(gen_readme, "--datasets")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_page_names_the_archive_its_files_and_its_splits(name):
    text, layout = page(name).read_text(), LAYOUTS[name]
    assert f"{layout.download.size / 2**30:.1f} GiB" in text
    corrected = {sha1 for download in CORRECTED_LAYOUTS[name].downloads.values() for sha1 in download.sha1}
    assert set(re.findall(r"\b[0-9a-f]{40}\b", text)) == {*layout.download.sha1, *corrected}
    for part in layout.subsets.values():
        assert part.ids is None or f"`{part.ids}`" in text
        assert all(f"`{file}`" in text for file in (part.caption_index, *part.missing.values()) if file)
    for key, split in layout.splits.items():
        cells = row(text, f"`{key}`")
        assert [int(cells[1]), int(cells[3])] == [layout.subsets[split.train].size, layout.subsets[split.evaluation].size]
    for expert, file in layout.experts.items():
        files = [file] if isinstance(file, str) else file.values()
        cells = row(text, f"`{expert}`")
        assert cells[5] == ", ".join(f"`{x}`" for x in files).replace("{", "<").replace("}", ">")
        assert int(cells[4]) == (128 if (name, expert) == ("LSMDC", "face") else EXPERTS[expert].dim)
    assert {x for x in EXPERTS if f"\n| `{x}` |" in text} == set(layout.experts)
    assert "{subset}" not in text and "{agg" not in text and "{rgb" not in text
    assert f"configs/{FOLDERS[name]}/train-full-ce.json" in text
    for option in ("", " --release high-quality", " --release 2019"):
        assert f"sync_experts.py --dataset {name}{option}\n" in text
    for config in re.findall(r"configs/[\w/-]+\.json", text):
        assert (ROOT / config).is_file()
    for folder in ("data", "data-deprecated"):
        assert f"/collaborative-experts/{folder}/features/{layout.folder}-experts.tar.gz`" in text


def test_files_that_differ_by_part_or_split_are_all_named():
    assert row(page("MSVD").read_text(), "text, `w2v`")[5] == (
        "`w2v-caption-train.pkl`, `w2v-caption-val.pkl`, `w2v-caption-test.pkl`"
    )
    text = page("MSRVTT").read_text()
    assert row(text, "`face` with split `miech`")[2:] == [
        "another face network",
        "Miech et al. (MoEE)",
        "128",
        "`face_features.pickle`",
    ]
    assert row(text, "`rgb` with split `miech` and `rgb_model_name` `resnet`")[5] == "`resnet_features.pickle`"
    assert row(page("ActivityNet").read_text(), "`raw-captions-train-val_2.pkl`")[1] == "captions as words, split `val2`"
    assert "dict_youtube_mapping.pkl" in page("MSVD").read_text()


@pytest.mark.parametrize(
    ("name", "title", "authors"),
    [
        ("MSRVTT", "Large Video Description Dataset for Bridging Video and Language", "Xu Mei Yao Rui"),
        ("MSVD", "Collecting Highly Parallel Data for Paraphrase Evaluation", "Chen Dolan"),
        (
            "DiDeMo",
            "Localizing Moments in Video with Natural Language",
            "Hendricks Wang Shechtman Sivic Darrell Russell",
        ),
        ("ActivityNet", "Dense-Captioning Events in Videos", "Krishna Hata Ren Fei-Fei Niebles"),
        ("LSMDC", "Movie Description", "Rohrbach Torabi Rohrbach Tandon Pal Larochelle Courville Schiele"),
    ],
)
def test_a_page_says_how_to_cite(name, title, authors):
    (bibtex,) = re.findall(r"```bibtex\n(.*?)```", page(name).read_text(), flags=re.DOTALL)
    dataset, *others = re.split(r"\n\n(?=@)", bibtex)
    assert title in dataset
    assert re.search(".*".join(authors.split()), dataset, flags=re.DOTALL)
    keys = [re.match(r"@\w+\{(\w+),", entry)[1] for entry in others]
    assert keys == ["Liu2019a", "miech2018learning"][: 2 if name in ("MSRVTT", "LSMDC") else 1]
    assert all(entry.count("{") == entry.count("}") for entry in (dataset, *others))
