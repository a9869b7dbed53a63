"""Collaborative Experts (Liu et al., "Use What You Have", BMVC 2019, section 3).

A video v is described by M experts; a_i(v) is 1 where expert i is available and 0 where it is missing. Caption t and video v
are embedded once per expert and compared expert by expert. The full model, CE, with the attribute of `CENet` that computes
each line (the table in `CENet` shows what the other variants have instead):

    p_i(v) = NetVLAD(tokens of expert i), or the expert itself if it is one vector    pooling
    x_i(v) = normalize(W_i p_i(v) + b_i)                                              video_dim_reduce
    gate_i(v) = h(mean of g([x_i ; x_j]) over available j != i)                       collaborative_gating.g1, g2, h1, h2
    video_i(v) = normalize(x_i * sigmoid(BN(gate_i) + BN(W'_i x_i + b'_i)))           collaborative_gating.modulation
    q(t) = NetVLAD(words of t)                                                        text_pooling
    text_i(t) = normalize(z_i * sigmoid(BN(U_i z_i + c_i))), z_i = V_i q(t) + d_i     text_units, "GEU" below
    w(t) = softmax(W q(t) + b), the mixture weights                                   moe_fc
    s(t, v) = sum_i w_i(t) a_i(v) <text_i(t), video_i(v)> / sum_i w_i(t) a_i(v)       score

The gate is that of the authors' 2019 release. The paper calls it T_i(v), sums g over all j != i and multiplies x_i by
sigmoid(T_i(v)). The release adds the mean over available experts, the term W'_i x_i + b'_i of the expert itself, and the
batch norms (BN). Its loss differs too (`model.loss`). Its similarity had the experts of t's own video in place of a_i(v), a
leak that only `similarity: "paired-2019"` brings back.

The corrected release (February 2020 and later) has this similarity, deeper layers g and h over all j, i included
(`model.reasoning`), and ghost clusters in the pooling of text. `use_ce` selects the network: true or false is that of 2019,
"pairwise" or "" the corrected one.

Search computes s(t, v) a second time, as inner products with stored vectors (`misc.searching.index.patterns`): a change of
the similarity belongs there too.

Shapes: B videos with K captions of W words each, T = B * K captions, M experts in alphabetical order, D their shared
dimension. The Concat variants join the experts to one: there M' = 1, otherwise M' = M.

Published names, kept in configs, checkpoints and outputs: modalities (elsewhere: experts), ind (available), moe_weights and
moe_fc (weights), cross_view_conf_matrix (sims), MedR and MeanR (MdR and MnR in tables).
"""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from base.schema import NonNegativeInt, PositiveInt, Switch
from model.gates import CollaborativeGating, GatedEmbeddingUnit, NormalizedContextGating, ReduceDim
from model.inputs import ExpertInputs
from model.net_vlad import MeanPooling, NetVLAD
from model.per_expert import PerExpert
from model.reasoning import Reasoning
from model.similarity import TextEmbedding, VideoEmbedding, paired_similarity_2019, pairwise_similarity
from model.variants import SIMILARITIES, VARIANTS, check_choice, check_variant, concat_order

# The entries of a batch that `CENet.forward` takes.
MODEL_INPUTS = ("text", "experts", "ind", "word_mask", "frame_masks")

logger = logging.getLogger(__name__)


