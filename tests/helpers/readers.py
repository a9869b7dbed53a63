"""All readers of files, each of which reads a file to its end."""

from pathlib import Path

import torch

from base.checkpoint import load_checkpoint
from data_loader.conversion import CaptionEncoder, Encoder, FeatureEncoder, RawCaptionEncoder
from data_loader.experts import Expert
from data_loader.readers import read_file
from data_loader.store import open_table
from model.published import load_weights
from parse_config import ConfigParser
from utils.errors import InputError
from utils.unpack import unpack


def table(path: Path, encoder: Encoder) -> None:
    """Convert a file and read all of its items."""
    opened = open_table(path, encoder, path.parent / "cache", None)
    for span in range(len(opened.lengths)):
        opened.read(span)
    if opened.problems:
        raise InputError(next(iter(opened.problems.values())))


def features(path: Path) -> None:
    """Read an expert of dimension 3."""
    table(path, FeatureEncoder(Expert(3, aggregation="vlad")))


def pooled(path: Path) -> None:
    """Read an expert of dimension 3, averaged over time."""
    table(path, FeatureEncoder(Expert(3)))


def captions(path: Path) -> None:
    """Read word vectors of dimension 3."""
    table(path, CaptionEncoder(3))


def texts(path: Path) -> None:
    """Read captions as text."""
    table(path, RawCaptionEncoder())


def index(path: Path) -> None:
    """Read a small file as a whole."""
    read_file(path)


READERS = {"features": features, "pooled": pooled, "captions": captions, "texts": texts, "index": index}


def load_state(path: Path) -> None:
    """Read a checkpoint, for a model of one weight "w" unless it is of the release."""
    state = load_checkpoint(path)
    ConfigParser(state["config"], f"config in {path}")
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(torch.zeros(3))
    if not state.get("published"):  # its weights have other names
        load_weights(model, state, path)


def unpacked(path: Path) -> None:
    """Unpack an archive into the folder "data" beside it."""
    unpack(path, path.parent / "data", "MSVD/symlinked-feats")
