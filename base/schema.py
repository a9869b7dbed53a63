"""The schema of a config: every key, its type and its default."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

# Sizes that torch can still multiply without overflow.
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]


class Section(pydantic.BaseModel):
    """A section of a config, without unknown keys and without conversions between types."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class ExpertEntry(Section):
    """An expert of your own dataset, or the fields that override those of a known expert."""

    dim: PositiveInt | None = None
    kind: Literal["sequence", "vector"] | None = None
    aggregation: Literal["vlad", "avg", "max", "none"] | None = None
    may_be_missing: bool | None = None
    embed_dim: PositiveInt | None = None


class Experts(Section):
    """The experts and the text features; any further key is the `ExpertEntry` of an expert."""

    model_config = pydantic.ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, ExpertEntry] = Field(init=False)

    face_dim: PositiveInt | None = None
    drop_feats: str = ""
    text_feat: str
    text_dim: PositiveInt
    modalities: Annotated[list[str], Field(min_length=1)] | None = None
    ce_shared_dim: PositiveInt = 512


class Typed(Section):
    """An object by the name of its class and the arguments of its constructor."""

    type: str
    args: dict[str, Any] = {}


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


class VisualizerArgs(Section):
    """Arguments of `Visualizer`, which documents them."""

    src_video_dir: str | None = None
    vis_vid_freq: PositiveInt = 1
    num_samples: PositiveInt = 100


class Visualizer(Section):
    type: Literal["Visualizer"]
    args: VisualizerArgs


class Trainer(Section):
    """The length of a training, its checkpoints, and the value that selects the best one.

    `monitor` is "off" or "max|min <name>", where the name is `epoch`, `loss` or `val_<metrics>_<name>`. Training stops early
    when the monitored value has not improved for `early_stop` epochs. In the first `skip_first_n_saves` epochs nothing is
    saved and no epoch counts as the best. `train_batches` documents `precision` and `accumulate`. `compile` runs forward
    and backward passes through `torch.compile`, which needs a C++ compiler and most of a minute; on a CPU the step was not
    faster, and with several processes it has no effect. CUDA graphs are not used, since batches differ in width.
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
    """A complete config.

    `arch.type` names a model, `loss.type` a loss and `metrics` metrics of the package `model`; misc/docs/extending.md shows
    how to add one. `optimizer` and `lr_scheduler` are classes of torch; Adam, AdamW and SGD are fused unless their args say
    otherwise. The best model is tested on `test_split`; without it on the split of `eval_config`, unless `eval_mode` is
    "fixed_num_epochs". `v2t_ties` "published" ranks tied captions by the rule of both public versions of the original, see
    `model.metric.v2t_ranks`. `visualizer` asks for a ranking page. `evaluation_memory` limits the MiB that an evaluation
    takes beside the model and the videos, for any number of captions; embeddings and similarities that do not fit go to
    temporary files. `n_gpu` and `log_name` are accepted because published configs have them; they have no effect.
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
    arch: Typed
    data_loader: DataLoader
    optimizer: Typed | None = None
    lr_scheduler: Typed | None = None
    loss: Typed | None = None
    metrics: Annotated[list[str], Field(min_length=1)] = ["t2v_metrics", "v2t_metrics"]
    v2t_ties: Literal["expected", "published"] | None = None
    evaluation_memory: PositiveInt = 1024
    visualizer: Visualizer | None = None
    trainer: Trainer | None = None
    tester: Tester | None = None
