"""The blocks of the page of a dataset: its archive, its files, its splits and its papers."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_loader.datasets import CORRECTED_LAYOUTS
from data_loader.datasets.layout import FileName, Layout
from data_loader.experts import EXPERTS
from misc.reporting.markdown_blocks import render
from misc.syncing.remote_archive import RELEASES, RemoteArchive
from utils.progress import size_text


class Source(NamedTuple):
    """The source of features: their content, the network, who extracted them, and the dimension of a frame or word."""

    content: str
    network: str
    authors: str | None
    dim: int | None


CE, MOEE = "Liu et al. (CE)", "Miech et al. (MoEE)"
SOURCES = {
    "audio": Source("sound", "VGGish", CE, EXPERTS["audio"].dim),
    "face": Source("faces", "ResNet50 trained on VGGFace2", CE, EXPERTS["face"].dim),
    "flow": Source("motion", "I3D", CE, EXPERTS["flow"].dim),
    "ocr": Source("words that are seen", "text recognition, then word2vec", CE, EXPERTS["ocr"].dim),
    "rgb": Source("frames", "SENet-154 (`senet154`) or a ResNet, trained on ImageNet", CE, EXPERTS["rgb"].dim),
    "scene": Source("places", "DenseNet-161", CE, EXPERTS["scene"].dim),
    "speech": Source("words that are said", "speech recognition, then word2vec", CE, EXPERTS["speech"].dim),
}
# Features by the authors of MoEE: all of LSMDC, and those of the split of MSRVTT that declares separate files.
MOEE_SOURCES = {
    "audio": SOURCES["audio"]._replace(authors=MOEE),
    "face": Source("faces", "another face network", MOEE, 128),
    "flow": SOURCES["flow"]._replace(authors=MOEE),
    "rgb": SOURCES["rgb"]._replace(network="ResNet-152 trained on ImageNet", authors=MOEE),
}
TEXT_SOURCES = {
    "w2v": Source("captions", "word2vec", None, 300),
    "openai": Source("captions", "OpenAI GPT", None, 768),
    "bertxl": Source("captions", "a later transformer; no published config uses it", None, None),
}


def page_path(folder: str) -> Path:
    """Return the path of the page of the dataset in a folder."""
    return Path("misc/datasets", folder, "README.md")


def render_blocks(layout: Layout) -> dict[str, str]:
    """Render the blocks of the page of a dataset."""
    features = list(list_features(layout))
    raw_captions: dict[str, list[str]] = {}  # file -> splits
    for name, split in layout.splits.items():
        raw_captions.setdefault(split.raw_captions or layout.raw_captions, []).append(name)
    context = {
        "layout": layout,
        "features": features,
        "raw_captions": raw_captions,
        "urls": RemoteArchive(layout).urls,
        "size": size_text(layout.download.size),
        "corrected": list(list_corrected(layout.name)),
        "moee": any(source.authors == MOEE for _, source, _ in features),
    }
    return {f"dataset: {name}": render(f"dataset-{name}", **context) for name in ("archive", "files", "splits", "cite")}


def list_corrected(name: str) -> Iterator[dict[str, str]]:
    """Yield the cells of each archive of a dataset in the corrected release."""
    for release in ("features-v2", "high-quality"):
        archive = RemoteArchive(CORRECTED_LAYOUTS[name], RELEASES[release])
        yield {
            "release": release,
            "folder": str(archive.features),
            "size_cell": "not published" if archive.size is None else size_text(archive.size),
            "sha1_cell": " or ".join(f"`{sha1}`" for sha1 in archive.sha1) or "not published",
        }


def list_features(layout: Layout) -> Iterator[tuple[str, Source, str]]:
    """Yield name, source and files of each expert and each text feature."""
    sources = SOURCES | (MOEE_SOURCES if layout.name == "LSMDC" else {})
    for expert, file in layout.experts.items():
        yield f"`{expert}`", sources[expert], _format_names(file, layout)
    for name, split in layout.splits.items():
        for key, file in split.experts.items():
            expert, _, model = key.partition("-")
            condition = f" and `rgb_model_name` `{model}`" if model else ""
            yield f"`{expert}` with split `{name}`{condition}", MOEE_SOURCES[expert], _format_names(file, layout)
    for name, file in layout.text.items():
        yield f"text, `{name}`", TEXT_SOURCES[name], _format_names(file, layout)


def _format_names(file: FileName, layout: Layout) -> str:
    """Return the names of a file, one per subset if they differ; `<...>` depends on the config."""
    by_subset = {name: file.replace("{subset}", name) for name in layout.subsets} if isinstance(file, str) else file
    return ", ".join(f"`{name}`" for name in dict.fromkeys(by_subset.values())).replace("{", "<").replace("}", ">")
