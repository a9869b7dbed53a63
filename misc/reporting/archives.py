"""The blocks of the page of a dataset: its archive, its files, its splits and its papers."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from data_loader.datasets.layout import FileName, Layout
from data_loader.experts import EXPERTS
from misc.reporting.markdown_blocks import render
from misc.sync_experts import RemoteArchive
from utils.progress import size_text


@dataclasses.dataclass(frozen=True)
class Source:
    """The source of features: their content, the network, the dimension of a frame or word, and who extracted them."""

    content: str
    network: str
    dim: int | None
    authors: str | None = None


CE, MOEE = "Liu et al. (CE)", "Miech et al. (MoEE)"
SOURCES = {
    "audio": Source("sound", "VGGish", EXPERTS["audio"].dim, CE),
    "face": Source("faces", "ResNet50 trained on VGGFace2", EXPERTS["face"].dim, CE),
    "flow": Source("motion", "I3D", EXPERTS["flow"].dim, CE),
    "ocr": Source("words that are seen", "text recognition, then word2vec", EXPERTS["ocr"].dim, CE),
    "rgb": Source("frames", "SENet-154 (`senet154`) or a ResNet, trained on ImageNet", EXPERTS["rgb"].dim, CE),
    "scene": Source("places", "DenseNet-161", EXPERTS["scene"].dim, CE),
    "speech": Source("words that are said", "speech recognition, then word2vec", EXPERTS["speech"].dim, CE),
}
# Features by the authors of MoEE: all of LSMDC, and those of the split of MSRVTT that declares separate files.
MOEE_SOURCES = {
    "audio": dataclasses.replace(SOURCES["audio"], authors=MOEE),
    "face": Source("faces", "another face network", 128, MOEE),
    "flow": dataclasses.replace(SOURCES["flow"], authors=MOEE),
    "rgb": Source("frames", "ResNet-152 trained on ImageNet", EXPERTS["rgb"].dim, MOEE),
}
TEXT_SOURCES = {
    "w2v": Source("captions", "word2vec", 300),
    "openai": Source("captions", "OpenAI GPT", 768),
    "bertxl": Source("captions", "a later transformer; no published config uses it", None),
}


def page_path(folder: str) -> Path:
    """Return the path of the page of the dataset in a folder."""
    return Path("misc/datasets", folder, "README.md")


def render_blocks(layout: Layout) -> dict[str, str]:
    """Render the blocks of the page of a dataset."""
    features = list(list_features(layout))
    context = {
        "layout": layout,
        "features": features,
        "others": list(list_other_files(layout)),
        "urls": RemoteArchive(layout).urls,
        "size": size_text(layout.download.size),
        "moee": any(source.authors == MOEE for _, source, _ in features),
    }
    return {f"dataset: {name}": render(f"dataset-{name}", **context) for name in ("archive", "files", "splits", "cite")}


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


def list_other_files(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield names and content of the other files of an archive."""
    lists = [subset.ids for subset in layout.subsets.values() if subset.ids]
    yield ", ".join(f"`{name}`" for name in lists), "names of videos, one a line"
    for name in dict.fromkeys(split.raw_captions or layout.raw_captions for split in layout.splits.values()):
        splits = [f"`{key}`" for key, split in layout.splits.items() if split.raw_captions == name]
        yield f"`{name}`", "captions as words" + (f", split {', '.join(splits)}" if splits else "")
    if layout.caption_keys:
        yield f"`{layout.caption_keys}`", "video name -> YouTube id, by which its captions go"
    for name, subset in layout.subsets.items():
        if subset.caption_index:
            yield f"`{subset.caption_index}`", f"video name -> index of the one caption that it is queried with, in `{name}`"
        for expert, file in subset.missing.items():
            yield f"`{file}`", f"a number for each video of `{name}`: 1 where `{expert}` is missing"


def _format_names(file: FileName, layout: Layout) -> str:
    """Return the names of a file, one per subset if they differ; `<...>` depends on the config."""
    by_subset = {subset: file.replace("{subset}", subset) for subset in layout.subsets} if isinstance(file, str) else file
    return ", ".join(f"`{name}`" for name in dict.fromkeys(by_subset.values())).replace("{", "<").replace("}", ">")
