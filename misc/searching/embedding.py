"""A checkpoint that embeds videos and texts for search."""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from base.checkpoint import load_checkpoint
from data_loader.dataset import pad
from data_loader.experts import resolve_experts
from misc.searching.about import About, Kind
from misc.searching.collection import Batch, Collection
from model.published import load_weights
from model.similarity import TextEmbedding, VideoEmbedding
from parse_config import ConfigParser
from trainer.build import build_model
from trainer.evaluation import to_device
from utils.errors import InputError
from utils.progress import bar

VIDEOS, TEXTS = 64, 256  # at a time


class Embedder:
    """A model of a checkpoint, ours or of the 2019 release.

    Args:
        checkpoint: its path.
        device: where it is to compute; what it returns is on the CPU.
        config: a file with another config than the one in the checkpoint.

    Attributes:
        config: in the checkpoint.
        experts: the experts it knows.
        sha256: of its weights, and of what in its config says how they are used.

    Raises:
        InputError: no checkpoint, a damaged one, or one with the score of 2019.
    """

    def __init__(self, checkpoint: Path, device: torch.device, config: Path | None = None):
        self.checkpoint, self.device = checkpoint, device
        state = load_checkpoint(checkpoint)
        arguments = argparse.Namespace(config=config, resume=checkpoint, set=[])
        self.config = ConfigParser.from_arguments(arguments, state, writes=False)
        if (similarity := self.config["arch"]["args"].get("similarity", "pairwise")) != "pairwise":
            raise InputError(
                f"{checkpoint}: arch.args.similarity is '{similarity}', expected 'pairwise': "
                "the other score depends on which video a text belongs to"
            )
        args = self.config["data_loader"]["args"]
        self.experts = resolve_experts(self.config["experts"], args["feat_aggregation"])
        self.sha256 = _digest(state, self.config)
        self.model = build_model(self.config)
        load_weights(self.model, state, checkpoint)
        self.model = self.model.eval().to(device)
        self._most_words = args["max_text_words"]

    @property
    def text_dim(self) -> int:
        """The dimension of a word."""
        return self.config["experts"]["text_dim"]

    @property
    def text_feat(self) -> str:
        """Which word vectors."""
        return self.config["experts"]["text_feat"]

    def about(self, collection: str, kind: Kind) -> About:
        """What an index of its videos is to remember."""
        nothing = self.texts([np.zeros((1, self.text_dim), np.float32)])  # texts have the dimensions of videos
        return About(
            collection=collection,
            checkpoint=str(self.checkpoint),
            sha256=self.sha256,
            experts=list(self.experts),
            dims=[x.shape[1] for x in nothing.experts],
            keep_missing=self.model.keep_missing_modalities,
            l2renorm=self.model.l2renorm,
            kind=kind,
        )

    @torch.inference_mode()
    def texts(self, texts: Sequence[np.ndarray]) -> TextEmbedding:
        """Embed T texts, (tokens, text_dim) each, cut and padded as captions are in training."""
        parts = []
        for start in range(0, len(texts), TEXTS):
            cut = [x[: self._most_words] for x in texts[start : start + TEXTS]]
            words, mask = pad(cut, self.text_dim, None if self.model.mask_padding else self._most_words)
            parts.append(self.model.embed_text(words[None].to(self.device), mask[None].to(self.device)))
        experts = [torch.cat(x).float().cpu() for x in zip(*(part.experts for part in parts), strict=True)]
        return TextEmbedding(experts, torch.cat([part.weights for part in parts]).float().cpu())

    @torch.inference_mode()
    def videos(self, batch: Batch) -> VideoEmbedding:
        """Embed B videos.

        Raises:
            InputError: NaN in an expert that is present.
        """
        video = self.model.embed_video(**to_device(batch.inputs, self.device))
        self.model.raise_if_nan()
        return VideoEmbedding([x.float().cpu() for x in video.experts], video.available.float().cpu())

    def collection(self, collection: Collection, videos: Sequence[str]) -> Iterator[tuple[Batch, VideoEmbedding]]:
        """Embed videos of a collection, batch by batch, with a bar on a terminal."""
        with bar(description="embedding", file=sys.stderr, total=len(videos), unit="video") as shown:
            for batch in collection.batches(videos, VIDEOS):
                yield batch, self.videos(batch)
                shown.update(len(batch.ids))


def _digest(state: dict, config: ConfigParser) -> str:
    """The SHA-256 of the weights in a checkpoint, and of what in its config says how they are used."""
    args = config["data_loader"]["args"]
    used = {key: args[key] for key in ("max_text_words", "max_expert_tokens", "feat_aggregation")}
    digest = hashlib.sha256(json.dumps([config["arch"], config["experts"], used], sort_keys=True).encode())
    for name, weights in sorted(state["state_dict"].items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
