"""What a model needs beside the arguments that its own section of the config gives."""

from collections.abc import Mapping
from typing import Any

from data_loader.experts import expert_dims, resolve_experts


def model_arguments(config: Mapping) -> dict[str, Any]:
    """Arguments of `CENet` beside `arch.args`, and its clusters without those of experts that it does not aggregate.

    Raises:
        InputError: experts that the config does not describe well.
    """
    args, section = config["arch"]["args"], config["experts"]
    experts = resolve_experts(section, config["data_loader"]["args"]["feat_aggregation"])
    shared_dim = section["ce_shared_dim"] if args["use_ce"] or args["mimic_ce_dims"] else None
    aggregated = {"text", *(name for name, expert in experts.items() if expert.aggregation == "vlad")}
    return {
        "expert_dims": expert_dims(experts, args["vlad_clusters"], shared_dim),
        "vlad_clusters": {name: n for name, n in args["vlad_clusters"].items() if name in aggregated},
        "text_dim": section["text_dim"],
        "disable_nan_checks": config["disable_nan_checks"],
    }
