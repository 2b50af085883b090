"""All that is on show: one network or two on the same samples, and what was done to them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.witness import Judged
from popflip.scripts.session import Failure
from popflip.scripts.training.runs.reports import State

__all__ = ["Exhibition", "class_names"]

#: Networks that can be gone back to.
UNDONE = 10

#: Times that a sample is taught at once, at most.
MOST_TIMES = 100


def class_names(data: Dataset | None, classes: int) -> list[str]:
    """Return what classes are called; those that have no name, by their number."""
    return [*map(str, range(classes))] if data is None else data.class_names(classes)


class Exhibition:
    """One network or two that learn the same samples, and do what they are asked together.

    Everything here returns at once, or refuses at once; answers are futures.

    Parameters
    ----------
    exhibits : sequence of Shown
        Of networks with images and classes of the same kind.
    data : Dataset, optional
        What they learn; None for a recording.
    """

    def __init__(self, exhibits: Sequence[Shown], data: Dataset | None):
        kinds = {
            (exhibit.params.network.image, exhibit.params.network.classes) for exhibit in exhibits
        }
        if len(kinds) > 1:
            raise InputError("networks side by side must have images and classes of one kind")
        self.exhibits, self.data = list(exhibits), data
        self.params = exhibits[0].params
        self.classes = class_names(data, self.params.network.classes)
        self._undo: list[list[Future[NetworkState]]] = []
        self._lock = threading.Lock()
        self._upsets = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self) -> None:
        """End everything."""
        for exhibit in self.exhibits:
            exhibit.close()

    @property
    def recorded(self) -> bool:
        """Whether it only plays what has been."""
        return self.exhibits[0].recorded

    def all(self, ask: Callable[[Shown], Future]) -> list[Future]:
        """Ask the same of all networks."""
        return [ask(exhibit) for exhibit in self.exhibits]

    @property
    def answering(self) -> bool:
        """Whether no board at a serial port is being opened any more.

        A virtual one may have to be compiled, which the page shows.
        """
        return not any(
            exhibit.at_port and exhibit.report.state is State.OPENING for exhibit in self.exhibits
        )

    def check_opened(self) -> None:
        """Raise what went wrong where a board could not be opened at all.

        One that was there before may come back: the page goes on, and says that it is away.
        """
        for exhibit in self.exhibits:
            report = exhibit.report
            if report.state is State.FAILED and not report.samples and not exhibit.again:
                exhibit.pause()  # raises it
                raise Failure(report.message)

    def mark(self, text: str) -> None:
        """Note in all curves that something happened."""
        for exhibit in self.exhibits:
            exhibit.history.mark(text)

    # Samples --------------------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Samples that can be looked at: those of the test set."""
        return 0 if self.data is None else len(self.data.test_labels)

    def sample(self, number: int) -> tuple[np.ndarray, int]:
        """Return a sample of the test set: its image and its label."""
        if self.data is None or not 0 <= number < self.n_samples:
            raise InputError(f"sample must be 0 to {self.n_samples - 1}, not {number}")
        return self.data.test_images[number], int(self.data.test_labels[number])

    def check_image(self, image: np.ndarray) -> np.ndarray:
        """Return an image that is one of the networks' kind."""
        if image.dtype != np.uint8 or image.shape != tuple(self.params.network.image):
            raise InputError(f"image must be uint8 of {self.params.network.image}")
        return image

    def predict(self, image: np.ndarray) -> "list[Future[Judged]]":
        """Have all boards predict an image."""
        checked = self.check_image(image)
        return [exhibit.predict(checked) for exhibit in self.exhibits]

    # What is done ---------------------------------------------------------------------------

    def teach(self, image: np.ndarray, label: int, times: int = 1) -> list[Future]:
        """Have all networks learn a sample, so many times."""
        if not 0 <= label < len(self.classes):
            raise InputError(f"label must be 0 to {len(self.classes) - 1}, not {label}")
        if not 1 <= times <= MOST_TIMES:
            raise InputError(f"times must be 1 to {MOST_TIMES}, not {times}")
        images = np.repeat(self.check_image(image)[None], times, 0)
        labels = np.full(times, label, np.uint8)
        futures = self.all(lambda exhibit: exhibit.teach(images, labels))
        with self._lock:
            self._undo = [*self._undo[1 - UNDONE :], futures]
        self.mark(f"taught {self.classes[label]}, {times} times")
        return futures

    @property
    def can_undo(self) -> int:
        """Networks that can be gone back to."""
        return len(self._undo)

    def undo(self) -> list[Future]:
        """Go back to the networks before the last teaching."""
        with self._lock:
            if not self._undo or not all(future.done() for future in self._undo[-1]):
                raise InputError("there is nothing to undo")
            states = [future.result() for future in self._undo.pop()]
        futures = [
            exhibit.write(state) for exhibit, state in zip(self.exhibits, states, strict=True)
        ]
        self.mark("undone")
        return futures

    def reset(self) -> list[Future]:
        """Begin anew."""
        futures = self.all(lambda exhibit: exhibit.reset())
        with self._lock:
            self._undo.clear()
        return futures

    def disturb(self, change: Change | None) -> list[Future]:
        """Have samples come changed, or as they are."""
        classes = len(self.classes)
        swapped = change.classes if change and change.kind == "swap-labels" else ()
        if change is not None and not all(0 <= number < classes for number in swapped):
            raise InputError(f"classes must be 0 to {classes - 1}, not {change.classes}")
        futures = self.all(lambda exhibit: exhibit.disturb(change))
        self.mark(change.kind if change else "back to normal")
        return futures

    def upset(self, count: int) -> list[Future]:
        """Turn so many bits over in each network."""
        self._upsets += 1
        seed = self._upsets
        futures = self.all(lambda exhibit: exhibit.upset(count, seed))
        self.mark(f"{count:,} bits flipped")
        return futures

    def load(self, exhibit: Shown, state: NetworkState) -> list[Future]:
        """Have one of the networks go on with a state."""
        future = exhibit.write(state)
        exhibit.history.mark("checkpoint loaded")
        return [future]
