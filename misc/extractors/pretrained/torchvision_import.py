"""Import of torchvision if its compiled part does not fit the installed PyTorch.

An example is the wheel from PyPI with a CPU build of PyTorch: importing it fails, and so do transformers, timm and
facenet-pytorch, which only need the Python part of torchvision.
"""

import importlib
from types import ModuleType

import torch

_libraries: list[torch.library.Library] = []  # declarations end with these objects


def ensure_torchvision() -> None:
    """Make `import torchvision` succeed, if it is installed; call it before importing packages that need it."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):  # whose declarations torchvision needs
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)
        importlib.import_module("torchvision")


def replace_missing_nms(module: ModuleType) -> None:
    """Replace torchvision's `batched_nms` in a module that imported it, if its compiled operator is missing."""
    if not importlib.import_module("torchvision.extension")._has_ops():
        module.batched_nms = batched_nms


def batched_nms(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, max_overlap: float) -> torch.Tensor:
    """Return the indices of boxes that do not overlap with a better box of their class by more than `max_overlap` (IoU).

    Boxes are left, top, right and bottom, (N, 4); their scores and classes (N,). The highest score is the first.
    """
    order = scores.argsort(descending=True, stable=True)
    boxes, classes = boxes[order], classes[order]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    kept, left = [], torch.arange(len(boxes), device=boxes.device)
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        size = torch.minimum(boxes[best, 2:], boxes[left, 2:]) - torch.maximum(boxes[best, :2], boxes[left, :2])
        common = size.clamp(min=0).prod(dim=1)
        overlap = common / (areas[best] + areas[left] - common)
        left = left[(overlap <= max_overlap) | (classes[left] != classes[best])]
    return order[torch.stack(kept)] if kept else order
