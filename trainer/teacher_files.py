"""Files with the embeddings of trained models, which teach another model (TeachText)."""

import argparse
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from base.checkpoint import load_checkpoint
from base.device import select_device, to_device
from base.experiment import Run
from data_loader.dataset import Collate
from data_loader.datasets.layout import TEACHERS
from model.model import CENet
from model.published import load_weights
from parse_config import ConfigParser
from trainer.build import build_loaders, build_model
from utils.allocator import keep_freed_memory
from utils.errors import InputError, count_text
from utils.files import atomic_write
from utils.progress import bar


@torch.inference_mode()
def embed(model: CENet, loader: DataLoader, device: torch.device) -> Iterator[tuple[str, dict[str, dict[str, np.ndarray]]]]:
    """Yield each video with its `vid_embds` and `text_embds`, by expert."""
    names = ["experts"] if model.is_concat else model.modalities
    for batch in bar(loader, "embedding"):
        inputs = to_device({key: batch[key] for key in ("text", "word_mask", "experts", "ind", "frame_masks")}, device)
        video = model.embed_video(inputs["experts"], inputs["ind"], inputs["frame_masks"])
        text = model.embed_text(inputs["text"], inputs["word_mask"])
        num_captions = inputs["text"].shape[1]
        videos = [(x * video.available[:, i : i + 1]).cpu().numpy() for i, x in enumerate(video.experts)]
        weights = text.weights / text.weights.sum(dim=1, keepdim=True)
        texts = [(x * weights[:, i : i + 1]).unflatten(0, (-1, num_captions)) for i, x in enumerate(text.experts)]
        texts = [x.cpu().numpy() for x in texts]
        for row, (video_id, positions) in enumerate(zip(batch["ids"], batch["caption_positions"], strict=True)):
            captions = {}
            for name, x in zip(names, texts, strict=True):  # captions without a word have no embedding
                captions[name] = np.zeros((1 + max(positions), x.shape[2]), np.float32)
                captions[name][positions] = x[row, : len(positions)]
            yield (
                video_id,
                {
                    "vid_embds": {name: x[row] for name, x in zip(names, videos, strict=True)},
                    "text_embds": captions,
                },
            )


def teacher_names(checkpoints: Sequence[Path]) -> list[str]:
    """Return a name per checkpoint: its experiment and seed, and its time if several have the same ones."""
    runs = [Run.of_checkpoint(path) for path in checkpoints]
    names = [
        path.stem if run is None else "-".join([run.experiment, *run.id.split("/")[1:]])  # the seed
        for path, run in zip(checkpoints, runs, strict=True)
    ]
    names = [
        name if run is None or names.count(name) == 1 else f"{run.experiment}-{run.id.replace('/', '-')}"
        for name, run in zip(names, runs, strict=True)
    ]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"CHECKPOINT: two files would be {repeated[0]}.pkl, expected checkpoints of different runs")
    return names


def write_teacher(path: Path, name: str, device: torch.device, force: bool) -> Path:
    """Write the file of the teacher in the checkpoint `path`, with all training captions, and return its path.

    Text is stored as w_i(t) text_i(t), with the mixture weights, which sum to 1, and videos as a_i(v) video_i(v), with
    zeros for missing experts. So the teacher's similarity sum_i <text_i, video_i> is its own score up to the division by the
    sum of the weights of available experts, and lies in the range of the student's. Whether the published files hold the
    weights is not known: the program that wrote them is not public, and unit vectors would give similarities up to the
    number of experts. Of a model with `keep_missing_modalities` it is also its score: of the corrected network the sum over
    all experts, whether they are missing or not.

    Raises:
        InputError: a checkpoint or data that cannot be read, or a file that exists.
    """
    state = load_checkpoint(path)
    config = ConfigParser.from_checkpoint(state, path, overrides=["distil_loss=false"])
    model = build_model(config)
    load_weights(model, state, path)
    model.eval().to(device)
    loaders = build_loaders(config, device, restrict_train_captions=None, training_file=None, caption_masks=None, mini=False)
    target = loaders.folder / TEACHERS / f"{name}.pkl"
    if target.exists() and not force:
        raise InputError(f"{target}: exists, expected a new file (or --force)")
    dataset = loaders.train.dataset
    collate = Collate(dataset, max(dataset.num_captions), pad_to_max=not model.mask_padding)
    loader = DataLoader(dataset, batch_size=loaders.train.batch_sampler.batch_size, collate_fn=collate)
    target.parent.mkdir(exist_ok=True)
    content = dict(embed(model, loader, device))
    model.raise_if_nan()
    with atomic_write(target) as file:
        pickle.dump(content, file, protocol=4)
    print(f"{target}: {count_text(len(content), 'video')}, {count_text(sum(dataset.num_captions), 'caption')}")
    return target


def run(args: argparse.Namespace) -> None:
    """Write a file for each checkpoint."""
    keep_freed_memory()
    device = select_device(args.device)
    names = teacher_names(args.checkpoints)
    written = [write_teacher(path, name, device, args.force) for path, name in zip(args.checkpoints, names, strict=True)]
    files = ", ".join(f'"{path.name}"' for path in written)
    print('to train with them, add to a config of the same data_dir and root_feat_folder: "distil_loss": true,')
    print(f'"distil_params": {{"base_path": "{TEACHERS}", "teachers": [{files}]}}')
