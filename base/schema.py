"""The schema of a config: every key, its type and its default."""

import difflib
import inspect
from typing import Any, Literal

import pydantic
import torch
from pydantic import Field, NonNegativeInt, PositiveInt

from base.arguments import model_arguments
from model import loss, metric, model
from utils.errors import InputError

METRIC_NAMES = (*(f"R{k}" for k in metric.RECALL_LEVELS), "MedR", "MeanR", "geometric_mean_R1-R5-R10")


class Section(pydantic.BaseModel):
    """A part of a config: no unknown keys, no conversions between types."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class ExpertEntry(Section):
    """An expert of a dataset of one's own, or what differs from the table of known experts."""

    dim: PositiveInt | None = None
    kind: Literal["sequence", "vector"] | None = None
    aggregation: Literal["vlad", "avg", "max", "none"] | None = None
    may_be_missing: bool | None = None
    embed_dim: PositiveInt | None = None


class Experts(Section):
    """Which experts and which text features; any further key is an expert's `ExpertEntry`."""

    model_config = pydantic.ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, ExpertEntry] = Field(init=False)

    face_dim: PositiveInt | None = None
    drop_feats: str = ""
    text_feat: str
    text_dim: PositiveInt
    modalities: list[str] | None = None
    ce_shared_dim: PositiveInt = 512


class ArchArgs(Section):
    """Arguments of `CENet`, which documents them."""

    vlad_clusters: dict[str, PositiveInt]
    use_ce: bool = False
    mimic_ce_dims: bool = False
    concat_experts: bool = False
    concat_mix_experts: bool = False
    freeze_weights: bool = False
    keep_missing_modalities: bool = False
    test_caption_mode: Literal["indep", "avg"] = "indep"
    l2renorm: bool = False
    randomise_feats: str = ""
    mask_padding: bool = True
    gate_order: Literal["parallel", "sequential"] = "parallel"
    similarity: Literal["pairwise", "paired-2019"] = "pairwise"
    verbose: bool = False


class Arch(Section):
    type: Literal["CENet"]
    args: ArchArgs


class DataLoaderArgs(Section):
    """Arguments of `ExpertDataLoader`, which documents them."""

    dataset_name: str
    data_dir: str
    batch_size: PositiveInt
    split_name: str
    num_workers: NonNegativeInt = 0
    fuse_captions: bool = False
    restrict_train_captions: PositiveInt | None = None
    num_test_captions: PositiveInt | None = None
    max_text_words: PositiveInt = 30
    max_expert_tokens: PositiveInt = 30
    rgb_model_name: str | None = None
    feat_aggregation: dict[str, Literal["vlad", "avg", "max"]] = {}


class DataLoader(Section):
    type: Literal["ExpertDataLoader"]
    args: DataLoaderArgs


class Typed(Section):
    """An object by the name of its class and its arguments."""

    type: str
    args: dict[str, Any] = {}


class VisualizerArgs(Section):
    src_video_dir: str | None = None
    vis_vid_freq: PositiveInt = 1
    num_samples: PositiveInt = 100


class Visualizer(Section):
    type: Literal["Visualizer"]
    args: VisualizerArgs


class Trainer(Section):
    """How long to train, what to keep, and what to watch.

    `monitor` is "off" or "max|min <name>", with `epoch`, `loss` or `val_<metrics>_<name>`; `early_stop` ends one whose
    monitored value has not improved for that many epochs. Nothing is saved, and nothing counts as best, in the first
    `skip_first_n_saves` epochs.
    """

    epochs: PositiveInt
    save_dir: str = "data/saved/"
    save_period: PositiveInt = 1
    skip_first_n_saves: NonNegativeInt = 0
    verbosity: Literal[0, 1, 2] = 2
    tensorboard: bool = True
    monitor: str = "off"
    early_stop: PositiveInt | None = None


class Tester(Section):
    save_dir: str = "data/saved/"
    verbosity: Literal[0, 1, 2] = 2


class Config(Section):
    """A whole config. `n_gpu` and `log_name` are read for the sake of published configs and change nothing."""

    name: str | None = None
    n_gpu: NonNegativeInt = 1
    seed: NonNegativeInt = 0
    disable_nan_checks: bool = False
    disable_gpu: bool = False
    log_name: str | None = None
    eval_mode: Literal["test_run", "fixed_num_epochs"] = "test_run"
    eval_config: str | None = None
    experts: Experts
    arch: Arch
    data_loader: DataLoader
    optimizer: Typed | None = None
    lr_scheduler: Typed | None = None
    loss: Typed | None = None
    metrics: list[Literal["t2v_metrics", "v2t_metrics"]] = ["t2v_metrics", "v2t_metrics"]
    visualizer: Visualizer | None = None
    trainer: Trainer | None = None
    tester: Tester | None = None


