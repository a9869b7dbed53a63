"""The schema of a config: every key, its type and its default."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field, FiniteFloat

# What torch can count with, also after a multiplication.
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]


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
    modalities: Annotated[list[str], Field(min_length=1)] | None = None
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
    mini: bool = False
    fuse_captions: bool = False
    restrict_train_captions: PositiveInt | None = None
    num_test_captions: PositiveInt | None = None
    max_text_words: PositiveInt = 30
    max_expert_tokens: PositiveInt = 30
    rgb_model_name: str | None = None
    cache_dir: str | None = None
    feat_aggregation: dict[str, Literal["vlad", "avg", "max"]] = {}


class DataLoader(Section):
    type: Literal["ExpertDataLoader"]
    args: DataLoaderArgs


class LossArgs(Section):
    margin: Annotated[FiniteFloat, Field(ge=0)] = 0.2
    fix_norm: bool = True


class Loss(Section):
    type: Literal["MaxMarginRankingLoss"]
    args: LossArgs = LossArgs()


class Typed(Section):
    """An object by the name of its class and its arguments."""

    type: str
    args: dict[str, Any] = {}


class VisualizerArgs(Section):
    """Arguments of `Visualizer`, which documents them."""

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
    `skip_first_n_saves` epochs. `precision` and `accumulate` are documented in `train_one_epoch`. `compile`
    lets `torch.compile` make the forward and backward passes, which takes a C++ compiler and most of a minute; on a CPU a
    step was no faster, and with several processes it has no effect. CUDA graphs are not made: batches differ in width.
    """

    epochs: PositiveInt
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    accumulate: PositiveInt = 1
    compile: bool = False
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
    """A whole config.

    `optimizer` and `lr_scheduler` are classes of torch; steps of Adam, AdamW and SGD are fused where their args do not say.
    `test_split` is the split on which the best model is tested after training; without it, that of `eval_config`, unless
    `eval_mode` is "fixed_num_epochs". `v2t_ties` "published" ranks captions that are tied by the rule of both public
    versions of the original, see `model.metric.v2t_ranks`. `visualizer` asks for a ranking page. `evaluation_memory` is how
    many MiB an evaluation may take, whatever the number of captions, beside the model and the videos; embeddings and
    similarities that do not fit go to temporary files. Read for the sake of published configs, and without effect: `n_gpu`
    and `log_name`.
    """

    name: Annotated[str, Field(pattern=r"^[\w-][\w.-]*$")] | None = None
    n_gpu: NonNegativeInt = 1
    seed: int = Field(0, ge=0, lt=2**64)
    disable_nan_checks: bool = False
    disable_gpu: bool = False
    log_name: str | None = None
    eval_mode: Literal["test_run", "fixed_num_epochs"] = "test_run"
    eval_config: str | None = None
    test_split: str | None = None
    experts: Experts
    arch: Arch
    data_loader: DataLoader
    optimizer: Typed | None = None
    lr_scheduler: Typed | None = None
    loss: Loss | None = None
    metrics: Annotated[list[Literal["t2v_metrics", "v2t_metrics"]], Field(min_length=1)] = ["t2v_metrics", "v2t_metrics"]
    v2t_ties: Literal["expected", "published"] | None = None
    evaluation_memory: PositiveInt = 1024
    visualizer: Visualizer | None = None
    trainer: Trainer | None = None
    tester: Tester | None = None
