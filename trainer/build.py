"""What loaders need beside the arguments that their own section of the config gives."""

from collections.abc import Mapping
from typing import Any

import torch

from data_loader.experts import resolve_experts
from trainer.distributed import get_rank, get_world_size


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
        "evaluation_memory": config["evaluation_memory"],
        "share": (get_rank(), get_world_size()),
        "cache_refusal": getattr(config, "cache_refusal", None),  # of a `ConfigParser`, not in the config itself
    }
