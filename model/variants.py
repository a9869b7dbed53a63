"""The variants of the model, and which switches and dimensions go together."""

from collections.abc import Collection, Mapping

from utils.errors import InputError

# Of these switches at most one is true.
VARIANTS = ("use_ce", "mimic_ce_dims", "concat_experts", "concat_mix_experts")


def check_variant(
    chosen: list[str],
    expert_dims: Mapping[str, tuple[int, int]],
    vlad_clusters: Mapping[str, int],
    pooled_text: int,
    randomised: set[str],
) -> None:
    """Refuse switches (those that are true) and dimensions that do not go together, naming them."""
    if not expert_dims:
        raise InputError("CENet: no expert, expected at least one")
    if len(chosen) > 1:
        raise InputError(f"CENet: {' and '.join(chosen)} are both true, expected at most one of {', '.join(VARIANTS)}")
    if chosen == ["use_ce"] and len(expert_dims) == 1:
        raise InputError(f"CENet: use_ce with one expert ({min(expert_dims)}), expected at least two (or mimic_ce_dims)")
    shared = {dim for _, dim in expert_dims.values()}
    if chosen and chosen[0] in ("use_ce", "mimic_ce_dims") and len(shared) > 1:
        raise InputError(f"CENet: embeddings of {sorted(shared)} dims with {chosen[0]}, expected one shared dim")
    total = sum(dim for dim, _ in expert_dims.values())
    if chosen == ["concat_experts"] and pooled_text != total:
        raise InputError(
            f"CENet: concat_experts compares text of {pooled_text} dims (text_dim x text clusters) with experts of "
            f"{total} dims in all, expected equal ones"
        )
    if unknown := sorted(randomised - expert_dims.keys()):
        raise InputError(f"CENet: randomise_feats names '{unknown[0]}', expected one of {', '.join(sorted(expert_dims))}")
    for name, (dim, _) in expert_dims.items():
        if dim % vlad_clusters.get(name, 1):
            raise InputError(
                f"CENet: expert '{name}' of {dim} pooled dims is no multiple of its {vlad_clusters[name]} clusters"
            )


def check_choice(key: str, value: str, known: Collection[str]) -> None:
    """Refuse a value that is not one of the known ones."""
    if value not in known:
        raise InputError(f"CENet: {key} is '{value}', expected one of {', '.join(known)}")
