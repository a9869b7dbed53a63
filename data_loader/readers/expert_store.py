"""Objects of the class `ExpertStore`, in which the corrected release pickled features with one vector per video.

The attributes of the class are the names of the videos (`keys`), the length of a vector (`dim`), the vectors (`store`,
(n, dim)), name -> row (`keymap`), and the names of videos that lack the expert (`missing`). The class writes the float NaN,
which stands for a missing expert, to each number of the row, so that a row of NaN alone is also missing.
"""

from typing import Any

import numpy as np

from utils.pickle_globals import Allowed, Placeholder, RefusedError

ATTRIBUTES = ("keys", "dim", "store", "keymap", "missing")


class PickledExpertStore(Placeholder):
    """An `ExpertStore` before its state, which becomes a dict from video name to vector, or to NaN if it is missing."""

    def build(self, state: Any) -> dict[str, Any]:
        """Return the dict of `state`, the attributes of the object."""
        if type(state) is not dict or (absent := [name for name in ATTRIBUTES if name not in state]):
            raise RefusedError(f"an ExpertStore without {absent[0] if type(state) is dict else 'attributes'}")
        keys, dim, store, keymap, missing = (state[name] for name in ATTRIBUTES)
        if not isinstance(store, np.ndarray) or store.ndim != 2 or store.dtype.kind != "f":
            raise RefusedError("an ExpertStore whose store is not an array of floats of shape (videos, dim)")
        if not _is_integer(dim) or store.shape[1] != dim:
            raise RefusedError(f"an ExpertStore whose store has the shape {store.shape}, which does not fit its dim {dim!r}")
        if type(keymap) is not dict or not all(type(name) is str for name in keymap):
            raise RefusedError("an ExpertStore whose keymap is not a dict from video name to row")
        for name, row in keymap.items():
            if not _is_integer(row) or not 0 <= row < len(store):
                raise RefusedError(f"an ExpertStore of {len(store)} rows, in which '{name}' has the row {row!r}")
        if len(set(keymap.values())) < len(keymap):
            raise RefusedError("an ExpertStore in which two videos have the same row")
        if _names(keys, "keys") != keymap.keys():
            raise RefusedError("an ExpertStore whose keys are not those of its keymap")
        lacking = _names(missing, "missing")
        if unknown := lacking - keymap.keys():
            raise RefusedError(f"an ExpertStore in which the missing '{min(unknown)}' is none of its videos")
        empty = np.isnan(store).all(axis=1) if dim else np.zeros(len(store), dtype=bool)
        return {name: np.nan if name in lacking or empty[row] else store[row] for name, row in keymap.items()}


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _names(value: Any, attribute: str) -> set[str]:
    """Return the names in a list or set."""
    if not isinstance(value, list | tuple | set | frozenset) or not all(type(name) is str for name in value):
        raise RefusedError(f"an ExpertStore whose {attribute} are not a list or set of names")
    return set(value)


# The class, under the names of its modules, and the types of numbers that are its attribute `store_dtype`.
EXPERT_STORE = {
    **{(module, "ExpertStore"): Allowed(PickledExpertStore) for module in ("zsvision.zs_data_structures", "datastructures")},
    **{("numpy", name): Allowed() for name in ("float16", "float32", "float64")},
}
