"""The search itself: read the data, propose what fits, let the proposals race, write the best."""

import math
from dataclasses import dataclass

import numpy as np

from popflip.boards.registry import find_board
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.datasets.loading import place_of, read_raw
from popflip.golden.datasets.named.registry import DEFAULT
from popflip.golden.datasets.preparation import prepare
from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.golden.support import interrupts
from popflip.golden.support.errors import InputError
from popflip.scripts.console import Display
from popflip.scripts.cycle_counts import cycles_of
from popflip.scripts.verbs.explore.new import NewReport, ProposalReport
from popflip.scripts.verbs.explore.new.budget import Budget
from popflip.scripts.verbs.explore.new.proposals import (
    Shape,
    calibrated,
    chosen_epochs,
    epochs_for,
    growth_over,
    proposals,
    shapes_for,
)
from popflip.scripts.verbs.explore.new.trials import Candidate, Race

__all__ = ["Wish", "find_network"]

#: Columns of a table from which on they may be the pixels of square images.
_PIXELS = 49

#: Part of the chosen network's epochs that finalists are trained for.
_FINAL_SHARE = 0.4

#: Best networks whose cycles are counted, which takes seconds for a large one.
_RATED = 3


@dataclass(frozen=True)
class Wish:
    """What a network is wanted for.

    Attributes
    ----------
    data : str or None
        Name, file or folder of the data set.
    reading : Params
        Whose section ``data`` says how it is read.
    board, memory : str or None, int or None
        What the network may take; one of the two.
    seed : int
    minutes : float
        Time for all trainings.
    name : str
        What to call the network.
    """

    data: str | None
    reading: Params
    board: str | None
    memory: int | None
    seed: int = 1
    minutes: float = 8.0
    name: str = "net"


def find_network(wish: Wish) -> tuple[str, NewReport]:
    """Find a network; return its file, and what ``--json`` says of the search.

    Raises
    ------
    InputError
        If the data cannot be learned, no network fits, or none was trained in time.
    """
    board = find_board(wish.board) if wish.board else None
    budget = Budget(board, wish.memory)
    readings = _Readings(wish)
    dataset, kind = readings.dataset, readings.kind
    if np.bincount(dataset.train_labels).max() < 2:
        raise InputError(
            f"{wish.data or DEFAULT} must have 2 training samples of a class at least: one to "
            "learn, one to judge the networks by"
        )
    epochs = epochs_for(min(len(dataset.train_labels), 12_000))
    # More epochs than the candidates have: only one network takes them all.
    more = chosen_epochs(len(dataset.train_labels))
    with Display() as display:
        candidates = _candidates(wish, budget, readings, (epochs, more), display)

        def on_training(done: int, total: int, candidate: Candidate | None, in_final: bool) -> None:
            ranked = race.ranked
            note = f"best {ranked[0].last_error:.2f} %" if ranked else ""
            display.show(
                "finalists, trained longer" if in_final else "trainings", done, total,
                f"{note}  {candidate.title if candidate else ''}",
            )  # fmt: skip

        race = Race(
            candidates, epochs, round(_FINAL_SHARE * more), wish.seed, 60 * wish.minutes,
            on_training,
        )  # fmt: skip
        with interrupts.noted(race.stop):
            race.run()
    ranked = race.ranked
    if not ranked:
        raise InputError(
            "no network was trained to its end in time: give more --minutes"
            if not race.stopped
            else "ended before a network was trained: there is nothing to write"
        )
    best, chosen = _choice(ranked, budget, wish, more)
    ranked.remove(best)
    ranked.insert(0, best)
    rows = [_row(each, budget, number < _RATED) for number, each in enumerate(ranked)]
    report: NewReport = {
        "verb": "new",
        "data": wish.data or DEFAULT,
        "kind": kind,
        "budget": str(budget),
        "seed": wish.seed,
        "epochs": more,
        "finished": not race.stopped,
        "best": rows[0],
        "rows": rows,
        "mhz": budget.mhz,
        "available": best.fitted.estimate.available if best.fitted.estimate else None,
        "warnings": list(dataset.warnings),
        "file": "",
    }
    return _text(chosen, report), report


class _Readings:
    """A data set as it is, and with its images resized.

    Attributes
    ----------
    dataset : Dataset
        As it is.
    kind : {"table", "series", "images"}
    """

    def __init__(self, wish: Wish):
        named = DEFAULT if wish.data is None else wish.data
        self._raw, self._name = read_raw(named, params=wish.reading)
        self._place = place_of(named)
        self.dataset = self._prepared(wish.reading)
        image = self.dataset.train_images.shape[1:]
        side, kind = math.isqrt(image[1]), self._raw.kind
        if kind is None and image[0] == 1 and image[1] >= _PIXELS and side**2 == image[1]:
            # As pixels if that is what they are; else this changes nothing.
            square = wish.reading.replace(network={
                "image": [side, side], "first": "dense", "window": 0, "stride": 0, "features": 0,
                "hidden": [1],
            })  # fmt: skip
            self.dataset = self._prepared(square)
            image = self.dataset.train_images.shape[1:]
        self.kind = kind or ("table" if image[0] == 1 else "images")
        self._resized: dict[tuple[int, int], Dataset] = {}

    def of(self, shape: Shape, params: Params) -> Dataset:
        """The data set as a shape's network reads it."""
        if not shape.resized:
            return self.dataset
        image = params.network.image
        if image not in self._resized:
            self._resized[image] = self._prepared(params)
        return self._resized[image]

    def _prepared(self, params: Params) -> Dataset:
        return prepare(self._raw, self._name, params, self._place)