class CENet(nn.Module):
    """Text and video encoders and their similarity, in every variant of the published ablations.

    MoEE is "CE - P,CG" in tables of ablations, MoEE - MW is "CE - MW,P,CG". The corrected release has no GEU for one expert.

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
        expert_dims: name of each expert -> its dimension after pooling over time, and the dimension of its embedding (the
            shared dimension D in the first three rows). An expert in `vlad_clusters` is pooled by NetVLAD from tokens of
            dimension pooled / clusters; any other is one vector per video.
        text_dim: dimension of a word.
        vlad_clusters: "text" and the experts with aggregation vlad -> number of NetVLAD clusters (0 for "text": their mean).
        use_ce, mimic_ce_dims, concat_experts, concat_mix_experts: the switches of the table, at most one of them on. With
            `use_ce` "pairwise" (on) or "" (off) the network is that of the corrected release.
        ghost_clusters: "text" -> number of ghost clusters of NetVLAD; other keys, which published configs have, do nothing.
        num_g_layers, num_h_layers, use_mish, use_bn_reason, include_self: g and h of the corrected release (None, as in
            configs of 2019: the defaults of `Reasoning`).
        freeze_weights: no mixture weights, all experts weigh 1 / M; works with every variant.
        keep_missing_modalities: count every expert as present in the score. In the corrected release all weights are then 1,
            and the score is the sum of the M inner products.
        test_caption_mode: in evaluation, "indep" scores every caption, "avg" averages the scores of a video's captions.
        l2renorm: the score is the cosine of the concatenations of w_i text_i and of video_i over the video's experts,
            instead of a weighted mean (`pairwise_similarity`).
        randomise_feats: comma-separated experts to replace by noise, new in each training step, constant in evaluation.
        disable_nan_checks: do not look for NaN in available experts.
        mask_padding: use the masks given to `forward`; false pools padding like words and frames (published behavior).
        gate_order: "parallel" or "sequential" (published behavior), see `CollaborativeGating`.
        similarity: "pairwise", or "paired-2019" for the leaky score of the first release.
        verbose: log the layers.

    Raises:
        InputError: switches or dimensions that do not go together.
    """

    def __init__(
        self,
        expert_dims: Mapping[str, tuple[int, int]],
        text_dim: int,
        vlad_clusters: Mapping[str, NonNegativeInt],
        use_ce: bool | Literal["", "pairwise"] = False,
        mimic_ce_dims: Switch = False,
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
        ghost_clusters: Mapping[str, NonNegativeInt] | None = None,
        num_g_layers: PositiveInt | None = None,
        num_h_layers: NonNegativeInt | None = None,
        use_mish: Switch | None = None,
        use_bn_reason: Switch | None = None,
        include_self: Switch | None = None,
        verbose: bool = False,
    ):
        super().__init__()
        self.corrected = isinstance(use_ce, str)
        if self.corrected:
            check_choice("use_ce", use_ce or "pairwise", ("pairwise",))
        switches = dict(zip(VARIANTS, map(bool, (use_ce, mimic_ce_dims, concat_experts, concat_mix_experts)), strict=True))
        noisy = {name.strip() for name in randomise_feats.split(",") if name.strip()}
        pooled_text = self.pooled_text_dim = text_dim * max(vlad_clusters["text"], 1)
        check_variant(switches, expert_dims, vlad_clusters, pooled_text, noisy, self.corrected)
        check_choice("test_caption_mode", test_caption_mode, ("indep", "avg"))
        check_choice("gate_order", gate_order, ("parallel", "sequential"))
        check_choice("similarity", similarity, SIMILARITIES)
        self.modalities = sorted(expert_dims)
        self.is_concat = concat_experts or concat_mix_experts
        self.concat_order = list(range(len(self.modalities))) if self.corrected else concat_order(self.modalities)
        self.concat_dim = pooled_text if concat_experts else None  # the joined experts are cut or padded to it
        self.keep_missing_modalities = keep_missing_modalities
        self.test_caption_mode = test_caption_mode
        self.l2renorm = l2renorm
        self.mask_padding = mask_padding
        self.similarity = similarity
        self.inputs = ExpertInputs(noisy, check_nan=not disable_nan_checks)

        in_dims = [expert_dims[name][0] for name in self.modalities]  # of p_i
        dims = [expert_dims[name][1] for name in self.modalities]  # of video_i and text_i
        num_clusters, num_ghosts = vlad_clusters["text"], (ghost_clusters or {}).get("text", 0)
        self.text_pooling = NetVLAD(text_dim, num_clusters, num_ghosts) if num_clusters else MeanPooling()
        self.pooling = nn.ModuleList(
            NetVLAD(dim // vlad_clusters[name], vlad_clusters[name]) if name in vlad_clusters else nn.Identity()
            for name, dim in zip(self.modalities, in_dims, strict=True)
        )
        if self.is_concat:
            in_dims, dims = [sum(in_dims)], [sum(dims)]
        self.moe_fc = None if self.is_concat or freeze_weights else nn.Linear(pooled_text, len(self.modalities))
        self.video_dim_reduce = self.collaborative_gating = self.video_units = self.text_units = None
        if use_ce or mimic_ce_dims:
            num_experts, shared_dim = len(dims), dims[0]
            self.video_dim_reduce = nn.ModuleList(ReduceDim(in_dim, shared_dim) for in_dim in in_dims)
            if use_ce:
                layers = Reasoning.complete(num_g_layers, num_h_layers, use_mish, use_bn_reason, include_self)
                reasoning = layers if self.corrected else None
                self.collaborative_gating = CollaborativeGating(num_experts, shared_dim, gate_order, reasoning)
            elif num_experts > 1 or self.corrected:
                self.video_units = PerExpert(num_experts, NormalizedContextGating, shared_dim)
            else:
                self.video_units = nn.ModuleList([GatedEmbeddingUnit(shared_dim, shared_dim)])
            self.text_units = PerExpert(num_experts, GatedEmbeddingUnit, pooled_text, shared_dim)
        elif not concat_experts:
            self.video_units = nn.ModuleList(map(GatedEmbeddingUnit, in_dims, dims))
            self.text_units = nn.ModuleList(GatedEmbeddingUnit(pooled_text, dim) for dim in dims)
        if verbose:
            logger.info("%s", self)

    def forward(
        self,
        text: Tensor,
        experts: Mapping[str, Tensor],
        ind: Mapping[str, Tensor],
        word_mask: Tensor | None = None,
        frame_masks: Mapping[str, Tensor] | None = None,
    ) -> dict:
        """Score the captions of B videos against the same B videos.

        Args:
            text: vectors of the words, (B, K, W, text_dim).
            experts: name -> features, (B, d) or (B, 1, d) of an expert that was aggregated when it was read, (B, frames, d)
                of one that NetVLAD aggregates. Missing ones may be NaN; nothing is modified.
            ind: name -> availability, (B,), 1 where a video has the expert. This is the release's name for what is called
                `available` everywhere else.
            word_mask: (B, K, W), true for valid words (None: all). A caption without a valid word is left out of averages.
            frame_masks: name of a NetVLAD expert -> (B, frames), true for valid frames (None or not named: all).

        Returns:
            `modalities` (M names), `cross_view_conf_matrix`, the similarities: (B, B) in training and with
            `test_caption_mode` "avg", (T, B) otherwise, and `moe_weights` (T, M), None in the Concat variants.

        Raises:
            InputError: NaN in an available expert; on a GPU `raise_if_nan` raises it.
        """
        text_embedding = self.embed_text(text, word_mask)
        video_embedding = self.embed_video(experts, ind, frame_masks)
        caption_mask = None if word_mask is None else word_mask.any(dim=-1)
        return {
            "modalities": self.modalities,
            "cross_view_conf_matrix": self.score(text_embedding, video_embedding, caption_mask),
            "moe_weights": None if self.is_concat else text_embedding.weights,
        }

    def embed_video(
        self, experts: Mapping[str, Tensor], ind: Mapping[str, Tensor], frame_masks: Mapping[str, Tensor] | None = None
    ) -> VideoEmbedding:
        """Embed B videos for every expert; `forward` has the arguments and the error.

        Returns:
            M' tensors (B, d_i) and the availability (B, M').
        """
        frame_masks = frame_masks or {}
        x = []
        for name, pool in zip(self.modalities, self.pooling, strict=True):
            expert = self.inputs(name, experts[name], ind[name])  # zeros where it is missing
            if isinstance(pool, NetVLAD):
                x.append(pool(expert, frame_masks.get(name) if self.mask_padding else None))  # p_i: (B, in_i)
            else:
                x.append(expert.squeeze(1) if expert.ndim == 3 else expert)  # p_i: (B, in_i)
        available = torch.stack([ind[name].to(x[0].dtype) for name in self.modalities], dim=1)  # (B, M)
        if self.is_concat:
            x = [torch.cat([x[i] for i in self.concat_order], dim=1)]  # [(B, sum of in_i)]
            if self.concat_dim is not None:  # equal to padding the shorter of text and video with zeros
                x = [F.pad(x[0], (0, self.concat_dim - x[0].shape[1]))]
        if self.video_dim_reduce is not None:
            x = [reduce(p) for reduce, p in zip(self.video_dim_reduce, x, strict=True)]  # x_i: [(B, D)] * M
        if self.collaborative_gating is not None:
            x = self.collaborative_gating(x, available)  # video_i: [(B, D)] * M
        elif isinstance(self.video_units, PerExpert):
            x = self.video_units(torch.cat(x, dim=1))  # video_i: [(B, D)] * M
        elif self.video_units is not None:
            x = [unit(p) for unit, p in zip(self.video_units, x, strict=True)]  # video_i: [(B, d_i)] * M'
        if self.keep_missing_modalities:
            available = torch.ones_like(available)
        if self.is_concat:  # (B, 1): whether a video has any expert, or in the 2019 score its first in alphabetical order
            available = available[:, :1] if self.similarity == "paired-2019" else available.amax(dim=1, keepdim=True)
        return VideoEmbedding(x, available)

    def embed_text(self, text: Tensor, word_mask: Tensor | None = None) -> TextEmbedding:
        """Embed captions for every expert; `forward` has the arguments.

        Returns:
            M' tensors (T, d_i) and the mixture weights (T, M'), which are all 1 / M' in Concat and MoEE - MW.
        """
        words = text.flatten(0, 1)  # (T, W, text_dim)
        mask = word_mask.flatten(0, 1) if self.mask_padding and word_mask is not None else None  # (T, W)
        pooled = self.text_pooling(words, mask)  # q: (T, text_dim * clusters)
        if self.text_units is None:
            embeddings = [pooled]
        elif isinstance(self.text_units, PerExpert):
            embeddings = self.text_units(pooled)  # text_i: [(T, D)] * M
        else:
            embeddings = [unit(pooled) for unit in self.text_units]  # text_i: [(T, d_i)] * M'
        if self.corrected and self.keep_missing_modalities:  # the score divides by the sum of the weights, M'
            embeddings = [len(embeddings) * x for x in embeddings]
            weights = pooled.new_ones((len(pooled), len(embeddings)))
        elif self.moe_fc is None:
            weights = pooled.new_full((len(pooled), len(embeddings)), 1 / len(embeddings))
        else:
            weights = self.moe_fc(pooled).to(pooled.dtype).softmax(dim=1)  # w: (T, M)
        return TextEmbedding(embeddings, weights)

    def score(
        self, text: TextEmbedding, video: VideoEmbedding, caption_mask: Tensor | None = None, first_video: int = 0
    ) -> Tensor:
        """Compute the similarities of N * K texts, the K of a video contiguous, and V videos.

        Args:
            text, video: embeddings.
            caption_mask: (N, K), true for captions that exist; averages leave the others out. None: all do, and N = V.
            first_video: index of the first of the N videos that the texts describe; only the leaky 2019 score depends on it.

        Returns:
            (N, V), averaged over captions, in training and with `test_caption_mode` "avg"; (N * K, V) otherwise.
        """
        n = len(video.available) if caption_mask is None else len(caption_mask)
        device = text.weights.device.type
        has_autocast = torch.amp.is_autocast_available(device)  # the meta device has none
        with torch.autocast(device, enabled=False) if has_autocast else nullcontext():  # scores are compared with each other
            if self.similarity == "paired-2019":
                own_available = video.available[first_video:][:n]  # (N, M')
                sims = paired_similarity_2019(text, video, own_available, self.l2renorm)
            else:
                sims = pairwise_similarity(text, video, self.l2renorm)  # s: (N * K, V)
            if not self.training and self.test_caption_mode == "indep":
                return sims
            sims = sims.unflatten(0, (n, -1))  # (N, K, V)
            if caption_mask is None:
                return sims.mean(dim=1)
            share = caption_mask / caption_mask.sum(dim=1, keepdim=True).clamp(min=1)  # (N, K)
            return (share[:, None].to(sims.dtype) @ sims).squeeze(1)

    def raise_if_nan(self) -> None:
        """Raise an `InputError` if an available expert has been NaN since the last call, see `ExpertInputs`."""
        self.inputs.raise_if_nan()
