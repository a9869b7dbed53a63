"""The experts of the published archives, and the experts that a config uses.

The config of your own dataset declares its experts; it may also override fields of a published expert. The layout of a
published dataset (`data_loader/datasets/`) declares which experts it has for every video.
"""

import dataclasses
import re
from collections.abc import Mapping

from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Expert:
    """The properties of an expert, with the fields of `base.schema.ExpertEntry`, which documents them."""

    dim: int
    kind: str = "sequence"
    aggregation: str = "avg"
    may_be_missing: bool | None = None
    embed_dim: int | None = None


# Published experts, whose fields are also the defaults of own experts with these names.
EXPERTS = {
    "audio": Expert(128, aggregation="vlad"),
    "face": Expert(512),
    "flow": Expert(1024),
    "ocr": Expert(300, aggregation="vlad"),
    "rgb": Expert(2048),
    "scene": Expert(2208, embed_dim=512),
    "speech": Expert(300, aggregation="vlad"),
}
AGGREGATIONS = {"sequence": ("vlad", "avg", "max"), "vector": ("none",)}


def declared_experts(section: Mapping) -> dict[str, Mapping]:
    """Return the entries of experts in a config's `experts`, whose settings are plain values."""
    return {name: entry for name, entry in section.items() if isinstance(entry, Mapping)}


def resolve_experts(section: Mapping, feat_aggregation: Mapping[str, str] | None = None) -> dict[str, Expert]:
    """Return the experts that a config uses, in alphabetical order.

    Args:
        section: the section `experts` of a config.
        feat_aggregation: `data_loader.args.feat_aggregation` of the config, which overrides the aggregation of experts.

    Raises:
        InputError: an expert that is neither declared nor in `EXPERTS`, or fields that do not go together.
    """
    declared = declared_experts(section)
    names = section.get("modalities") or list(declared)
    dropped = {name.strip() for name in section.get("drop_feats", "").split(",") if name.strip()}
    known = {**EXPERTS, **dict.fromkeys(names), **declared}  # published configs drop experts that they do not have
    if unknown := sorted(dropped - known.keys()):
        raise InputError(f"experts.drop_feats: '{unknown[0]}' is not one of the experts {', '.join(sorted(known))}")
    if not names:
        raise InputError("experts.modalities: missing, expected a list of experts (or entries of experts beside it)")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"experts.modalities: '{repeated[0]}' is there twice")
    if invalid := [name for name in names if name == "text" or not re.fullmatch(r"[\w-]+", name)]:
        raise InputError(
            f"experts: {invalid[0]!r} is not a valid name for an expert, expected letters, digits, _ and - (and not 'text')"
        )
    resolved = {}
    for name in sorted(set(names) - dropped):
        fields = dict(declared.get(name, {}))
        if name == "face" and "face_dim" in section:  # the published name of experts.face.dim
            fields.setdefault("dim", section["face_dim"])
        source = f"experts.{name}.aggregation"
        if name in (feat_aggregation or {}):
            fields["aggregation"] = feat_aggregation[name]
            source = f"data_loader.args.feat_aggregation.{name}"
        if fields.get("kind") == "vector":
            fields.setdefault("aggregation", "none")
        if "dim" in fields:
            fields.setdefault("embed_dim", None)  # that of `EXPERTS` belongs to the dim there
        if name in EXPERTS:
            expert = dataclasses.replace(EXPERTS[name], **fields)
        elif "dim" in fields:
            expert = Expert(**fields)
        elif name in declared:
            raise InputError(f"experts.{name}.dim: missing, '{name}' is not one of the known experts ({', '.join(EXPERTS)})")
        else:
            raise InputError(
                f"experts.modalities: '{name}' is not a known expert ({', '.join(EXPERTS)}) and has no entry with its dim, "
                f'expected "{name}": {{"dim": ..., "aggregation": ...}} in experts'
            )
        if expert.aggregation not in (allowed := AGGREGATIONS[expert.kind]):
            raise InputError(f"{source}: '{expert.aggregation}' for a {expert.kind}, expected {' or '.join(allowed)}")
        resolved[name] = expert
    if not resolved:
        raise InputError(f"experts.drop_feats: drops {', '.join(sorted(names))}, expected at least one expert to remain")
    return resolved


def expert_dims(
    experts: Mapping[str, Expert], vlad_clusters: Mapping[str, int], shared_dim: int | None
) -> dict[str, tuple[int, int]]:
    """Return, per expert, its dimension after aggregation and that of its embedding, as `CENet` takes them.

    Args:
        experts: name -> `Expert`, see `resolve_experts`.
        vlad_clusters: expert -> number of clusters, for experts that the model aggregates.
        shared_dim: the dimension of all embeddings (None: each has its own, as in MoEE).

    Raises:
        InputError: an expert aggregated by "vlad" has no clusters.
    """
    dims = {}
    for name, expert in experts.items():
        pooled = expert.dim
        if expert.aggregation == "vlad":
            if name not in vlad_clusters:
                raise InputError(f"arch.args.vlad_clusters.{name}: missing, '{name}' is aggregated by vlad")
            pooled *= vlad_clusters[name]
        dims[name] = (pooled, shared_dim or expert.embed_dim or expert.dim)
    return dims
