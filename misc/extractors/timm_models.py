"""`timm:<name>`: what an image model of timm makes of frames, before its classifier.

The name is as in `timm.list_models(pretrained=True)`, with a tag or without; "hf-hub:<repository>" or "local-dir:<folder>".
"""

from misc.extractors.extractor import Setting
from misc.extractors.frames import FrameExtractor
from misc.extractors.hub import loading
from misc.extractors.text import EXTRA, import_or_explain
from misc.extractors.torchvision_import import ensure_torchvision


class Extractor(FrameExtractor):
    """Pooled features of frames, (T, dim); see `Extractor` of the registry.

    Args:
        name: of the model.
        frames: at most that many, evenly spread.
        weights: file with a checkpoint of the model, .pth or .safetensors; None: from where the name says.

    Raises:
        InputError: there is no such model, or its weights are not to be had.
    """

    def __init__(self, name: str, *, frames: int = 16, weights: str | None = None, setting: Setting):
        ensure_torchvision()
        timm = import_or_explain("timm", EXTRA)
        spec = f"timm:{name}"
        local = weights is not None or name.startswith("local-dir:")
        where = f"weights '{weights}'" if weights is not None else f"'{name}'{'' if local else ' on the hub'}"
        with loading(spec, where, local):
            model = timm.create_model(name, pretrained=weights is None, num_classes=0)
            if weights is not None:
                # A checkpoint has a classifier besides, which this model does without.
                found = timm.models.load_checkpoint(model, weights, strict=False)
                if found is not None and found.missing_keys:
                    raise ValueError(f"it has no weights for '{found.missing_keys[0]}'")
            prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
            super().__init__(spec, prepare, model.eval().to(setting.device), frames, setting.device)
