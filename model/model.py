"""Collaborative Experts: a joint embedding of text and of videos described by experts.

Shapes: B videos with K captions of W words each, M experts; T = B * K captions. The experts are in alphabetical order.
"""

import logging
import zlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from base.schema import PositiveInt
from model.gates import (
    CollaborativeGating,
    GatedEmbeddingUnit,
    GatedEmbeddingUnits,
    NormalizedContextGatings,
    ReduceDim,
)
from model.net_vlad import NetVLAD
from model.similarity import SIMILARITIES, TextEmbedding, VideoEmbedding
from model.variants import VARIANTS, check_choice, check_variant
from utils.errors import InputError

# The order in which the Concat variants join the experts: published checkpoints depend on it. Others follow by name.
CONCAT_ORDER = ("face", "flow", "scene", "audio", "speech", "ocr", "rgb")

logger = logging.getLogger(__name__)


class CENet(nn.Module):
    """Text and video encoders and their similarity, in every variant of the published ablations.

    | variant      | switches           | video side                         | text side   |
    |--------------|--------------------|------------------------------------|-------------|
    | CE           | use_ce             | ReduceDim + collaborative gating   | GEU -> D    |
    | CE - CG      | mimic_ce_dims      | ReduceDim + context gating         | GEU -> D    |
    | one expert   | mimic_ce_dims      | ReduceDim + GEU(D -> D)            | GEU -> D    |
    | MoEE         | none               | GEU(in_i -> d_i)                   | GEU -> d_i  |
    | MoEE - MW    | freeze_weights     | as MoEE                            | as MoEE     |
    | Concat + G   | concat_mix_experts | one GEU(sum in_i -> sum d_i)       | one GEU     |
    | Concat       | concat_experts     | the experts, joined                | pooled text |

    Args:
        expert_dims: per expert, its dimension after pooling over time and that of its embedding (the shared dimension D in
            the first three rows). An expert that `vlad_clusters` names is pooled by NetVLAD from tokens of dimension
            pooled / clusters; any other is one vector a video.
        text_dim: dimension of a word.
        vlad_clusters: NetVLAD clusters for "text" and for the sequence experts.
        keep_missing_modalities: every expert counts as present in the score.
        test_caption_mode: in evaluation, "indep" scores every caption, "avg" averages the scores of a video's captions.
        l2renorm: renormalise the concatenated weighted embeddings.
        randomise_feats: comma-separated experts to replace by noise, new in each training step, constant in evaluation.
        disable_nan_checks: do not look for NaN in experts that are present.
        mask_padding: use the masks given to `forward`; false pools padding like words and frames (published behaviour).
        gate_order: "parallel" or "sequential" (published behaviour), see `CollaborativeGating`.
        similarity: "pairwise", or "paired-2019" for the leaky score of the first release.
        verbose: log the layers.

    Raises:
        InputError: switches or dimensions that do not go together.
    """

    def __init__(
        self,
        expert_dims: Mapping[str, tuple[int, int]],
        text_dim: int,
        vlad_clusters: Mapping[str, PositiveInt],
        use_ce: bool = False,
        mimic_ce_dims: bool = False,
        concat_experts: bool = False,
        concat_mix_experts: bool = False,
        freeze_weights: bool = False,
        keep_missing_modalities: bool = False,
        test_caption_mode: Literal["indep", "avg"] = "indep",
        l2renorm: bool = False,
        randomise_feats: str = "",
        disable_nan_checks: bool = False,
        mask_padding: bool = True,
        gate_order: Literal["parallel", "sequential"] = "parallel",
        similarity: Literal["pairwise", "paired-2019"] = "pairwise",
        verbose: bool = False,
    ):
        super().__init__()
        self.modalities = sorted(expert_dims)
        self.keep_missing_modalities = keep_missing_modalities
        self.test_caption_mode = test_caption_mode
        self.l2renorm = l2renorm
        self.randomised = {name.strip() for name in randomise_feats.split(",") if name.strip()}
        self.disable_nan_checks = disable_nan_checks
        self.mask_padding = mask_padding
        self.similarity = similarity
        self._nan_items: dict[str, Tensor] = {}  # expert -> the first item of a batch that was NaN, or -1

        in_dims = [expert_dims[name][0] for name in self.modalities]
        out_dims = [expert_dims[name][1] for name in self.modalities]
        pooled_text = text_dim * vlad_clusters["text"]
        self.is_concat = concat_experts or concat_mix_experts
        joining = [name for name in CONCAT_ORDER if name in expert_dims]
        joining += [name for name in self.modalities if name not in CONCAT_ORDER]
        self.concat_order = [self.modalities.index(name) for name in joining]
        switches = (use_ce, mimic_ce_dims, concat_experts, concat_mix_experts)
        chosen = [name for name, on in zip(VARIANTS, switches, strict=True) if on]
        check_variant(chosen, expert_dims, vlad_clusters, pooled_text, self.randomised)
        check_choice("test_caption_mode", test_caption_mode, ("indep", "avg"))
        check_choice("gate_order", gate_order, ("parallel", "sequential"))
        check_choice("similarity", similarity, SIMILARITIES)

        self.text_pooling = NetVLAD(text_dim, vlad_clusters["text"])
        self.pooling = nn.ModuleList(
            NetVLAD(dim // vlad_clusters[name], vlad_clusters[name]) if name in vlad_clusters else nn.Identity()
            for name, dim in zip(self.modalities, in_dims, strict=True)
        )
        if self.is_concat:
            in_dims, out_dims = [sum(in_dims)], [sum(out_dims)]
        self.moe_fc = None if self.is_concat or freeze_weights else nn.Linear(pooled_text, len(self.modalities))

        self.video_dim_reduce = self.collaborative_gating = self.video_units = self.text_units = None
        if use_ce or mimic_ce_dims:
            shared_dim = out_dims[0]
            self.video_dim_reduce = nn.ModuleList(ReduceDim(dim, shared_dim) for dim in in_dims)
            if use_ce:
                self.collaborative_gating = CollaborativeGating(len(in_dims), shared_dim, gate_order)
            elif len(in_dims) > 1:
                self.video_units = NormalizedContextGatings(out_dims)
            else:
                self.video_units = nn.ModuleList([GatedEmbeddingUnit(shared_dim, shared_dim)])
        elif not concat_experts:
            self.video_units = nn.ModuleList(map(GatedEmbeddingUnit, in_dims, out_dims))
        if not concat_experts:
            self.text_units = GatedEmbeddingUnits(pooled_text, out_dims)
        if verbose:
            logger.info("%s", self)

    def forward(
        self,
        text: Tensor,
        experts: Mapping[str, Tensor],
        ind: Mapping[str, Tensor],
        raw_captions: list | None = None,
        word_mask: Tensor | None = None,
        frame_masks: Mapping[str, Tensor] | None = None,
    ) -> dict:
        """Score the captions of B videos against the same B videos.

        Args:
            text: (B, K, W, text_dim).
            experts: a vector expert is (B, d) or (B, 1, d), a sequence expert (B, T, d). Missing ones may be NaN; nothing is
                modified.
            ind: availability of each expert, (B,), 1 = present.
            raw_captions: the words behind `text`, for callers that print them; no score depends on them.
            word_mask: (B, K, W), true for valid words (None: all). One without a valid word is left out of averages.
            frame_masks: per sequence expert (B, T), true for valid frames (None or not named: all).

        Returns:
            `modalities` (M names), `cross_view_conf_matrix`: (B, B) in training and with `test_caption_mode` "avg",
            (B*K, B) otherwise, and `moe_weights` (B*K, M), None in the Concat variants.

        Raises:
            InputError: NaN in an expert that `ind` says is present; on a GPU `raise_if_nan` raises it.
        """
        text_embedding = self.embed_text(text, word_mask)
        video_embedding = self.embed_video(experts, ind, frame_masks)
        caption_mask = None if word_mask is None else word_mask.any(dim=-1)
        return {
            "modalities": self.modalities,
            "cross_view_conf_matrix": self.score(text_embedding, video_embedding, caption_mask),
            "moe_weights": None if self.is_concat else text_embedding.weights,
        }

    def embed_text(self, text: Tensor, word_mask: Tensor | None = None) -> TextEmbedding:
        """Embed captions (B, K, W, text_dim) for every expert: M' tensors (B*K, d_i) and their weights (B*K, M').

        The Concat variants have one joint embedding (M' = 1) with weight 1.
        """
        words = text.flatten(0, 1)  # (T, W, text_dim)
        mask = word_mask.flatten(0, 1) if self.mask_padding and word_mask is not None else None
        pooled = self.text_pooling(words, mask)  # (T, text_dim * C)
        embeddings = [pooled] if self.text_units is None else self.text_units(pooled)
        if self.moe_fc is None:
            weights = pooled.new_full((len(pooled), len(embeddings)), 1 / len(embeddings))
        else:
            weights = self.moe_fc(pooled).to(pooled.dtype).softmax(dim=1)
        return TextEmbedding(embeddings, weights)

    def embed_video(
        self, experts: Mapping[str, Tensor], ind: Mapping[str, Tensor], frame_masks: Mapping[str, Tensor] | None = None
    ) -> VideoEmbedding:
        """Embed B videos: M' tensors (B, d_i) and their availability (B, M'); arguments as in `forward`."""
        frame_masks = frame_masks or {}
        pooled = []
        for name, pool in zip(self.modalities, self.pooling, strict=True):
            x = self._clean(name, experts[name], ind[name])
            if isinstance(pool, NetVLAD):
                pooled.append(pool(x, frame_masks.get(name) if self.mask_padding else None))
            else:
                pooled.append(x.squeeze(1) if x.ndim == 3 else x)
        available = torch.stack([ind[name].to(pooled[0].dtype) for name in self.modalities], dim=1)  # (B, M)
        if self.is_concat:
            pooled = [torch.cat([pooled[i] for i in self.concat_order], dim=1)]  # [(B, sum of in_i)]
        if self.video_dim_reduce is not None:
            pooled = [reduce(x) for reduce, x in zip(self.video_dim_reduce, pooled, strict=True)]
        if self.collaborative_gating is not None:
            pooled = self.collaborative_gating(pooled, available)
        elif isinstance(self.video_units, NormalizedContextGatings):
            pooled = self.video_units(pooled)
        elif self.video_units is not None:
            pooled = [unit(x) for unit, x in zip(self.video_units, pooled, strict=True)]
        if self.keep_missing_modalities:
            available = torch.ones_like(available)
        if self.is_concat and self.similarity == "paired-2019":
            available = available[:, :1]  # the release masked the joint text by its first expert, alphabetically
        elif self.is_concat:
            available = available.amax(dim=1, keepdim=True)
        return VideoEmbedding(pooled, available)

    def score(
        self,
        text: TextEmbedding,
        video: VideoEmbedding,
        caption_mask: Tensor | None = None,
        described: range | None = None,
    ) -> Tensor:
        """Similarities of N*K texts, the K of a video contiguous, and V videos.

        Args:
            caption_mask: (N, K), true for captions that exist; averages leave the others out.
            described: which N of the videos the texts describe (None: all V).

        Returns:
            (N, V), averaged over captions, in training and with `test_caption_mode` "avg"; (N*K, V) otherwise.
        """
        with _without_autocast(text.weights.device.type):  # scores are compared with each other
            owners, num_described = None, len(video.available)
            if described is not None:
                owners = torch.arange(described.start, described.stop, device=text.weights.device)
                num_described = len(described)
                owners = owners.repeat_interleave(len(text.weights) // num_described)
            sims = SIMILARITIES[self.similarity](text, video, self.l2renorm, owners)  # (N*K, V)
            if not self.training and self.test_caption_mode == "indep":
                return sims
            sims = sims.unflatten(0, (num_described, -1))  # (N, K, V)
            if caption_mask is None:
                return sims.mean(dim=1)
            share = caption_mask / caption_mask.sum(dim=1, keepdim=True).clamp(min=1)  # (V, K)
            return (share[:, None].to(sims.dtype) @ sims).squeeze(1)

    def _clean(self, name: str, x: Tensor, ind: Tensor) -> Tensor:
        """Expert `name` with zeros where it is missing, or noise where it is to be randomised."""
        present = ind.bool()
        if not self.disable_nan_checks:
            self._look_for_nan(name, x, present)
        x = torch.where(present.view(-1, *[1] * (x.ndim - 1)), x, 0)
        if name in self.randomised:
            x = torch.randn_like(x) if self.training else _constant_noise(name, x)
        return x

    def _look_for_nan(self, name: str, x: Tensor, present: Tensor) -> None:
        """Note the first item of the batch where expert `name` is present and NaN; refuse it at once on a CPU.

        On a GPU that would wait for everything that it was asked for; the trainer asks at the end of an epoch.
        """
        bad = torch.isnan(x).flatten(1).any(dim=1) & present
        item = torch.where(bad.any(), bad.int().argmax(), -1)
        noted = self._nan_items.get(name)
        self._nan_items[name] = item if noted is None else torch.where(noted < 0, item, noted)
        if x.device.type == "cpu":
            self.raise_if_nan()

    def raise_if_nan(self) -> None:
        """Raise if there was NaN in an expert that was present, since this was last called.

        Raises:
            InputError: so it was; it names the expert and the item of its batch.
        """
        noted, self._nan_items = self._nan_items, {}
        for name, item in noted.items():
            if item >= 0:
                raise InputError(f"expert '{name}', item {int(item)} of the batch: NaN, but it counts as present")


def _without_autocast(device: str) -> AbstractContextManager:
    """Autocast switched off, where the kind of device knows it: the meta device does not."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


def _constant_noise(name: str, x: Tensor) -> Tensor:
    """The same noise for every video and frame, so that a score depends on its text and its video alone."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(x.shape[-1], generator=generator).to(x).expand_as(x)
