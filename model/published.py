"""State dicts of both public releases: their names, and the modules that no forward pass of them used."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.model import CENet
from utils.errors import InputError

logger = logging.getLogger(__name__)

# Published name -> name in CENet. <i> is the rank of an expert in alphabetical order in both.
RENAMED = (
    (r"ce\.moe_fc\.", "moe_fc."),
    (r"ce\.video_dim_reduce\.(\d+)\.", r"video_dim_reduce.\1."),
    (r"ce\.g_reason_([12])\.", r"collaborative_gating.g\1."),
    (r"ce\.f_reason_([12])\.", r"collaborative_gating.h\1."),
    (r"ce\.h_reason\.", "collaborative_gating.h."),
    (r"ce\.text_GU\.(\d+)\.", r"text_units.\1."),
)
# The video units of a CE are modulations, with a batch norm for the gate and one for the expert itself.
RENAMED_CE = (
    (r"ce\.video_GU\.(\d+)\.cg\.fc\.", r"collaborative_gating.modulation.\1.fc."),
    (r"ce\.video_GU\.(\d+)\.cg\.batch_norm\.", r"collaborative_gating.modulation.\1.batch_norm_gate."),
    (r"ce\.video_GU\.(\d+)\.cg\.batch_norm2\.", r"collaborative_gating.modulation.\1.batch_norm_self."),
)
RENAMED_OTHERS = ((r"ce\.video_GU\.(\d+)\.", r"video_units.\1."),)

# Names that only one release has, in its CE; other variants have the same names in both.
ONLY_2019 = r"ce\.(f_reason|g_reason_[23]|batch_norm_[gf])"
ONLY_CORRECTED = r"ce\.(g_reason_shared|h_reason)\."
# Modules of early versions of the corrected release that no forward pass used.
UNUSED_EARLY = r"ce\.(moe_fc_bottleneck1|moe_cg|moe_fc_proj)\."


def load_weights(model: CENet, state: dict[str, Any], path: str | Path) -> None:
    """Load the weights of checkpoint `state`, read from `path`, into `model`.

    Raises:
        InputError: the weights are of another model.
    """
    if state.get("published"):
        _check_release(state["release"], model, str(path))
        dropped = load_published(model, state["state_dict"], str(path))
        logger.info("%s: %d weights were never used and are dropped: %s", path, len(dropped), ", ".join(dropped) or "none")
        return
    arch = state.get("config", {}).get("arch")
    args = arch.get("args") if isinstance(arch, Mapping) else None
    use_ce = args.get("use_ce") if isinstance(args, Mapping) else None
    if use_ce is not None and isinstance(model, CENet):
        _check_release("2020" if isinstance(use_ce, str) else "2019", model, str(path))
    expected, found = model.state_dict(), state["state_dict"]
    for name in sorted(expected.keys() | found.keys()):
        shapes = [tuple(weights[name].shape) if name in weights else "nothing" for weights in (found, expected)]
        if shapes[0] != shapes[1]:
            raise InputError(f"{path}: '{name}' is {shapes[0]}, expected {shapes[1]} by the config")
    model.load_state_dict(found)


def load_published(model: CENet, state_dict: Mapping[str, Tensor], source: str) -> list[str]:
    """Load a state dict with published names into `model`, and return the names that were dropped as never used.

    Raises:
        InputError: another name is missing, unexpected or of another shape, or the weights are those of the other release;
            the message begins with `source`.
    """
    for release, names in (("2019", ONLY_2019), ("2020", ONLY_CORRECTED)):
        if any(re.match(names, name) for name in state_dict):
            _check_release(release, model, source)
    unused = {f"ce.{name}.{key}" for name, module in _unused_modules(model).items() for key in module.state_dict()}
    dropped = [name for name in state_dict if name in unused or re.match(UNUSED_EARLY, name)]
    ours = {translate(name, model): value for name, value in state_dict.items() if name not in dropped}
    expected = model.state_dict()
    for what, names in (("lacks", expected.keys() - ours.keys()), ("has the unexpected", ours.keys() - expected.keys())):
        if names:
            raise InputError(f"{source}: {what} '{min(names)}' (and {len(names) - 1} more)")
    for name, value in ours.items():
        if value.shape != expected[name].shape:
            raise InputError(
                f"{source}: '{name}' is {tuple(value.shape)}, expected {tuple(expected[name].shape)} by the config"
            )
    model.load_state_dict(ours)
    return dropped


def _check_release(release: str, model: CENet, source: str) -> None:
    """Raise an `InputError` if weights of `release`, "2019" or "2020" (the corrected one), are of another network."""
    if release == "2020" and not model.corrected:
        raise InputError(f"{source}: weights of the corrected release, the config describes a network of 2019 (arch.args)")
    if release == "2019" and model.corrected:
        raise InputError(f"{source}: weights of the 2019 release, the config describes a corrected network (arch.args)")


def translate(name: str, model: CENet) -> str:
    """Return the name in `model` of the published `name`; an unknown name is returned as it is."""
    gating = model.collaborative_gating
    for pattern, replacement in RENAMED + (RENAMED_OTHERS if gating is None else RENAMED_CE):
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", replacement, name)
    if gating is not None and (match := re.match(r"ce\.g_reason_shared\.(\d+)\.(.*)", name)):
        layer = int(match[1])
        return f"collaborative_gating.{f'g_hidden.{layer}' if layer < len(gating.g_hidden) else 'g2'}.{match[2]}"
    for i, expert in enumerate(model.modalities):
        if name.startswith(f"pooling.{expert}."):
            return f"pooling.{i}.{name.removeprefix(f'pooling.{expert}.')}"
    return name


def unused_parameters(model: CENet) -> dict[str, int]:
    """Return the number of parameters of each module that the release built for such a model and never used."""
    return {name: num_parameters(module) for name, module in _unused_modules(model).items()}


def summary(model: CENet, published: bool) -> str:
    """Return one line: how many parameters `model` has, and how many its release counts for such a model.

    The releases, and so the published tables, count unused modules too. With one expert those of 2019 print 14.5M, and so
    it is here; the released config builds 262,656 fewer, without the first layer of the video's gated embedding unit. If the
    tables have no models of its dataset (`published` is false), only its own count is given.
    """
    own, unused = num_parameters(model), unused_parameters(model)
    if not published:
        return f"parameters: {own:,}"
    release = f"the {'corrected' if model.corrected else '2019'} release counts"
    if not unused:
        return f"parameters: {own:,} ({release} the same)"
    total = sum(unused.values())
    names = ", ".join(f"{name} {n:,}" for name, n in unused.items())
    return f"parameters: {own:,} ({release} {own + total:,}, with {total:,} that no forward pass used: {names})"


def _unused_modules(model: CENet) -> dict[str, nn.Module]:
    """Return the modules that the release built and saved for such a model but never used, by their names below `ce`.

    In a CE of 2019, the third layers of g and h (which it called f) and four batch norms; in the variants without mixture
    weights, their layer. The modules are on the meta device, without memory.
    """
    unused: dict[str, nn.Module] = {}
    with torch.device("meta"):
        if model.collaborative_gating is not None and not model.corrected:
            dim = model.collaborative_gating.g2.out_features
            unused |= {f"{x}_reason_3": nn.Linear(dim, dim) for x in "gf"}
            unused |= {f"batch_norm_{x}{i}": nn.BatchNorm1d(dim) for x in "gf" for i in (1, 2)}
        if model.moe_fc is None:
            unused["moe_fc"] = nn.Linear(model.pooled_text_dim, len(model.modalities))
    return unused


def num_parameters(module: nn.Module) -> int:
    """Return the number of parameters of a module."""
    return sum(x.numel() for x in module.parameters())
