"""The registers that the host writes and reads: region ``registers``, 32-bit words."""

from collections.abc import Sequence
from typing import NamedTuple

from popflip.golden.params import Params

__all__ = ["Register", "register_map", "register_values"]


class Register(NamedTuple):
    """One 32-bit word of region ``registers``."""

    name: str
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody calls
    writable: bool
    meaning: str


def register_map(params: Params) -> list[Register]:
    """Registers in order of their address.

    A 64-bit counter takes two words, ``<name>_lo`` and ``<name>_hi``; read during a run, its halves
    may be of two moments. Counters count from reset or from a write of any value to ``clear``,
    which leaves ``prediction`` and ``pending`` alone. A write of ``batch`` sets ``pending`` to 0.
    """
    layers = range(params.depth)
    writable = [
        ("batch", "samples between flips"),
        ("options", "bit 0: a flip sets its accumulator to 0"),
        ("seed", "state of the generator of nudge signs, not 0"),
        ("clear", "a write sets all counters to 0"),
        *((f"tau{l}", f"flip threshold of weight layer {l}, in counts") for l in layers),
    ]
    counters = [
        ("samples", "samples finished"),
        ("correct", "samples whose prediction was their label"),
        ("prediction", "class predicted for the last sample"),
        ("pending", "samples of a batch that has not flipped yet"),
        ("changed", "neurons of layer 1 whose two ends differed"),
        ("restarts", "samples that exceeded the active bound"),
        *((f"flips{l}", f"weights of layer {l} flipped") for l in layers),
    ]
    cycles = [
        ("cycles", "cycles spent on samples and flips"),
        ("cycles_drive", "of these, on the input product"),
        ("cycles_free", "of these, in the free phase"),
        ("cycles_nudged", "of these, in the nudged phases"),
        ("cycles_update", "of these, on latents and flips"),
        ("cycles_wait", "cycles spent waiting for a sample (not in cycles)"),
    ]
    rows = [(name, True, text) for name, text in writable]
    rows += [(name, False, text) for name, text in counters]
    for name, text in cycles:
        rows += [(f"{name}_lo", False, text + ", low word"), (f"{name}_hi", False, "high word")]
    return [Register(name, i, write, text) for i, (name, write, text) in enumerate(rows)]


def register_values(params: Params, words: Sequence[int]) -> dict[str, int]:
    """Name the words of region ``registers``; the two of a 64-bit counter make one value.

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
