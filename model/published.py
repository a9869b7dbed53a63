"""State dicts of the 2019 release: their names, and the modules that its forward pass never used."""

import re
from collections.abc import Mapping

from torch import Tensor

from model.model import CENet
from utils.errors import InputError

# Published name -> name in CENet. <i> is the rank of an expert in alphabetical order in both.
RENAMED = (
    (r"ce\.moe_fc\.", "moe_fc."),
    (r"ce\.video_dim_reduce\.(\d+)\.", r"video_dim_reduce.\1."),
    (r"ce\.g_reason_([12])\.", r"collaborative_gating.g\1."),
    (r"ce\.f_reason_([12])\.", r"collaborative_gating.h\1."),
    (r"ce\.text_GU\.(\d+)\.", r"text_units.\1."),
)
# The video units of a CE are modulations, with a batch norm for the gate and one for the expert itself.
RENAMED_CE = (
    (r"ce\.video_GU\.(\d+)\.cg\.fc\.", r"collaborative_gating.modulation.\1.fc."),
    (r"ce\.video_GU\.(\d+)\.cg\.batch_norm\.", r"collaborative_gating.modulation.\1.batch_norm_gate."),
    (r"ce\.video_GU\.(\d+)\.cg\.batch_norm2\.", r"collaborative_gating.modulation.\1.batch_norm_self."),
)
RENAMED_OTHERS = ((r"ce\.video_GU\.(\d+)\.", r"video_units.\1."),)

# Built and saved by the release, and used by no forward pass of it.
UNUSED = (r"ce\.[gf]_reason_3\.", r"ce\.batch_norm_[gf][12]\.")
# The weights of the mixture, in the variants that do not mix.
UNUSED_WITHOUT_WEIGHTS = (r"ce\.moe_fc\.",)


def load_published(model: CENet, state_dict: Mapping[str, Tensor]) -> list[str]:
    """Load a state dict with published names into `model`.

    Returns:
        The names that were dropped because the release never used them.

    Raises:
        InputError: any other name that is missing, unexpected or of another shape.
    """
    unused = UNUSED + (UNUSED_WITHOUT_WEIGHTS if model.moe_fc is None else ())
    dropped = [name for name in state_dict if any(re.match(pattern, name) for pattern in unused)]
    ours = {translate(name, model): value for name, value in state_dict.items() if name not in dropped}
    expected = model.state_dict()
    for what, names in (
        ("lacks", expected.keys() - ours.keys()),
        ("has the unexpected", ours.keys() - expected.keys()),
    ):
        if names:
            raise InputError(f"published state dict {what} '{min(names)}' (and {len(names) - 1} more)")
    for name, value in ours.items():
        if value.shape != expected[name].shape:
            raise InputError(
                f"published state dict: '{name}' is {tuple(value.shape)}, expected {tuple(expected[name].shape)}"
            )
    model.load_state_dict(ours)
    return dropped


def translate(name: str, model: CENet) -> str:
    """The name in `model` of the published `name`; one that is not known stays as it is."""
    renamed = RENAMED + (RENAMED_OTHERS if model.collaborative_gating is None else RENAMED_CE)
    for pattern, replacement in renamed:
        if re.match(pattern, name):
            return re.sub(f"^{pattern}", replacement, name)
    if (match := re.match(r"pooling\.([^.]+)\.(.*)", name)) and match[1] in model.modalities:
        return f"pooling.{model.modalities.index(match[1])}.{match[2]}"
    return name
