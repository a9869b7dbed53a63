"""The schema of a config: every key with its type, its default and its meaning.

The `args` of other sections are documented by the class that `type` names: `model.model.CENet` or another model for `arch`,
`model.loss.MaxMarginRankingLoss` or another loss for `loss`, and classes of torch for `optimizer` and `lr_scheduler`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Discriminator, Field, Tag

# Sizes that torch can still multiply without overflow.
PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]
Probability = Annotated[float, Field(ge=0, lt=1)]
# True or false; the corrected release writes some as 1 and 0.
Switch = bool | Literal[0, 1]
# A switch of the release that must be off here.
Off = Literal[False, 0]
# Tags of the alternatives of a key, by the kind of JSON; `base.registry.explain` leaves them out of paths.
VALUE, OBJECT = "<value>", "<object>"


def _kind(value: Any) -> str:
    return OBJECT if isinstance(value, Mapping | pydantic.BaseModel) else VALUE


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
    text_dim: PositiveInt | None = None  # dimension of a word vector; corrected release: see data_loader/text_encoders.py
    text_agg: Literal["vlad", "avg"] | None = None  # avg: the mean of a caption's words is its only word; default: vlad
    use_zeros_for_missing: Off | None = None  # without effect
    modalities: Annotated[list[str], Field(min_length=1)] | None = None  # experts to use; default: all entries
    ce_shared_dim: PositiveInt = 512  # dimension of every embedding in CE


class Typed(Section):
    """An object by the name of its class and the arguments of its constructor."""

    type: str  # name of the class
    args: dict[str, Any] = {}  # arguments of its constructor


class FeatDims(Section):
    """The dimensions of an expert's two kinds of features."""

    embed: PositiveInt | None = None  # of the last layer but one
    logits: PositiveInt | None = None  # of the last layer


class FeatAggregation(Section):
    """An expert of the corrected release; the numbers below `temporal` are in the name of its file."""

    temporal: Literal["vlad", "avg", "max"]  # its aggregation; avg and max are applied in the file
    type: Literal["embed", "logits"] = "embed"  # the features to use
    feat_dims: FeatDims = FeatDims()  # default: the dimension in data_loader/experts.py
    fps: PositiveInt | None = None  # frames per second
    pixel_dim: PositiveInt | None = None  # size of a frame
    stride: PositiveInt | None = None  # frames between two clips, or between two frames
    offset: NonNegativeInt | None = None  # first frame
    inner_stride: PositiveInt | None = None  # frames between two frames of a clip
    num_segments: PositiveInt | None = None  # segments of a video
    flaky: bool | None = None  # true: videos may lack it
    model: str | None = None  # without effect, published configs have it
    feat_type: Literal["sem"] | None = None  # without effect, published configs have it for detections
    binarise: Off | None = None  # replacing features by ones is not supported
    aggregate: Literal["concat"] | None = None  # without effect: `temporal` has one part only
    aggregate_axis: Literal[1] | None = Field(None, alias="aggregate-axis")  # without effect, as `aggregate`


Aggregation = Annotated[
    Annotated[Literal["vlad", "avg", "max"], Tag(VALUE)] | Annotated[FeatAggregation, Tag(OBJECT)], Discriminator(_kind)
]


class DataLoaderArgs(Section):
    """The data to read, and its batches."""

    dataset_name: str  # a published dataset (data_loader/datasets/), or any other name for your own
    data_dir: str  # folder that holds the folder of the features
    root_feat_folder: str | None = None  # that folder in the corrected release; default: symlinked-feats, of 2019
    batch_size: PositiveInt  # videos in a batch
    split_name: str  # split to evaluate, which also selects the videos to train on
    num_workers: NonNegativeInt = 0  # processes that prepare batches, at most one per free core; 0: the main process
    mini: bool = False  # use two batches of videos for training and one for evaluation
    fuse_captions: bool = False  # join the captions of a video to one
    restrict_train_captions: PositiveInt | None = None  # train with the first captions of each video; default: all
    num_test_captions: PositiveInt | None = None  # evaluate the first captions of each video; default: all
    max_text_words: PositiveInt = 30  # longer captions are cut
    max_expert_tokens: PositiveInt = 30  # longer sequences of an expert are cut
    max_tokens: dict[str, PositiveInt] | None = None  # "text" or expert -> the same, overrides the two above
    text_dropout: Annotated[float, Field(ge=0, le=1)] | None = None  # share of captions that lose words in training
    word_dropout: Probability | None = None  # of each word to be left out in training; one of a caption stays
    expert_dropout: Probability | None = None  # of each expert that a video has to be missing in training; one stays
    drop_last: bool | None = None  # leave out the videos of a last, smaller batch; default: only in 2019
    trn_cat: Off | None = None  # temporal relations are not supported
    rgb_model_name: str | None = None  # network of the rgb features, if the dataset has several
    cache_dir: str | None = None  # folder of the converted features; default: <data_dir>/cache
    feat_aggregation: dict[str, Aggregation] = {}  # expert -> aggregation or more, overrides what experts say


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
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None  # of the moving average of the weights; default: none
    compile: bool = False  # use torch.compile in one process; needs a C++ compiler, is not faster on CPUs
    save_dir: str = "data/saved/"  # folder for models, log and web
    save_period: PositiveInt = 1  # epochs between checkpoints
    save_only_best: bool | None = None  # keep the best model, and only the last checkpoint, to resume from
    val_freq: Literal[1] | None = None  # epochs between evaluations
    include_optim_in_ckpts: Literal[True] | None = None  # without effect: checkpoints hold the optimizer, to be resumed
    skip_first_n_saves: NonNegativeInt = 0  # epochs at the start that are neither saved nor the best
    verbosity: Literal[0, 1, 2] = 2  # log warnings, information or everything
    tensorboard: bool = True  # write TensorBoard events
    monitor: str = "off"  # "max <name>" or "min <name>": epoch, loss or val_<metrics>_<name>
    early_stop: PositiveInt | None = None  # epochs without a better monitored value after which to stop


