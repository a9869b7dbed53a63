"""Embed videos and texts with the model of a checkpoint."""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from base.checkpoint import load_checkpoint
from base.device import to_device
from data_loader.dataset import pad
from data_loader.experts import resolve_experts
from data_loader.text_encoders import resolve_text_dim
from misc.searching.choices import IndexKind
from misc.searching.collection import Batch, Collection
from misc.searching.index.metadata import IndexMetadata
from misc.searching.index.query_bank import BankMetadata, QueryBank
from model.model import CENet
from model.published import load_weights
from model.querybank import fit_bank, normalize
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity
from parse_config import ConfigParser
from trainer.build import build_beta_loaders, build_evaluation_loaders, build_model, with_querybank
from trainer.embedding import TextStore, embed_split
from trainer.evaluation import compute_similarities
from trainer.querybank_evaluation import choose_betas
from utils.errors import InputError
from utils.progress import bar

CPU = torch.device("cpu")
TEXT_BATCH = 256
CAPTION_BYTES = 256 << 20  # of embedded captions in memory; further ones are kept in a temporary file
CAPTION_BATCH = 4096  # captions scored at a time
MAX_BANK = 10_000  # captions, and videos, of a query bank, spread over the training data


class Embedder:
    """The model of a checkpoint, of this program or of the 2019 release.

    Embeddings are returned on the CPU, whatever the `device` of the model.

    Attributes:
        config: config of the model: the one in the checkpoint, or in the file that replaces it.
        sha256: digest of the weights and of the parts of the config that determine embeddings.
        text_feat, text_dim: name and dimension of the word vectors.
    """

    def __init__(self, checkpoint: Path, device: torch.device = CPU, config: Path | None = None):
        self.checkpoint, self.device = checkpoint, device
        state = load_checkpoint(checkpoint)
        self.config = ConfigParser.from_checkpoint(state, checkpoint, config)
        if (similarity := self.config["arch"]["args"].get("similarity", "pairwise")) != "pairwise":
            raise InputError(
                f"{checkpoint}: arch.args.similarity is '{similarity}', expected 'pairwise': "
                "the other score depends on which video a text belongs to"
            )
        self.model = build_model(self.config)
        if type(self.model).score is not CENet.score:
            raise InputError(
                f"{checkpoint}: {type(self.model).__name__} has a score of its own, which indexes cannot compute"
            )
        args = self.config["data_loader"]["args"]
        self.experts = resolve_experts(self.config["experts"], args["feat_aggregation"])
        self.text_feat, self.text_dim = self.config["experts"]["text_feat"], resolve_text_dim(self.config)
        self._averages_words = self.config["experts"].get("text_agg") == "avg"
        self._max_text_words = 1 if self._averages_words else args.get("max_tokens", {}).get("text", args["max_text_words"])
        self.sha256 = _digest(state, self.config)
        load_weights(self.model, state, checkpoint)
        self.model = self.model.eval().to(device)

    def index_metadata(self, collection: str, kind: IndexKind) -> IndexMetadata:
        """Return the metadata of an index of a collection's videos."""
        text = self.embed_texts([np.zeros((1, self.text_dim), np.float32)])  # of the same dimensions as a video
        return IndexMetadata(
            collection=collection,
            checkpoint=str(self.checkpoint),
            sha256=self.sha256,
            experts=list(self.experts),
            dims=[x.shape[1] for x in text.experts],
            keep_missing=self.model.keep_missing_modalities,
            l2renorm=self.model.l2renorm,
            kind=kind,
        )

    @property
    def max_tokens(self) -> int | None:
        """The number of word vectors of a text that are used, from its beginning (None: all)."""
        return None if self._averages_words else self._max_text_words

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[np.ndarray]) -> TextEmbedding:
        """Embed T texts, each (tokens, text_dim), truncated and padded like captions in training."""
        batches = []
        for start in range(0, len(texts), TEXT_BATCH):
            chosen = texts[start : start + TEXT_BATCH]
            if self._averages_words:
                chosen = [x.mean(axis=0, keepdims=True) for x in chosen]
            cut = [x[: self._max_text_words] for x in chosen]
            words, mask = pad(cut, self.text_dim, None if self.model.mask_padding else self._max_text_words)
            batches.append(self.model.embed_text(words[None].to(self.device), mask[None].to(self.device)))
        experts = [torch.cat(x).float().cpu() for x in zip(*(batch.experts for batch in batches), strict=True)]
        return TextEmbedding(experts, torch.cat([batch.weights for batch in batches]).float().cpu())

    @torch.inference_mode()
    def embed_videos(self, batch: Batch) -> VideoEmbedding:
        """Embed B videos."""
        video = self.model.embed_video(**to_device(batch.inputs, self.device))
        self.model.raise_if_nan()
        return VideoEmbedding([x.float().cpu() for x in video.experts], video.available.float().cpu())

    def embed_bank(self, beta: str) -> QueryBank:
        """Embed the query bank that `test.py --querybank` has for this checkpoint, without videos of its test split.

        The method of normalization is that of the config's `querybank`. At most `MAX_BANK` captions and videos are kept.

        Args:
            beta: see `trainer.build.with_querybank`.

        Raises:
            InputError: the training or validation data is missing or invalid.
        """
        config = with_querybank(self.config.with_eval_settings(), beta)
        try:
            loaders = build_evaluation_loaders(config, self.config.test_split(), self.device)
        except InputError as error:
            raise InputError(f"--querybank: the data that the model was trained on: {error}") from None
        validation_split = self.config["data_loader"]["args"]["split_name"]
        validation = build_beta_loaders(config, validation_split, loaders, self.device, required=beta == "val")
        embedded = embed_split(self.model, loaders.bank, self.device, config["evaluation_memory"])
        about = config["querybank"] | {"dataset": config["data_loader"]["args"]["dataset_name"]}
        if validation is not None:
            betas = choose_betas(self.model, config, embedded, validation, self.device)
            about |= {"beta": betas["t2v"], "v2t_beta": betas["v2t"]}
        rows = _spread(np.flatnonzero(embedded.caption_mask.flatten().cpu()))
        texts = [embedded.texts.read(row, row + 1, CPU) for row in rows.tolist()]
        experts = [torch.cat(x).float().cpu() for x in zip(*(text.experts for text in texts), strict=True)]
        captions = TextEmbedding(experts, torch.cat([text.weights for text in texts]).float().cpu())
        rows = _spread(np.arange(len(embedded.ids)))
        *experts, available = (x[rows].float().cpu() for x in (*embedded.video.experts, embedded.video.available))
        return QueryBank(BankMetadata(**about), captions, VideoEmbedding(experts, available))


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return at most `MAX_BANK` of some rows, spread over them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, MAX_BANK).astype(int))]


