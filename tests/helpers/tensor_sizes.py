"""The sizes of the tensors that a part of a program makes."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LargestTensor(TorchDispatchMode):
    """A mode that records the size of the largest tensor that an operation returns, in bytes."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **kwargs or {})
        self.most = max([self.most, *(x.nbytes for x in tree_leaves(out) if isinstance(x, torch.Tensor))])
        return out
