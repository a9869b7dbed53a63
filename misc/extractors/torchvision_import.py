"""torchvision, for the libraries that import it, where its compiled part does not fit the installed PyTorch.

So it is with the wheel of PyPI beside a CPU build of PyTorch. Then importing it fails, and with it whatever looks for it
(transformers, timm, facenet-pytorch), though they need no more of it than what is written in Python.
"""

import importlib

import torch

# The operators whose declarations torchvision cannot do without.
DECLARED = ("nms", "qnms")
_libraries: list[torch.library.Library] = []  # declarations last as long as these


def ensure_torchvision() -> None:
    """Make `import torchvision` succeed, if it is installed; call it before importing what needs it."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in DECLARED:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
        importlib.import_module("torchvision")
