"""The registers that the host writes and reads: region ``registers``, 32-bit words."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from popflip.golden.description.params import Params

__all__ = ["Register", "StandaloneState", "counter_map", "register_map", "register_values"]


class StandaloneState(IntEnum):
    """What a machine does that trains by itself: bits 0 to 2 of register ``standalone``."""

    #: Nothing: it was not started, or it was stopped.
    IDLE = 0
    #: It writes the initial network.
    PREPARING = 1
    TRAINING = 2
    TESTING = 3
    #: All epochs are complete.
    DONE = 4
    #: It was started, but its flash holds no data set for this network.
    NO_IMAGE = 5


class Register(NamedTuple):
    """One 32-bit word of region ``registers``."""

    name: str
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody calls
    writable: bool
    meaning: str


def register_map(params: Params) -> list[Register]:
    """Registers in order of their address.

    A counter takes two words, ``<name>_lo`` and ``<name>_hi``; read during a run, its halves may be
    of two moments. Counters come last. They count from reset or from a write of any value to
    ``clear``. A write of ``batch`` sets ``pending`` to 0. A shared update engine knows batches of 1
    only: there ``batch`` and ``options`` are what they are.
    """
    layers = range(params.depth)
    settings = [
        ("batch", "samples between flips"),
        ("options", "bit 0: a flip sets its accumulator to 0"),
    ]
    writable = [
        ("seed", "state of the generator of nudge signs, not 0"),
        ("clear", "a write sets all counters to 0"),
        *((f"tau{l}", f"flip threshold of weight layer {l}, in counts") for l in layers),
    ]
    if params.standalone.lines:
        text = "StandaloneState; from bit 16 on, complete epochs. A write starts the training"
        writable.append(("standalone", text))
    state = [
        ("prediction", "class predicted for the last sample"),
        ("pending", "samples of a batch that has not flipped yet"),
    ]
    rows = [(name, not params.machine.shared_update, text) for name, text in settings]
    rows += [(name, True, text) for name, text in writable]
    rows += [(name, False, text) for name, text in state]
    for name, text in counter_map(params).items():
        rows += [(f"{name}_lo", False, text + ", low word"), (f"{name}_hi", False, "high word")]
    return [Register(name, i, write, text) for i, (name, write, text) in enumerate(rows)]


def counter_map(params: Params) -> dict[str, str]:
    """Counters in the order of their registers, and what each of them counts."""
    return {
        "samples": "samples finished",
        "correct": "samples whose prediction was their label",
        "changed": "neurons of layer 1 whose two ends differed",
        "restarts": "how often a sample exceeded its active bound and began again",
        **{f"flips{l}": f"weights of layer {l} flipped" for l in range(params.depth)},
        "cycles_drive": "cycles spent on the input product",
        "cycles_free": "cycles spent in the free phase",
        "cycles_nudged": "cycles spent in the nudged phases",
        "cycles_update": "cycles spent on latents and flips",
        "cycles_wait": "cycles spent waiting for a sample",
    }


def register_values(params: Params, words: Sequence[int]) -> dict[str, int]:
    """Name the words of region ``registers``; the two of a counter make one value.

    Parameters
    ----------
    params : Params
    words : sequence of int
        The whole region, in order.

    Returns
    -------
    dict
        From name, ``_lo`` and ``_hi`` left out, to value.
    """
    values = {register.name: words[register.index] for register in register_map(params)}
    for name in [name for name in values if name.endswith("_lo")]:
        stem = name.removesuffix("_lo")
        values[stem] = values.pop(name) | values.pop(f"{stem}_hi") << 32
    return values
