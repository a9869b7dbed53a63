"""The splits with the settings of the published configs."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from helpers.published_layouts.benchmark import Benchmark

from data_loader.data_loaders import ExpertDataLoader
from data_loader.experts import resolve_experts

SEVEN = ["audio", "face", "flow", "ocr", "rgb", "scene", "speech"]
AVERAGES = {"face": "avg", "flow": "avg", "rgb": "avg", "scene": "max"}


@dataclasses.dataclass(frozen=True)
class Case:
    """A split and its expected content.

    Attributes:
        subsets: for training and for evaluation, each with its published number of videos.
        args, experts: the settings in which the split's configs differ from most.
        variants: expert -> its name in `Benchmark.features`, if that is another.
    """

    dataset: str
    split: str
    subsets: Mapping[str, int]
    args: Mapping[str, Any]
    experts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variants: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def section(self) -> dict[str, Any]:
        """Return the config's `experts`."""
        return {"modalities": SEVEN, "text_feat": "openai", "text_dim": 768, "face_dim": 512, **self.experts}

    @property
    def loader_args(self) -> dict[str, Any]:
        """Return the config's `data_loader.args`, except those that `loaders` adds."""
        return {"rgb_model_name": "senet154", "num_test_captions": 1, "feat_aggregation": AVERAGES, **self.args}

    def loaders(self, benchmark: Benchmark, **changed: Any) -> ExpertDataLoader:
        """Return the loaders of an archive, with changed arguments."""
        arguments = {
            "dataset_name": self.dataset,
            "data_dir": str(benchmark.data_dir),
            "batch_size": 3,  # of eight videos, two are left for a last batch
            "split_name": self.split,
            **self.loader_args,
            **changed,
        }
        section = self.section
        experts = resolve_experts(section, arguments.pop("feat_aggregation"))
        arguments = {"experts": experts, "text_feat": section["text_feat"], "text_dim": section["text_dim"], **arguments}
        return ExpertDataLoader(**arguments)


MSRVTT = {"max_text_words": 30, "max_expert_tokens": 30, "feat_aggregation": {**AVERAGES, "scene": "avg"}}
FULL = {**MSRVTT, "num_test_captions": 20}
OTHERS = {"text_feat": "w2v", "text_dim": 300}
MSVD = {"max_text_words": 30, "max_expert_tokens": 30, "num_test_captions": 81}
MSVD_EXPERTS = {"modalities": ["face", "flow", "rgb", "ocr", "scene"]}
DIDEMO = {"max_text_words": 50, "max_expert_tokens": 30, "fuse_captions": True}
NET = {"max_text_words": 100, "max_expert_tokens": 30, "fuse_captions": True}
LSMDC = {"max_text_words": 30, "max_expert_tokens": 50, "rgb_model_name": "resnet"}
LSMDC_EXPERTS = {"modalities": [name for name in SEVEN if name != "speech"], "face_dim": 128}
OF_MIECH = {name: f"{name}-miech" for name in ("audio", "face", "flow")}
CASES = {
    "full-val": Case("MSRVTT", "full-val", {"full-train": 6513, "full-val": 497}, FULL),
    "full-test": Case("MSRVTT", "full-test", {"full-train": 6513, "full-test": 2990}, FULL),
    "full-test, few captions": Case(
        "MSRVTT", "full-test", {"full-train": 6513, "full-test": 2990}, {**FULL, "num_test_captions": 5}, OTHERS
    ),
    "jsfusion": Case("MSRVTT", "jsfusion", {"jsfusion-train": 9000, "jsfusion-val": 1000}, MSRVTT),
    "miech": Case("MSRVTT", "miech", {"miech-train": 6656, "miech-test": 1000}, MSRVTT, {"face_dim": 128}, OF_MIECH),
    "miech, its features": Case(
        "MSRVTT",
        "miech",
        {"miech-train": 6656, "miech-test": 1000},
        {**MSRVTT, "rgb_model_name": "resnet"},
        {**OTHERS, "face_dim": 128, "modalities": ["audio", "face", "flow", "rgb"]},
        {**OF_MIECH, "rgb": "rgb-miech"},
    ),
    "bertxl": Case(
        "MSRVTT", "full-val", {"full-train": 6513, "full-val": 497}, FULL, {"text_feat": "bertxl", "text_dim": 1024}
    ),
    "MSVD official": Case("MSVD", "official", {"train": 1200, "test": 670}, MSVD, MSVD_EXPERTS),
    "MSVD dev": Case("MSVD", "dev", {"train": 1200, "val": 100}, MSVD, {**MSVD_EXPERTS, **OTHERS}),
    "DiDeMo val": Case("DiDeMo", "val", {"train": 8392, "val": 1065}, DIDEMO),
    "DiDeMo test": Case(
        "DiDeMo",
        "test",
        {"train": 8392, "test": 1004},
        {**DIDEMO, "feat_aggregation": {**AVERAGES, "flow": "max"}},
        variants={"flow": "flow-max"},
    ),
    "ActivityNet val1": Case("ActivityNet", "val1", {"train": 10009, "val1": 4917}, NET),
    "ActivityNet val2": Case("ActivityNet", "val2", {"train": 10009, "val2": 4885}, NET),
    "LSMDC": Case("LSMDC", "val", {"train": 101079, "test": 1000}, LSMDC, {**LSMDC_EXPERTS, **OTHERS}),
    "LSMDC, other files": Case(
        "LSMDC",
        "val",
        {"train": 101079, "test": 1000},
        {**LSMDC, "feat_aggregation": {**AVERAGES, "scene": "avg"}},
        LSMDC_EXPERTS,
        {"scene": "scene-avg"},
    ),
}
