"""The datasets, one declarative file each: every `Layout` of a module here is found by its release and name."""

import importlib
import pkgutil

from data_loader.datasets.layout import Layout
from utils.errors import InputError

# The releases of archives, and how a config says which it reads.
RELEASE_TEXTS = {
    "2019": "the 2019 release (no data_loader.args.root_feat_folder)",
    "2020": "the corrected release (data_loader.args.root_feat_folder)",
}
_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
_ALL = [layout for module in _MODULES for layout in vars(module).values() if isinstance(layout, Layout)]
LAYOUTS = {layout.name: layout for layout in _ALL if layout.release == "2019"}
CORRECTED_LAYOUTS = {layout.name: layout for layout in _ALL if layout.release == "2020"}


def release_of(root_feat_folder: str | None) -> str:
    """Return the release of a config by its `data_loader.args.root_feat_folder`, which only the corrected one has."""
    return "2019" if root_feat_folder is None else "2020"


def layout_of(dataset_name: str, release: str = "2019") -> Layout:
    """Return the layout of a known dataset, upper or lower case, or that of your own dataset, which has any release.

    Raises:
        InputError: a known dataset that the release does not have.
    """
    found = _known(dataset_name)
    if not found:
        return LAYOUTS[""]
    if release not in found:
        (other,) = found
        name, wanted, known = found[other].name, RELEASE_TEXTS[release], RELEASE_TEXTS[other]
        raise InputError(f"data_loader.args.dataset_name: {name} is not in {wanted}, only in {known}")
    return found[release]


def is_known(dataset_name: str) -> bool:
    """Return whether a module declares the files of a dataset."""
    return bool(_known(dataset_name))


def is_published(dataset_name: str) -> bool:
    """Return whether a dataset is one of those of the releases, and not your own, even if a module declares its files."""
    return any(layout.download or layout.release == "2020" for layout in _known(dataset_name).values())


def _known(dataset_name: str) -> dict[str, Layout]:
    """Return the layouts of a known dataset by release."""
    layouts = [*LAYOUTS.values(), *CORRECTED_LAYOUTS.values()]
    return {layout.release: layout for layout in layouts if layout.name and layout.name.lower() == dataset_name.lower()}
