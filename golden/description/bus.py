"""What a bus sees of a machine: control registers, and a window on each of its memories.

The bus has 32-bit words at byte addresses that are multiples of 4. :class:`BusMap` lays them out::

    bus = BusMap(params, "wishbone")
    bus.registers["run"].index * 4           # byte address of a control register
    bus.windows["weights0"].address(12, 1)   # that of word 12, its bits 32 to 63

A *window* shows one region (:mod:`popflip.golden.description.layout`). A region whose words have 8
bits or fewer is *packed*: its words are the bytes of the window, and any bytes of a bus word can be
read or written. Words of more bits begin at a power of two and are read and written as whole bus
words, their *lanes*, low bits first. Lanes are read in any order; they are written in order from
lane 0 on, and the last one writes the region's word. Bits above those of a word read as 0, as do
words between the parts of a region.
"""

from typing import TYPE_CHECKING, NamedTuple

from popflip.golden.description.layout import Region
from popflip.golden.description.named import Meanings, Table
from popflip.golden.description.protocol import (
    FLAG_MEANINGS,
    IDENTITY_BYTES,
    SAMPLE_BITS,
    RunFlags,
)
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES, Field, Register
from popflip.golden.support.errors import InputError
from popflip.golden.support.integers import ceil_div

if TYPE_CHECKING:
    from popflip.golden.description.params import Params

__all__ = ["BUSES", "MAPPED", "BusMap", "Refusal", "Window", "check_bus"]

#: Front ends, and what each is.
BUSES = {
    "uart": "framed requests on a serial line",
    "axi": "AXI4-Lite, with AXI4-Stream for samples and predictions",
    "wishbone": "Wishbone B4, with a window for samples",
    "none": "the core with its own streams",
}

#: Front ends with registers at addresses, and the number by which each tells.
MAPPED = {"axi": 1, "wishbone": 2}

#: Version of the map, which register ``layout`` tells.
_VERSION = 1

#: Words of the control registers' window.
_CONTROL_WORDS = 16

#: Bits of a count of frames.
_COUNT_BITS = 16


class Refusal(Meanings):
    """Why an access was answered by an error. It changed nothing."""

    NONE = 0, "none was refused yet"
    UNMAPPED = 1, "there is nothing at this address"
    WIDTH = 2, "not a whole aligned word, where it has to be one"
    ACCESS = 3, "it cannot be written, or not be read"
    BUSY = 4, "not while a run is on"
    ORDER = 5, "a lane, or a word of a sample, that is not the next one"
    VALUE = 6, "a run of no samples, or flags that there are not"
    FULL = 7, "no room for the sample, and no run that would take one"


class Window(NamedTuple):
    """A range of addresses that shows a region, the control registers, or where samples go in.

    Attributes
    ----------
    name : str
    base : int
        Its first byte address, a multiple of ``span``.
    n_bytes : int
        Bytes that it shows.
    lanes : int
        Bus words of a word; 0 if it is packed.
    region : Region or None
    meaning : str
    readable, writable : bool
    """

    name: str
    base: int
    n_bytes: int
    lanes: int
    region: Region | None
    meaning: str
    readable: bool = True
    writable: bool = True

    @property
    def packed(self) -> bool:
        """Whether words of the region are bytes of the window."""
        return not self.lanes

    @property
    def lane_bits(self) -> int:
        """Bits of the number of a lane in an address."""
        return max(self.lanes - 1, 0).bit_length()

    @property
    def span(self) -> int:
        """Bytes that it takes: a power of two."""
        return _span(self.n_bytes)

    def address(self, word: int, lane: int = 0) -> int:
        """Byte address of a word of the region, or of a lane of it."""
        if self.packed:
            return self.base + word
        return self.base + REGISTER_BYTES * ((word << self.lane_bits) + lane)


class _Windows(Table[Window]):
    kind = "window"


class _Registers(Table[Register]):
    kind = "control register"


def check_bus(params: "Params", bus: str) -> None:
    """See that there is such a front end, and that it can serve a machine.

    Raises
    ------
    InputError
        If not.
    """
    if bus not in BUSES:
        raise InputError(f"bus must be one of {', '.join(BUSES)}, not {bus!r}")
    if params.standalone.lines and bus in MAPPED:
        raise InputError(f"bus must be uart for a machine with a flash (standalone), not {bus!r}")


class BusMap:
    """Everything that a bus sees of a machine.

    Parameters
    ----------
    params : Params
    bus : str
        A name of :data:`MAPPED`.

    Attributes
    ----------
    registers : Table of Register
        The control registers, in order of their word.
    windows : Table of Window
        ``control`` first, then one for each region; with ``wishbone`` also ``sample``, a sample's
        bytes, packed as in region ``samples``, which are written in order.
    address_bits : int
        Bits of a byte address.
    """

    def __init__(self, params: "Params", bus: str):
        check_bus(params, bus)
        if bus not in MAPPED:
            raise ValueError(f"bus must be one of {', '.join(MAPPED)}, not {bus!r}")
        self.bus = bus
        self.registers = _Registers(
            Register(index=i, **row) for i, row in enumerate(_control(params, bus))
        )
        rows: list[dict] = [
            {
                "name": "control",
                "n_bytes": REGISTER_BYTES * _CONTROL_WORDS,
                "lanes": 1,
                "region": None,
                "meaning": "runs, samples, interrupt",
            },
            *(_of_region(region) for region in params.regions),
        ]
        if bus == "wishbone":
            rows.append({
                "name": "sample",
                "n_bytes": REGISTER_BYTES * ceil_div(params.sample_bytes, REGISTER_BYTES),
                "lanes": 1,
                "region": None,
                "meaning": "the next sample of a run without flag INTERNAL, its words in order; "
                "the first begins it anew",
                "readable": False,
            })
        self.windows = _Windows(_placed(rows))
        end = max(window.base + window.span for window in self.windows)
        self.address_bits = (end - 1).bit_length()


