"""torchvision, for the libraries that import it, where its compiled part does not fit the installed PyTorch.

So it is with the wheel of PyPI beside a CPU build of PyTorch. Then importing it fails, and with it whatever looks for it
(transformers, timm, facenet-pytorch), though they need no more of it than what is written in Python.
"""

import importlib
from types import ModuleType

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


def suppressed_by_class(module: ModuleType) -> None:
    """Give `module`, which imported it, torchvision's `batched_nms` in PyTorch, where its compiled one is not there."""
    if not importlib.import_module("torchvision.extension")._has_ops():
        module.batched_nms = batched_nms


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, most_overlap: float) -> torch.Tensor:
    """The boxes that overlap with no better one of their class by more than `most_overlap` (intersection over union).

    Args:
        boxes: (N, 4), left, top, right, bottom.
        scores, classes: (N,).

    Returns:
        Their indices, the best first.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes, classes = boxes[order], classes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    kept, left = [], torch.arange(len(boxes), device=boxes.device)
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        sides = torch.minimum(boxes[best, 2:], boxes[left, 2:]) - torch.maximum(boxes[best, :2], boxes[left, :2])
        common = sides.clamp(min=0).prod(dim=1)
        overlap = common / (areas[best] + areas[left] - common)
        left = left[(overlap <= most_overlap) | (classes[left] != classes[best])]
    return order[torch.stack(kept)] if kept else order
