"""The schema of a config: every key with its type, its default and its meaning.

The `args` of other sections are documented by the class that `type` names: `model.model.CENet` or another model for `arch`,
`model.loss.MaxMarginRankingLoss` or another loss for `loss`, and classes of torch for `optimizer` and `lr_scheduler`.
"""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

# Sizes that torch can still multiply without overflow.
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]
# True or false; the corrected release writes some as 1 and 0.
Switch = bool | Literal[0, 1]


class Section(pydantic.BaseModel):
    """An object of a JSON file, without unknown keys and without conversions between types."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class ExpertEntry(Section):
    """An expert of your own dataset, with these defaults, or the fields that override those of a published expert.

    An expert of your own with a published name (audio, face, ...) also has the defaults of `data_loader.experts.EXPERTS`.
    """

    dim: PositiveInt | None = None  # dimension of a frame, or of the vector
    kind: Literal["sequence", "vector"] | None = None  # an array (T, dim) per video, or (dim,); default: sequence
    aggregation: Literal["vlad", "avg", "max", "none"] | None = None  # over time, vlad in the model; default: avg
    may_be_missing: bool | None = None  # false: a video without it is an error; default: as the dataset declares
    embed_dim: PositiveInt | None = None  # dimension of its embedding in MoEE; default: dim


class Experts(Section):
    """The experts and the text features; any further key is the `ExpertEntry` of an expert."""

    model_config = pydantic.ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, ExpertEntry] = Field(init=False)

    face_dim: PositiveInt | None = None  # published name of face.dim
    drop_feats: str = ""  # experts not to use, separated by commas
    text_feat: str  # name of the word vectors
    text_dim: PositiveInt  # dimension of a word vector
    modalities: Annotated[list[str], Field(min_length=1)] | None = None  # experts to use; default: all entries
    ce_shared_dim: PositiveInt = 512  # dimension of every embedding in CE


class Typed(Section):
    """An object by the name of its class and the arguments of its constructor."""

    type: str  # name of the class
    args: dict[str, Any] = {}  # arguments of its constructor


class DataLoaderArgs(Section):
    """The data to read, and its batches."""

    dataset_name: str  # a published dataset (data_loader/datasets/), or any other name for your own
    data_dir: str  # folder that holds symlinked-feats
    batch_size: PositiveInt  # videos in a batch
    split_name: str  # split to evaluate, which also selects the videos to train on
    num_workers: NonNegativeInt = 0  # processes that prepare batches, at most one per core; 0: the main process
    mini: bool = False  # use two batches of videos for training and one for evaluation
    fuse_captions: bool = False  # join the captions of a video to one
    restrict_train_captions: PositiveInt | None = None  # train with the first captions of each video; default: all
    num_test_captions: PositiveInt | None = None  # evaluate the first captions of each video; default: all
    max_text_words: PositiveInt = 30  # longer captions are cut
    max_expert_tokens: PositiveInt = 30  # longer sequences of an expert are cut
    rgb_model_name: str | None = None  # network of the rgb features, if the dataset has several
    cache_dir: str | None = None  # folder of the converted features; default: <data_dir>/cache
    feat_aggregation: dict[str, Literal["vlad", "avg", "max"]] = {}  # expert -> aggregation, overrides that of experts


class DataLoaderSection(Section):
    type: Literal["ExpertDataLoader"]  # class of data_loader/data_loaders.py
    args: DataLoaderArgs  # completed from other sections by trainer.build.loader_arguments


class VisualizerArgs(Section):
    """The content of the ranking page."""

    src_video_dir: str | None = None  # folder of the clips, files named by the ids of their videos
    vis_vid_freq: PositiveInt = 1  # in training, show the epochs that are a multiple of this
    num_samples: PositiveInt = 100  # queries to show in each direction


class VisualizerSection(Section):
    type: Literal["Visualizer"]  # class of utils/visualizer/visualizer.py
    args: VisualizerArgs  # completed from other sections by trainer.build.build_visualizer


class TrainerSection(Section):
    """The length of a training, its checkpoints, and the value that selects the best one."""

    epochs: PositiveInt  # counted from the first start, also if the training is resumed
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"  # of matrix products; tf32 is for GPUs
    accumulate: PositiveInt = 1  # batches whose gradients are averaged for a step; negatives come from one batch
    compile: bool = False  # use torch.compile in one process; needs a C++ compiler, is not faster on CPUs
    save_dir: str = "data/saved/"  # folder for models, log and web
    save_period: PositiveInt = 1  # epochs between checkpoints
    skip_first_n_saves: NonNegativeInt = 0  # epochs at the start that are neither saved nor the best
    verbosity: Literal[0, 1, 2] = 2  # log warnings, information or everything
    tensorboard: bool = True  # write TensorBoard events
    monitor: str = "off"  # "max <name>" or "min <name>": epoch, loss or val_<metrics>_<name>
    early_stop: PositiveInt | None = None  # epochs without a better monitored value after which to stop


class TesterSection(Section):
    """The settings of test.py; default: those of `trainer`."""

    save_dir: str = "data/saved/"  # as in `trainer`
    verbosity: Literal[0, 1, 2] = 2  # as in `trainer`


class Config(Section):
    """A complete config."""

    name: Annotated[str, Field(pattern=r"^[\w-][\w.-]*$")] | None = None  # default: <data_dir's end, lower case>-<stem>
    n_gpu: NonNegativeInt = 1  # without effect, published configs have it
    seed: int = Field(0, ge=0, lt=2**64)  # of weights, batches, captions and noise
    disable_nan_checks: bool = False  # do not look for NaN in experts that are present
    disable_gpu: bool = False  # use the CPU whatever --device says
    log_name: str | None = None  # without effect, published configs have it
    eval_mode: Literal["test_run", "fixed_num_epochs"] = "test_run"  # fixed_num_epochs: ignore eval_config
    eval_config: str | None = None  # config whose split_name is the default of test_split
    test_split: str | None = None  # split to test the best model on; default: that of eval_config, then split_name
    experts: Experts  # may be fewer than the files of data_dir have
    arch: Typed  # class of model/, such as CENet
    data_loader: DataLoaderSection  # feature archive, split and batches
    optimizer: Typed | None = None  # class of torch.optim; Adam, AdamW and SGD are fused unless args say otherwise
    lr_scheduler: Typed | None = None  # class of torch.optim.lr_scheduler, which takes a step after each epoch
    loss: Typed | None = None  # class of model/, called with similarities (B, B); only for training
    metrics: Annotated[list[str], Field(min_length=1)] = ["t2v_metrics", "v2t_metrics"]  # functions of model/
    v2t_ties: Literal["expected", "published"] | None = None  # rule for ties, see model.metric.v2t_ranks
    evaluation_memory: PositiveInt = 1024  # MiB of an evaluation beside model and videos; the rest goes to temporary files
    visualizer: VisualizerSection | None = None  # default: no ranking page
    trainer: TrainerSection | None = None  # only for training; test.py falls back to its save_dir and verbosity
    tester: TesterSection | None = None  # only for test.py; default: `trainer`
