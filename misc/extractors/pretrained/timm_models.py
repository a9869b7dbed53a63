"""`timm:<name>`: features of frames by an image model of timm, before its classifier.

The name is one of `timm.list_models(pretrained=True)` with or without a tag, "hf-hub:<repository>", or "local-dir:<folder>".
"""

from misc.extractors.extractor import ExtractorContext
from misc.extractors.frame_extractor import FrameExtractor
from misc.extractors.pretrained.hub import explain_load_errors
from misc.extractors.pretrained.torchvision_import import ensure_torchvision
from utils.optional_packages import EXTRA, require_package


class TimmExtractor(FrameExtractor):
    """Pooled features (T, dim) of frames.

    `weights` is the path of a checkpoint, .pth or .safetensors (None: the published weights of the name).
    """

    def __init__(self, name: str, *, frames: int = 16, weights: str | None = None, context: ExtractorContext):
        ensure_torchvision()
        timm = require_package("timm", EXTRA)
        spec = f"timm:{name}"
        is_local = weights is not None or name.startswith("local-dir:")
        source = f"weights '{weights}'" if weights is not None else f"'{name}'{'' if is_local else ' on the hub'}"
        with explain_load_errors(spec, source, is_local):
            model = timm.create_model(name, pretrained=weights is None, num_classes=0)
            if weights is not None:
                # Not strict: checkpoints have a classifier, and this model has none.
                result = timm.models.load_checkpoint(model, weights, strict=False)
                if result is not None and result.missing_keys:
                    raise ValueError(f"it has no weights for '{result.missing_keys[0]}'")
            prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
            super().__init__(spec, prepare, model.eval().to(context.device), frames, context.device)