class TesterSection(Section):
    """The settings of test.py; default: those of `trainer`."""

    save_dir: str = "data/saved/"  # as in `trainer`
    verbosity: Literal[0, 1, 2] = 2  # as in `trainer`


class EvalArgs(Section):
    """The captions to test on."""

    split_name: str | None = None  # as in `data_loader`
    num_test_captions: PositiveInt | None = None  # as in `data_loader`


class EvalDataLoader(Section):
    args: EvalArgs = EvalArgs()  # split and captions


class EvalSettings(Section):
    """Changes of the config for the test after the training."""

    data_loader: EvalDataLoader | None = None  # split and captions of the test
    tester: TesterSection | None = None  # settings of test.py
    disable_gpu: bool | None = None  # test on the CPU


EvalChanges = Annotated[
    Annotated[EvalSettings, Tag(OBJECT)] | Annotated[Literal[False] | None, Tag(VALUE)], Discriminator(_kind)
]


class DistilParams(Section):
    """The teachers of TeachText."""

    base_path: str  # folder of the teachers' files, in the folder of the features
    teachers: Annotated[list[str], Field(min_length=1)]  # names of their files, appended to base_path
    moee: bool | list[Switch] | None = None  # without effect: the dimensions of teachers are those of their files


class QuerybankSection(Section):
    """The query bank of the training data that an evaluation is repeated with, see `model.querybank`."""

    method: Literal["dynamic", "inverted_softmax", "csls"] = "dynamic"  # normalization
    beta: Annotated[float, Field(ge=0.001, le=10_000)] = 20.0  # inverse temperature, as published; without effect in csls
    choose_beta: bool = False  # choose beta for each direction on the split that selects the best epoch (not in csls)


class Config(Section):
    """A complete config."""

    name: Annotated[str, Field(pattern=r"^[\w-][\w.-]*$")] | None = None  # default: <data_dir's end, lower case>-<stem>
    n_gpu: NonNegativeInt = 1  # without effect, published configs have it
    seed: int = Field(0, ge=0, lt=2**64)  # of weights, batches, captions and noise
    disable_nan_checks: bool = False  # do not look for NaN in experts that are present
    disable_gpu: bool = False  # use the CPU whatever --device says
    log_name: str | None = None  # without effect, published configs have it
    text_embedding_model_configs: Literal["model/text_embedding_models.json"] | None = None  # without effect
    task: Literal["retrieval"] | None = None  # classification is not supported
    challenge_mode: Off | None = None  # predictions for the challenge's server are not supported
    manual_linear_init: Off | None = None  # another initialization of layers is not supported
    eval_mode: Literal["test_run", "fixed_num_epochs"] = "test_run"  # fixed_num_epochs: ignore eval_config, eval_settings
    eval_config: str | None = None  # config whose split_name is the default of test_split
    eval_settings: EvalChanges = None  # changes for the test of the best model; false: none
    test_split: str | None = None  # split to test the best model on; default: that of the two above, then split_name
    experts: Experts  # may be fewer than the files of data_dir have
    arch: Typed  # class of model/, such as CENet
    data_loader: DataLoaderSection  # feature archive, split and batches
    optimizer: Typed | None = None  # class of torch.optim; Adam, AdamW and SGD are fused unless args say otherwise
    lr_scheduler: Typed | None = None  # class of torch.optim.lr_scheduler, which takes a step after each epoch
    loss: Typed | None = None  # class of model/, called with similarities (B, B); only for training
    distil_loss: bool | None = None  # learn the teachers' similarities too (TeachText)
    distil_params: DistilParams | None = None  # the teachers of distil_loss
    init_from: str | None = None  # checkpoint with initial weights, see --init_from; not read when a training is resumed
    training_file: str | None = None  # list of the videos to train on, in the folder of the features; default: the split's
    caption_masks: str | None = None  # file there, video -> 1 for each caption to train with, 0 for others; default: all
    metrics: Annotated[list[str], Field(min_length=1)] = ["t2v_metrics", "v2t_metrics"]  # functions of model/
    v2t_ties: Literal["expected", "published"] | None = None  # rule for ties, see model.metric.v2t_ranks
    evaluation_memory: PositiveInt = 1024  # MiB of an evaluation beside model and videos; the rest goes to temporary files
    qrels: Literal[True] | str | None = None  # true: report metrics with equal captions as relevant; or a TREC file of qrels
    confidence: Annotated[float, Field(ge=1, le=99.9)] | None = None  # percentage of the confidence intervals of metrics
    querybank: QuerybankSection | None = None  # default: metrics of the similarities as they are only
    visualizer: VisualizerSection | None = None  # default: no ranking page
    trainer: TrainerSection | None = None  # only for training; test.py falls back to its save_dir and verbosity
    tester: TesterSection | None = None  # only for test.py; default: `trainer`
