"""What somebody draws: strokes on a small image, and how they become a sample."""

import numpy as np
from PIL import Image

__all__ = ["MOST_SIDE", "Drawing", "centred"]

#: Pixels of a stroke that are drawn at once, at most.
MOST_SIDE = 4096

#: Of the image's shorter side: how wide a stroke is, and how large a drawing becomes.
BRUSH, SIZE = 0.075, 20 / 28


class Drawing:
    """Strokes on an image.

    Parameters
    ----------
    shape : (int, int)
        Height and width.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width)
    """

    def __init__(self, shape: tuple[int, int]):
        self.image = np.zeros(shape, np.uint8)
        self._last: tuple[float, float] | None = None
        rows, columns = np.indices(shape)
        self._rows, self._columns = rows + 0.5, columns + 0.5
        self._radius = max(0.7, BRUSH * min(shape))

    def clear(self) -> None:
        """Wipe everything."""
        self.image[:] = 0
        self._last = None

    def put(self, image: np.ndarray) -> None:
        """Take over an image."""
        self.image[:] = image
        self._last = None

    def begin(self, x: float, y: float) -> None:
        """Begin a stroke."""
        self._last = None
        self.go_on(x, y)

    def go_on(self, x: float, y: float) -> None:
        """Draw on to a place; places off the image are moved to its edge."""
        height, width = self.image.shape
        x, y = min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))
        x0, y0 = self._last or (x, y)
        steps = int(max(abs(x - x0), abs(y - y0)) * 2) + 1
        for share in np.linspace(0, 1, steps + 1):
            self._dab(x0 + share * (x - x0), y0 + share * (y - y0))
        self._last = x, y

    def _dab(self, x: float, y: float) -> None:
        distance = np.hypot(self._columns - x, self._rows - y)
        ink = np.clip(1.5 + self._radius - distance - 0.5, 0, 1) * 255
        np.maximum(self.image, ink.astype(np.uint8), out=self.image)


def centred(image: np.ndarray) -> np.ndarray:
    """Return a drawing as large, and with its weight as central, as the digits of MNIST are.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width)
        Stays as it is; an empty one comes back as it is.
    """
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    if not len(rows):
        return image
    part = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = image.shape
    scale = min(SIZE * height / part.shape[0], SIZE * width / part.shape[1])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    part = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
    weights = part.astype(float) / part.sum() if part.any() else np.ones(part.shape) / part.size
    middle_y = (weights.sum(1) * (np.arange(size[1]) + 0.5)).sum()
    middle_x = (weights.sum(0) * (np.arange(size[0]) + 0.5)).sum()
    top = min(max(round(height / 2 - middle_y), 0), height - size[1])
    left = min(max(round(width / 2 - middle_x), 0), width - size[0])
    result = np.zeros_like(image)
    result[top : top + size[1], left : left + size[0]] = part
    return result
