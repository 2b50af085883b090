"""The examples in the docstrings of golden's main entry points."""

import doctest
import importlib

import pytest


@pytest.mark.timeout(600)  # the first use of the fast engine compiles it
@pytest.mark.parametrize(
    "name",
    ["datasets.loading", "engine.machine", "model", "training.machine", "training.trainer"],
)
def test_examples_are_true(name):
    module = importlib.import_module(f"popflip.golden.{name}")
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed
