"""What model and loaders need beside the arguments that their own sections of the config give."""

from collections.abc import Mapping
from typing import Any

import torch

from data_loader.experts import expert_dims, resolve_experts


def model_arguments(config: Mapping) -> dict[str, Any]:
    """Arguments of `CENet` beside `arch.args`.

    Raises:
        InputError: experts that the config does not describe well.
    """
    args, section = config["arch"]["args"], config["experts"]
    experts = resolve_experts(section, config["data_loader"]["args"]["feat_aggregation"])
    shared_dim = section["ce_shared_dim"] if args["use_ce"] or args["mimic_ce_dims"] else None
    return {
        "expert_dims": expert_dims(experts, args["vlad_clusters"], shared_dim),
        "text_dim": section["text_dim"],
        "disable_nan_checks": config["disable_nan_checks"],
    }


def loader_arguments(config: Mapping, device: torch.device) -> dict[str, Any]:
    """Arguments of `ExpertDataLoader` beside `data_loader.args`."""
    section = config["experts"]
    return {
        "experts": resolve_experts(section, config["data_loader"]["args"]["feat_aggregation"]),
        "text_feat": section["text_feat"],
        "text_dim": section["text_dim"],
        "seed": config["seed"],
        "pad_to_max": not config["arch"]["args"]["mask_padding"],
        "pin_memory": device.type == "cuda",
    }
