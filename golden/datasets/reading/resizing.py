"""Images brought to another size, by Pillow."""

import numpy as np
from PIL import Image, ImageOps

from popflip.golden.datasets.reading.raw import DataError

__all__ = ["resize_images", "resized"]


def resized(picture: Image.Image, size: tuple[int, int], how: str) -> Image.Image:
    """Bring one picture to a size.

    Parameters
    ----------
    picture : Image
        Of grey pixels.
    size : (int, int)
        Height and width.
    how : {"stretch", "pad", "crop"}
        See :class:`popflip.golden.description.sections.data.Data`.
    """
    wanted = (size[1], size[0])
    if picture.size == wanted:
        return picture
    method = Image.Resampling.BICUBIC
    if how == "stretch":
        return picture.resize(wanted, method)
    fit = ImageOps.pad if how == "pad" else ImageOps.fit
    return fit(picture, wanted, method)


def resize_images(images: np.ndarray, size: tuple[int, int] | None, how: str) -> np.ndarray:
    """Bring images of 8-bit pixels to a size; all of them are as they are if ``how`` is ``none``.

    Raises
    ------
    DataError
        If no size is known.
    """
    if how == "none":
        return images
    if size is None:
        raise DataError("data.resize needs a network, whose image says to which size")
    if images.shape[1:] == tuple(size):
        return images
    return np.stack([np.asarray(resized(Image.fromarray(image), size, how)) for image in images])