def _of_region(region: Region) -> dict:
    """Describe the window of a region, but for its place."""
    packed = region.word_bytes == 1
    lanes = 0 if packed else ceil_div(region.width, REGISTER_BITS)
    if packed:
        n_bytes = REGISTER_BYTES * ceil_div(region.depth, REGISTER_BYTES)
    else:
        n_bytes = REGISTER_BYTES * region.depth << (lanes - 1).bit_length()
    return {
        "name": region.name,
        "n_bytes": n_bytes,
        "lanes": lanes,
        "region": region,
        "meaning": region.meaning,
        "writable": region.name != "results",
    }


def _span(n_bytes: int) -> int:
    return 1 << (n_bytes - 1).bit_length()


def _placed(rows: list[dict]) -> list[Window]:
    """Give each window the first free place at a multiple of its span."""
    placed: list[Window] = []
    for row in rows:
        span, base = _span(row["n_bytes"]), 0
        while any(w.base < base + span and base < w.base + w.span for w in placed):
            base += span
        placed.append(Window(base=base, **row))
    return placed


#: Control registers that describe a run, begin it and end it.
_RUNS: tuple[dict, ...] = (
    {
        "name": "first",
        "writable": True,
        "about": "number of a run's first sample; with flag INTERNAL its slot",
        "bits": SAMPLE_BITS,
    },
    {
        "name": "count",
        "writable": True,
        "about": "samples of a run, 1 at least",
        "bits": SAMPLE_BITS,
    },
    {
        "name": "run",
        "writable": True,
        "about": "a write begins a run of `count` samples, and clears event `done`; reads as 0",
        "bits": len(RunFlags),
        "command": True,
        "fields": tuple(
            Field(str(flag.name).lower(), flag.bit_length() - 1, 1, meaning)
            for flag, meaning in FLAG_MEANINGS.items()
        ),
    },
    {
        "name": "command",
        "writable": True,
        "about": "a write does what its bits say; reads as 0",
        "bits": 2,
        "command": True,
        "fields": (
            Field("stop", 0, 1, "end the run after the sample in hand"),
            Field("discard", 1, 1, "drop samples that wait; not while a run is on"),
        ),
    },
)

#: What was refused, and the samples that came in.
_SAMPLES: tuple[dict, ...] = (
    {
        "name": "refusal",
        "writable": False,
        "about": "why the last refused access was refused",
        "bits": 4,
        "fields": (
            Field("reason", 0, 3, "what was wrong", Refusal),
            Field("write", 3, 1, "it was a write"),
        ),
    },
    {
        "name": "refused",
        "writable": False,
        "about": "byte address of that access",
    },
    {
        "name": "frames",
        "writable": False,
        "about": "samples that came in",
        "fields": (
            Field("good", 0, _COUNT_BITS, "whole ones; the count wraps"),
            Field("bad", _COUNT_BITS, _COUNT_BITS, "dropped ones; the count wraps"),
        ),
    },
)


def _control(params: "Params", bus: str) -> list[dict]:
    """Control registers, in order."""
    rows: list[dict] = [
        {
            "name": f"id{i}",
            "writable": False,
            "about": f"bytes {4 * i} to {4 * i + 3} of the design's identity, the first in the "
            "low bits",
        }
        for i in range(IDENTITY_BYTES // REGISTER_BYTES)
    ]
    rows += [
        {
            "name": "layout",
            "writable": False,
            "about": "which map this is",
            "bits": 16,
            "reset": _VERSION | MAPPED[bus] << 8,
            "fields": (
                Field("version", 0, 8, f"version of the map, {_VERSION}"),
                Field(
                    "bus", 8, 8, "front end: " + ", ".join(f"{n} {b}" for b, n in MAPPED.items())
                ),
            ),
        },
        {
            "name": "status",
            "writable": False,
            "about": "what the machine does",
            "bits": 3,
            "fields": (
                Field("busy", 0, 1, "a run is on"),
                Field("waiting", 1, 2, "whole samples that wait for a run"),
            ),
        },
        {
            "name": "events",
            "writable": True,
            "about": "what has happened; a write of 1 clears a bit",
            "bits": 3,
            "command": True,
            "fields": _events(""),
        },
        {
            "name": "enable",
            "writable": True,
            "about": "which events raise the interrupt, for as long as they are set",
            "bits": 3,
            "fields": _events("interrupt: "),
        },
        *_RUNS,
        *_SAMPLES,
    ]
    if bus == "axi":
        rows.append({
            "name": "options",
            "writable": True,
            "about": "how samples come in",
            "bits": 1,
            "fields": (
                Field("label_in_user", 0, 1, "a sample's label is `tuser` of its last byte, and "
                "not a byte of its own"),
            ),
        })  # fmt: skip
    return rows


def _events(prefix: str) -> tuple[Field, ...]:
    return (
        Field("done", 0, 1, prefix + "a run has ended"),
        Field("bad_frame", 1, 1, prefix + "a sample of a wrong length was dropped"),
        Field("refused", 2, 1, prefix + "an access was answered by an error"),
    )
