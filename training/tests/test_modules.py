"""Every module can be imported where the package is installed."""

import importlib
import pkgutil

import pytest

import senses_training
import starter_world

MODULES = [
    module.name
    for package in (senses_training, starter_world)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_importable(name: str) -> None:
    importlib.import_module(name)
