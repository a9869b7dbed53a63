"""The datasets, one declarative file each: `LAYOUT` of every module here is found by its name."""

import importlib
import pkgutil

from data_loader.datasets.layout import Layout

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
LAYOUTS = {module.LAYOUT.name: module.LAYOUT for module in _MODULES if hasattr(module, "LAYOUT")}


def layout_of(dataset_name: str) -> Layout:
    """Return the layout of a known dataset, upper or lower case, or that of your own dataset."""
    by_name = {name.lower(): layout for name, layout in LAYOUTS.items()}
    return by_name.get(dataset_name.lower(), LAYOUTS[""])


def is_published(dataset_name: str) -> bool:
    """Return whether a dataset is one of those in the published tables."""
    return layout_of(dataset_name).download is not None
