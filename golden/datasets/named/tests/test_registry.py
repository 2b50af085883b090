"""Data sets that have a name."""

import sys

import numpy as np
import pytest

from popflip.golden.datasets.loading import load
from popflip.golden.datasets.named.published import Published
from popflip.golden.datasets.named.registry import DEFAULT, NAMED, cached_at, of_published
from popflip.golden.datasets.tests.small import check, raises


def test_names():
    assert DEFAULT in NAMED
    assert all(name == named.name for name, named in NAMED.items())


@pytest.mark.parametrize(
    ("name", "image", "samples", "classes"),
    [
        ("digits", (8, 8), 1797, tuple("0123456789")),
        ("iris", (1, 4), 150, ("setosa", "versicolor", "virginica")),
        ("wine", (1, 13), 178, ("class_0", "class_1", "class_2")),
        ("breast-cancer", (1, 30), 569, ("benign", "malignant")),
        ("basic-motions", (6, 100), 80, ("badminton", "running", "standing", "walking")),
        ("gun-point", (1, 150), 200, ("1", "2")),
    ],
)
def test_what_packages_ship(name, image, samples, classes):
    data = load(name)
    assert data.name == data.source == name
    assert data.train_images.shape[1:] == image
    assert len(data.train_labels) + len(data.test_labels) == samples
    assert data.classes == classes
    assert data.train_images.max() == 255


def test_without_the_package(monkeypatch):
    for package, name in (("sklearn", "digits"), ("sktime", "basic-motions")):
        monkeypatch.setitem(sys.modules, package, None)
        with raises(f"{name} comes with {NAMED[name].package}: pip install 'popflip[datasets]'"):
            load(name)


def test_a_system_s_own_package_is_used(folder, arrays, originals, monkeypatch, tmp_path):
    few = Published("few", "Few", originals, folders=(tmp_path / "none", folder))
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(NAMED, "few", of_published(few, "a few"))
    assert cached_at(few) == folder
    check(load("few"), arrays)
    assert not (tmp_path / "cache").exists()
    other = Published("few", "Few", originals)
    assert cached_at(other) == tmp_path / "cache" / "datasets" / "few"
    np.testing.assert_array_equal(load("few").train_images, load(folder).train_images)