class EmbeddedCaptions:
    """All captions of a collection, embedded, with the correction by a query bank if there is one."""

    def __init__(self, embedder: Embedder, collection: Collection, bank: QueryBank | None = None):
        self._l2renorm = embedder.model.l2renorm
        self._captions = [  # video, captions of its subset, row of the video in them, number of the caption
            (video, captions, row, k)
            for ids, captions in collection.load_captions()
            for row, video in enumerate(ids)
            for k in range(captions.count(row))
        ]
        self._texts = TextStore(CAPTION_BYTES)
        with bar(description="captions", file=sys.stderr, total=len(self._captions)) as progress:
            for start in range(0, len(self._captions), TEXT_BATCH):
                chosen = self._captions[start : start + TEXT_BATCH]
                self._texts.append(embedder.embed_texts([captions.vectors(row, k) for _, captions, row, k in chosen]))
                progress.update(len(chosen))
        self._correction = None
        if bank is not None and self._captions:
            exists, memory = torch.ones(len(self._captions), 1, dtype=torch.bool), embedder.config["evaluation_memory"]
            sims = compute_similarities(embedder.model, self._texts, bank.videos, exists, memory)
            self._correction = fit_bank(sims, "v2t", method=bank.about.method, beta=bank.about.v2t_beta or bank.about.beta)

    def search(
        self, video: VideoEmbedding, k: int, corrected: bool = True
    ) -> list[tuple[str, str, str, float, float | None, np.ndarray]]:
        """Return video id, caption id, text, similarity, normalized score and weights (M',) of a video's best k captions.

        They have the highest similarities, or normalized scores if the query bank corrects the video; otherwise normalized
        scores are None. Without `corrected`, the bank is not used. Equal captions are in the order of the files.
        """
        if not self._captions:
            return []
        batches = range(0, len(self._captions), CAPTION_BATCH)
        texts = (self._texts.read(start, min(start + CAPTION_BATCH, len(self._captions)), CPU) for start in batches)
        scores = torch.cat([pairwise_similarity(text, video, self._l2renorm)[:, 0] for text in texts])
        normalized = None
        if corrected and self._correction is not None:
            normalized = torch.from_numpy(normalize(scores[:, None].numpy(), self._correction, "v2t")[:, 0])
            normalized = None if normalized.equal(scores) else normalized
        best = []
        order = (scores if normalized is None else normalized).argsort(descending=True, stable=True)
        for i in order[:k].tolist():
            owner, captions, row, number = self._captions[i]
            name, weights = captions.name(row, number), self._texts.weights[i].numpy()
            score = None if normalized is None else float(normalized[i])
            best.append((owner, name, captions.text(row, number), float(scores[i]), score, weights))
        return best


def _digest(state: dict, config: ConfigParser) -> str:
    """Return the SHA-256 of a checkpoint's weights and of the parts of its config that determine embeddings."""
    args = config["data_loader"]["args"]
    keys = ("max_text_words", "max_expert_tokens", "feat_aggregation", "max_tokens")
    used = {key: args[key] for key in keys if key in args}
    digest = hashlib.sha256(json.dumps([config["arch"], config["experts"], used], sort_keys=True).encode())
    for name, weights in sorted(state["state_dict"].items()):
        digest.update(f"{name} {weights.dtype} {tuple(weights.shape)}".encode())
        digest.update(weights.detach().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