def _candidates(
    wish: Wish,
    budget: Budget,
    readings: _Readings,
    all_epochs: tuple[int, int],
    display: Display,
) -> list[Candidate]:
    """Return networks that fit; of each shape the largest there is room for.

    They are to fit with the counters that all epochs of the chosen one take, the second number.
    """
    epochs, more = all_epochs
    dataset, data = readings.dataset, wish.reading.data
    image: tuple[int, int] = dataset.train_images.shape[1:]
    classes = dataset.n_classes
    ways = []
    for shape in shapes_for(readings.kind, image, classes, epochs):
        if shape.resized and data.resize != "none":
            continue  # Whoever says how images are resized gets that.
        copies_of = [*shape.ways]
        # What fits a board takes seconds to find out: there with the usual number of outputs and
        # the least.
        if budget.board is not None:
            copies_of = list(dict.fromkeys([copies_of[0], min(copies_of)]))
        ways += [(shape, copies) for copies in copies_of]
    found = []
    for number, (shape, copies) in enumerate(ways):
        display.show("networks that fit", number, len(ways), shape.title)

        def make(
            size: int, machine: dict, shape: Shape = shape, copies: int = copies
        ) -> Params | None:
            return next(proposals(shape, size, classes, copies, data, machine, more), None)

        fitted = budget.fit(make, shape.most)
        if fitted is not None:
            found += [
                Candidate(
                    shape.title + ", louder" * loud,
                    params,
                    fitted,
                    readings.of(shape, params),
                    loud,
                )
                for params in proposals(
                    shape, fitted.size, classes, copies, data, fitted.machine, epochs
                )
                for loud in shape.loud
            ]
    display.show("networks that fit", len(ways), len(ways))
    if not found:
        raise InputError(
            f"no network for {wish.data or DEFAULT} fits {budget}: its samples have "
            f"{image[0]} x {image[1]} values"
        )
    return found


def _choice(
    ranked: list[Candidate], budget: Budget, wish: Wish, epochs: int
) -> tuple[Candidate, Params]:
    """Return the best candidate that fits as it was calibrated too, and its network."""
    for candidate in ranked:
        chosen = calibrated(candidate.params, candidate.dataset, wish.seed, candidate.loud).replace(
            name=wish.name, learning={"tau_growth": growth_over(epochs)},
            standalone={"epochs": epochs},
        )  # fmt: skip
        fitted = budget.holds(chosen, candidate.fitted)
        if fitted is not None:
            candidate.fitted = fitted
            return candidate, chosen
    raise InputError(
        f"no network fits {budget} with gains that suit {wish.data or DEFAULT}: name a larger one"
    )


def _row(candidate: Candidate, budget: Budget, rated: bool) -> ProposalReport:
    params, guess = candidate.params, candidate.fitted.estimate
    return {
        "what": candidate.title,
        "sizes": list(params.sizes),
        "copies": params.network.copies,
        "tau": list(params.learning.tau),
        "error": round(candidate.error, 3),
        "final_error": None if candidate.final is None else round(candidate.final, 3),
        "folds": len(candidate.errors),
        "synapses": params.n_synapses,
        "memory_bits": params.memory_bits,
        "blocks": guess.used["block"] if guess else None,
        "luts": guess.used["lut"] if guess else None,
        "samples_per_s": _rate(candidate, budget) if rated else None,
    }


def _rate(candidate: Candidate, budget: Budget) -> float | None:
    """Training samples per second after the last training, by the cycle model."""
    if candidate.network is None or candidate.state is None or candidate.seen is None:
        return None
    x, labels = candidate.seen
    count = len(labels) // candidate.network.learning.batch * candidate.network.learning.batch
    if not count:
        return None
    tau = candidate.network.learning.tau
    cycles = cycles_of(candidate.network, candidate.state, tau, x[:count], labels[:count]).total
    return round(budget.mhz * 1e6 * count / cycles, 1)


def _text(params: Params, report: NewReport) -> str:
    """Write the file, with what the search said of it at its top."""
    best = report["best"]
    if best["final_error"] is None:
        found = f"after a brief training: {best['error']:.2f} % (mean of {best['folds']} folds)."
    else:
        found = f"as a finalist that was trained longer: {best['final_error']:.2f} %."
    lines = [
        f"Proposed by popflip new for {report['data']}, on {report['budget']}, seed "
        f"{report['seed']}.",
        f"{best['what']}: {'-'.join(map(str, best['sizes']))} neurons, {best['synapses']:,} "
        "synapses.",
        f"Error on samples kept from the training part, {found}",
        f"Train it: popflip train --config FILE --data {report['data']} --engine fast --epochs "
        f"{report['epochs']}",
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n" + to_toml(params)
