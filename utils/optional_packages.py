"""Packages that only extraction and search need."""

import importlib
from types import ModuleType

from utils.errors import InputError

# Requirements of extraction and search, and of some models by name.
REQUIREMENTS, EXTRA = "-r requirements/video-requirements.txt", "-r requirements/video-extra-requirements.txt"


def require_package(name: str, install: str = REQUIREMENTS) -> ModuleType:
    """Import and return a package, or raise an InputError that says how to install it, with pip's arguments `install`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"package '{error.name}': not installed, expected it: pip install {install}") from None
