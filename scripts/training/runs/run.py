"""A run: a board that learns in a process of its own what its holder has for it."""

from concurrent.futures import Future

import numpy as np

from popflip.golden.datasets.changes import Change
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.state import NetworkState, check_state, initial_state
from popflip.scripts.session import VIRTUAL, Target
from popflip.scripts.training.runs.process import ProcessRun
from popflip.scripts.training.runs.worker import Task, main

__all__ = ["Run"]


class Run(ProcessRun):
    """A network that learns on a board or an engine, in a second process that begins at once.

    It learns samples that it is given (:meth:`learn`, :meth:`teach`), or those of a data set
    (:meth:`start`, :meth:`step`), or both. Whoever asks for something gets a
    :class:`concurrent.futures.Future`; requests are answered in their order, while it learns
    between two stretches of about ``pace`` seconds. Use it as a context manager.

    Parameters
    ----------
    params : Params
    target : Target
        What computes; the virtual board if left out.
    state : NetworkState, optional
        What the network begins with; drawn from the seed if left out.
    tau : tuple of int, optional
        Flip thresholds; those of the parameters if left out. A data set's epochs set them anew.
    source : str, optional
        A data set's name, file or folder.
    seed : int
        Of the order of its samples.
    samples, test_samples : int, optional
        The first so many of it; all if left out.
    at : (int, int)
        Complete epochs, and samples of the next one, that the network has learned before.
    pace : float
        Seconds that it learns between two looks at what it was asked. A look costs the virtual
        board as much as some 20 samples.

    Attributes
    ----------
    report : RunReport
        The newest.
    """

    def __init__(
        self,
        params: Params,
        *,
        target: Target = VIRTUAL,
        state: NetworkState | None = None,
        tau: tuple[int, ...] | None = None,
        source: str | None = None,
        seed: int = 1,
        samples: int | None = None,
        test_samples: int | None = None,
        at: tuple[int, int] = (0, 0),
        pace: float = 0.25,
    ):
        if not 0 < pace <= 60:
            raise InputError(f"pace must be more than 0 s and at most 60 s, not {pace}")
        state = initial_state(params, seed) if state is None else state
        check_state(params, state)
        self.params, self.target = params, target
        task = Task(
            tree=params.model_dump(mode="json"), target=target, state=state, tau=tau, source=source,
            seed=seed, samples=samples, test_samples=test_samples, at=at, pace=pace,
        )  # fmt: skip
        super().__init__(main, task)

    # Learning -------------------------------------------------------------------------------

    def learn(self, images: np.ndarray, labels: np.ndarray) -> "Future[np.ndarray]":
        """Learn samples; the answer is what each was taken for before.

        Parameters
        ----------
        images : ndarray of uint8, shape (n, height, width)
        labels : ndarray of int, shape (n,)
        """
        labels = np.asarray(labels)
        images = self._checked(images)
        if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
            raise InputError(
                f"labels must be {len(images)} whole numbers, not {labels.dtype} of shape "
                f"{labels.shape}"
            )
        most = self.params.network.classes - 1
        if len(labels) and not 0 <= labels.min() <= labels.max() <= most:
            raise InputError(f"labels must be 0 to {most}, not {labels.min()} to {labels.max()}")
        return self._ask("learn", images, labels)

    def predict(self, images: np.ndarray) -> "Future[np.ndarray]":
        """Predict samples, and learn nothing."""
        return self._ask("predict", self._checked(images))

    def teach(self, image: np.ndarray, label: int) -> "Future[np.ndarray]":
        """Learn one sample; the answer is an array of what it was taken for."""
        return self.learn(np.asarray(image)[None], np.array([label]))

    def start(self, samples: int | None = None) -> "Future[None]":
        """Learn from the data set: so many samples, or until :meth:`pause`."""
        if samples is not None and samples < 1:
            raise InputError(f"samples must be at least 1, not {samples}")
        return self._ask("start", samples)

    def step(self) -> "Future[None]":
        """Learn the next sample of the data set, and pause."""
        return self.start(1)

    def epoch(self) -> "Future[None]":
        """Learn the rest of the epoch, and pause."""
        return self._ask("epoch")

    def pause(self) -> "Future[None]":
        """Stop learning from the data set."""
        return self._ask("pause")

    def speed(self, samples_per_s: float | None) -> "Future[None]":
        """Learn no faster than this from the data set; as fast as it goes with None."""
        if samples_per_s is not None and not samples_per_s > 0:
            raise InputError(f"samples_per_s must be more than 0, not {samples_per_s}")
        return self._ask("speed", samples_per_s)

    def test(self, samples: int | None = None) -> "Future[None]":
        """Test with the data set; a later report has the result, as ``tested``."""
        if samples is not None and samples < 1:
            raise InputError(f"samples must be at least 1, not {samples}")
        return self._ask("test", samples)

    # Disturbing -----------------------------------------------------------------------------

    def disturb(self, change: Change | None) -> "Future[None]":
        """Have all samples of the data set come changed from now on; as they are with None.

        Samples that are given (:meth:`learn`, :meth:`predict`) stay as they are.
        """
        return self._ask("change", change)

    def upset(self, count: int, seed: int = 1) -> "Future[None]":
        """Turn over so many bits of weights and latents."""
        if not 0 <= count <= 1 << 24:
            raise InputError(f"count must be 0 to 2**24, not {count}")
        return self._ask("upset", count, seed)

    # The network ----------------------------------------------------------------------------

    def state(self) -> "Future[NetworkState]":
        """Read the network; a batch in hand ends, even if it is not full."""
        return self._ask("state")

    def look(self) -> "Future[NetworkState]":
        """Read the network as it is, also within a batch, and end nothing."""
        return self._ask("look")

    def write_state(self, state: NetworkState, at: tuple[int, int] | None = None) -> "Future[None]":
        """Go on with another network: from a checkpoint, or one that was read before.

        Parameters
        ----------
        state : NetworkState
        at : (int, int), optional
            Where it is in the data set; as it is if left out.
        """
        check_state(self.params, state)
        return self._ask("write_state", state, at)

    # Inside ---------------------------------------------------------------------------------

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        height, width = self.params.network.image
        if images.dtype != np.uint8 or images.shape[1:] != (height, width) or images.ndim != 3:
            raise InputError(
                f"images must be uint8 of shape (n, {height}, {width}), not {images.dtype} of "
                f"shape {images.shape}"
            )
        if not len(images):
            raise InputError("images must be at least 1, not 0")
        return images