MODULES = {
    "loss": loss,
    "optimizer": torch.optim,
    "lr_scheduler": torch.optim.lr_scheduler,
}
PASSED_BY_TRAINER = {"params", "optimizer", "self"}


def validate(config: dict, training: bool) -> dict:
    """`config` with every default filled in.

    Args:
        training: whether the sections that only a training needs have to be there.

    Raises:
        InputError: one line with the path of the first key that is unknown, missing, of a wrong type or at odds with others.
    """
    try:
        validated = Config.model_validate(config)
    except pydantic.ValidationError as error:
        problems = error.errors()
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(_explain(problems[0]) + more) from None
    checked = validated.model_dump(exclude_none=True)
    if training:
        for section in ("optimizer", "loss", "trainer"):
            if section not in checked:
                raise InputError(f"{section}: missing, a training needs it")
    for section in ("optimizer", "lr_scheduler", "loss"):
        if section in checked:
            _check_arguments(section, checked[section])
    _check_model(checked)
    if "trainer" in checked:
        _check_trainer(checked)
    return checked


def suggestion(name: str, known: list[str]) -> str:
    """The nearest of the `known` names, or all of them."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{nearest[0]}'?" if nearest else f"expected one of {', '.join(known)}"


def _explain(problem: dict) -> str:
    """One line on one of pydantic's errors."""
    path = ".".join(map(str, problem["loc"]))
    found = problem["input"]
    unknown_expert = problem["loc"][0] == "experts" and problem["type"] == "model_type"
    if problem["type"] == "extra_forbidden" or unknown_expert:
        *parents, name = problem["loc"]
        return f"{path}: unknown key, {suggestion(str(name), list(_section_at(parents).model_fields))}"
    if problem["type"] == "missing":
        return f"{path}: missing"
    kind = "an object" if isinstance(found, dict) else repr(found)
    return f"{path}: found {kind}, {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _section_at(path: list) -> type[Section]:
    """The section of the schema at `path`."""
    section: Any = Config
    for name in path:
        field = section.model_fields.get(name)
        if field is None:  # an expert's entry
            return ExpertEntry
        section = next(kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if _is_section(kind))
    return section


def _is_section(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Section)


def _check_arguments(section: str, entry: dict) -> None:
    """The class has to exist and to take the arguments."""
    module = MODULES[section]
    classes = [
        name
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__.startswith(module.__name__) and not name.startswith("_")
    ]
    if entry["type"] not in classes:
        raise InputError(f"{section}.type: no '{entry['type']}' in {module.__name__}, {suggestion(entry['type'], classes)}")
    known = [name for name in inspect.signature(getattr(module, entry["type"])).parameters if name not in PASSED_BY_TRAINER]
    for name in entry["args"]:
        if name not in known:
            raise InputError(f"{section}.args.{name}: unknown key of {entry['type']}, {suggestion(name, known)}")


def _check_model(config: dict) -> None:
    """The switches, experts and dims have to make a model; it is built without memory to see."""
    args = config["arch"]["args"]
    if "text" not in args["vlad_clusters"]:
        raise InputError("arch.args.vlad_clusters.text: missing")
    try:
        with torch.device("meta"):
            model.CENet(**args, **model_arguments(config))
    except InputError as error:
        raise InputError(f"arch.args, experts: {error}" if str(error).startswith("CENet") else str(error)) from None


def _check_trainer(config: dict) -> None:
    """The monitored value has to exist, and something has to be saved."""
    trainer = config["trainer"]
    known = ["epoch", "loss", *(f"val_{metric}_{name}" for metric in config["metrics"] for name in METRIC_NAMES)]
    mode, _, name = trainer["monitor"].partition(" ")
    if trainer["monitor"] != "off" and mode not in ("max", "min"):
        raise InputError(f"trainer.monitor: found '{trainer['monitor']}', expected 'off', 'max <name>' or 'min <name>'")
    if trainer["monitor"] != "off" and name not in known:
        raise InputError(f"trainer.monitor: no value '{name}', {suggestion(name, known)}")
    if trainer["monitor"] == "off":
        if "early_stop" in trainer:
            raise InputError("trainer.early_stop: needs trainer.monitor, which is off")
        if config.get("lr_scheduler", {}).get("type") == "ReduceLROnPlateau":
            raise InputError("lr_scheduler.type: ReduceLROnPlateau needs trainer.monitor, which is off")
    if trainer["skip_first_n_saves"] >= trainer["epochs"]:
        raise InputError(
            f"trainer.skip_first_n_saves: {trainer['skip_first_n_saves']} of {trainer['epochs']} epochs, "
            "nothing would be saved"
        )
