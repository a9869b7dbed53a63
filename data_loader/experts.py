"""The experts of the published archives, and the experts that a config uses.

The config of your own dataset declares its experts; it may also override fields of a published expert. The layout of a
published dataset (`data_loader/datasets/`) declares which experts it has for every video.
"""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from base.registry import suggest
from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Expert:
    """The properties of an expert.

    Attributes:
        dim, kind, aggregation, may_be_missing, embed_dim: as in `base.schema.ExpertEntry`.
        file: the path of its features in their folder (None: as the layout of the dataset says).
    """

    dim: int
    kind: str = "sequence"
    aggregation: str = "avg"
    may_be_missing: bool | None = None
    embed_dim: int | None = None
    file: str | None = None


# Published experts, whose fields are also the defaults of own experts with these names. In the corrected release a name may
# be <type>.<network>.<n>, where n only tells two settings of one network apart.
EXPERTS = {
    "antoine-rgb": Expert(2048),
    "audio": Expert(128, aggregation="vlad"),
    "audio.vggish.0": Expert(128, aggregation="vlad"),
    "face": Expert(512),
    "flow": Expert(1024),
    "i3d.i3d.0": Expert(1024),
    "imagenet.resnext101_32x48d.0": Expert(2048),
    "imagenet.senet154.0": Expert(2048),
    "moments_2d.resnet50.0": Expert(2048),
    "moments_3d.moments-resnet3d50.0": Expert(2048),
    "ocr": Expert(300, aggregation="vlad"),
    "r2p1d.r2p1d-ig65m-kinetics.0": Expert(512),
    "r2p1d.r2p1d-ig65m.0": Expert(512),
    "rgb": Expert(2048),
    "s3dg.s3dg.0": Expert(1024),
    "scene": Expert(2208, embed_dim=512),
    "scene.densenet161.0": Expert(2208),
    "speech": Expert(300, aggregation="vlad"),
    "trn.moments-trn.0": Expert(1792),
}
# Names in published configs that are of no published model: detections of objects and poses.
UNSUPPORTED = ("detection", "detection-sem", "openpose")
RARE = 20  # an expert that fewer videos of a training have is rare
NAME = r"[\w-]+(\.[\w-]+\.\d+)?"
AGGREGATIONS = {"sequence": ("vlad", "avg", "max"), "vector": ("none",)}


def declared_experts(section: Mapping) -> dict[str, Mapping]:
    """Return the entries of experts in a config's `experts`, whose settings are plain values."""
    return {name: entry for name, entry in section.items() if isinstance(entry, Mapping)}


def published_expert(name: str) -> Expert | None:
    """Return the expert of a name in `EXPERTS`, whatever the number at its end (None: there is none)."""
    return EXPERTS.get(re.sub(r"\.\d+$", ".0", name))


def describe_rare_experts(counts: Mapping[str, int]) -> str | None:
    """Return a line about experts that fewer than `RARE` training videos have; None if there are none, or no others.

    Args:
        counts: expert -> number of training videos that have it.
    """
    rare = {name: count for name, count in counts.items() if count < RARE}
    others = [name for name in counts if name not in rare]
    if not rare or not others:
        return None
    names = ", ".join(f"{name} ({count})" for name, count in rare.items())
    flag = shlex.quote(f"experts.modalities={json.dumps(others)}")
    hint = f"to leave out: train.py --set {flag}"
    return f"fewer than {RARE} training videos have {names}, whose weights are hardly trained; {hint}"


def check_names(path: str, names: Iterable[str], section: Mapping) -> None:
    """Raise an `InputError` if one of `names`, keys of an object at `path` of a config, is not an expert."""
    known = {**EXPERTS, **declared_experts(section)}
    for name in sorted(names):
        if name not in known and name not in UNSUPPORTED and not published_expert(name):
            raise InputError(f"{path}.{name}: no such expert, {suggest(name, known)}")


def resolve_experts(section: Mapping, feat_aggregation: Mapping[str, str | Mapping] | None = None) -> dict[str, Expert]:
    """Return the experts that a config uses, in alphabetical order.

    Args:
        section: the section `experts` of a config.
        feat_aggregation: `data_loader.args.feat_aggregation` of the config, which overrides the entries of experts.

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
    if invalid := [name for name in names if name == "text" or not re.fullmatch(NAME, name)]:
        raise InputError(
            f"experts: {invalid[0]!r} is not a valid name for an expert, expected letters, digits, _ and - (and not 'text') "
            "or <type>.<network>.<number>"
        )
    if unsupported := sorted(set(names) - dropped - declared.keys() & set(UNSUPPORTED)):
        raise InputError(f"experts.modalities: '{unsupported[0]}' is not supported, no published model has it")
    resolved = {}
    for name in sorted(set(names) - dropped):
        fields = dict(declared.get(name, {}))
        if name == "face" and "face_dim" in section:  # the published name of experts.face.dim
            fields.setdefault("dim", section["face_dim"])
        source = f"experts.{name}.aggregation"
        if name in (feat_aggregation or {}):
            source, entry = f"data_loader.args.feat_aggregation.{name}", feat_aggregation[name]
            fields |= {"aggregation": entry} if isinstance(entry, str) else _entry_fields(name, entry, source)
        if fields.get("kind") == "vector":
            fields.setdefault("aggregation", "none")
        if "dim" in fields:
            fields.setdefault("embed_dim", None)  # that of `EXPERTS` belongs to the dim there
        if published := published_expert(name):
            expert = dataclasses.replace(published, **fields)
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


def _entry_fields(name: str, entry: Mapping, path: str) -> dict[str, Any]:
    """Return the fields of `Expert` in an entry of `feat_aggregation`, an object (`base.schema.FeatAggregation`) at `path`.

    The features of a dotted name are in a file that its settings name.
    """
    fields = {"aggregation": entry["temporal"]}
    kind = entry.get("type", "embed")
    if dim := entry.get("feat_dims", {}).get(kind):
        fields["dim"] = dim
    elif kind == "logits":
        raise InputError(f"{path}.feat_dims.logits: missing, expected a dimension since type is 'logits'")
    if entry.get("flaky"):
        fields["may_be_missing"] = True
    if "." in name:
        extractor, network, _ = name.split(".")
        if missing := [key for key in ("fps", "pixel_dim", "stride") if key not in entry]:
            raise InputError(f"{path}.{missing[0]}: missing, the file of '{name}' is named after it")
        folder = f"aggregated_{extractor.replace('-', '_')}_{entry['fps']}fps_{entry['pixel_dim']}px_stride{entry['stride']}"
        folder += "".join(f"_{key}{entry[key]}" for key in ("offset", "inner_stride", "num_segments") if key in entry)
        fields["file"] = f"{folder}/{network}-{entry['temporal']}{'-logits' if kind == 'logits' else ''}.pickle"
    return fields


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
