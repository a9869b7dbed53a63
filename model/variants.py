"""Checks that the switches and dimensions of a variant fit together, and the order in which Concat joins the experts."""

from collections.abc import Collection, Mapping, Sequence

from utils.errors import InputError

# The scores that `arch.args.similarity` may name, see `model.similarity`.
SIMILARITIES = ("pairwise", "paired-2019")
# At most one of these switches is true.
VARIANTS = ("use_ce", "mimic_ce_dims", "concat_experts", "concat_mix_experts")
# The order in which the Concat variants join the experts: published checkpoints depend on it. Others follow by name.
CONCAT_ORDER = ("face", "flow", "scene", "audio", "speech", "ocr", "rgb")


def check_variant(
    switches: Mapping[str, bool],
    expert_dims: Mapping[str, tuple[int, int]],
    vlad_clusters: Mapping[str, int],
    pooled_text: int,
    noisy: set[str],
    corrected: bool = False,
) -> None:
    """Check that the arguments of `CENet` go together.

    Args:
        switches: each of `VARIANTS` -> whether it is on.
        expert_dims: name of each expert -> its dimension after pooling, and the dimension of its embedding.
        vlad_clusters: "text" and the experts with aggregation vlad -> number of NetVLAD clusters.
        pooled_text: dimension of a pooled caption.
        noisy: names of the experts to replace by noise.
        corrected: whether the network is that of the corrected release, which pads the shorter vector of Concat.

    Raises:
        InputError: arguments that do not go together; the message names them.
    """
    chosen = [name for name in VARIANTS if switches[name]]
    if not expert_dims:
        raise InputError("CENet: no expert, expected at least one")
    if len(chosen) > 1:
        raise InputError(f"CENet: {' and '.join(chosen)} are both true, expected at most one of {', '.join(VARIANTS)}")
    if switches["use_ce"] and len(expert_dims) == 1:
        raise InputError(f"CENet: use_ce with one expert ({min(expert_dims)}), expected at least two (or mimic_ce_dims)")
    shared = {dim for _, dim in expert_dims.values()}
    if (switches["use_ce"] or switches["mimic_ce_dims"]) and len(shared) > 1:
        raise InputError(f"CENet: embeddings of {sorted(shared)} dims with {chosen[0]}, expected one shared dim")
    total = sum(dim for dim, _ in expert_dims.values())
    if switches["concat_experts"] and not corrected and pooled_text != total:
        raise InputError(
            f"CENet: concat_experts compares text of {pooled_text} dims (text_dim x text clusters) with experts of "
            f"{total} dims in all, expected the same"
        )
    if unknown := sorted(noisy - expert_dims.keys()):
        raise InputError(f"CENet: randomise_feats names '{unknown[0]}', expected one of {', '.join(sorted(expert_dims))}")
    if empty := [name for name, count in vlad_clusters.items() if count == 0 and name != "text"]:
        raise InputError(f"CENet: vlad_clusters.{empty[0]} is 0, expected at least one cluster (0 is only for text)")
    for name, (dim, _) in expert_dims.items():
        if dim % vlad_clusters.get(name, 1):
            raise InputError(
                f"CENet: expert '{name}' of {dim} pooled dims is no multiple of its {vlad_clusters[name]} clusters"
            )


def check_choice(key: str, value: str, choices: Collection[str]) -> None:
    """Raise an `InputError` if `value` is not one of `choices`."""
    if value not in choices:
        raise InputError(f"CENet: {key} is '{value}', expected one of {', '.join(choices)}")


def concat_order(modalities: Sequence[str]) -> list[int]:
    """Return the indices of `modalities` in the order in which the Concat variants join them."""
    names = [name for name in CONCAT_ORDER if name in modalities]
    names += [name for name in modalities if name not in CONCAT_ORDER]
    return [modalities.index(name) for name in names]
