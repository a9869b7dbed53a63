"""Imports go down only: commands, trainer, then model, data_loader and logger, then base, then utils.

The one exception is `base/registry.py`, which imports the modules of `model/` by name, so that a config can be validated,
and a file added to `model/` can be used, without a list of classes.
"""

import ast

import pytest
from helpers.paths import ROOT

BASE = {"base", "parse_config", "utils"}
ALLOWED = {
    "utils": {"utils"},
    "base": {"base", "utils"},
    "parse_config": BASE,
    "model": BASE | {"model"},
    "data_loader": BASE | {"data_loader"},
    "logger": BASE | {"logger"},
    "trainer": BASE | {"model", "data_loader", "logger", "trainer"},
}
PROJECT = {*ALLOWED, "misc", "figs", "train", "test"}
FILES = [
    path.relative_to(ROOT).as_posix()
    for layer in ALLOWED
    for path in (sorted((ROOT / layer).rglob("*.py")) or [ROOT / f"{layer}.py"])
]


def imported(tree):
    """Return the top-level packages of this project that a module imports anywhere, for type checking too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_its_own_layer_and_those_below(name):
    layer = name.partition("/")[0].removesuffix(".py")
    upward = set(imported(ast.parse((ROOT / name).read_text()))) & PROJECT - ALLOWED[layer]
    assert not upward, f"{name} imports {', '.join(sorted(upward))}, expected only {', '.join(sorted(ALLOWED[layer]))}"


def test_only_the_registry_imports_from_another_layer_by_name():
    importers = {name for name in FILES if "import_module" in (ROOT / name).read_text()}
    # The second imports only its own package, the third only packages that are not of this project.
    assert importers == {"base/registry.py", "data_loader/datasets/__init__.py", "utils/optional_packages.py"}
