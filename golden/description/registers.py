"""The registers that the host writes and reads: region ``registers``, 32-bit words.

:class:`RegisterMap` is their list. A register that holds several things has named fields::

    standalone = params.registers["standalone"]
    standalone["epochs"].low                 # its lowest bit, for hardware
    standalone.decode(word)["state"]         # StandaloneState.TRAINING, for a host
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from popflip.golden.description.named import Meanings, Table
from popflip.golden.description.renamed import REGISTERS

if TYPE_CHECKING:
    from popflip.golden.description.params import Params

__all__ = [
    "BATCH_BITS",
    "COUNTER_WORDS",
    "EPOCH_BITS",
    "REGISTER_BITS",
    "REGISTER_BYTES",
    "Counter",
    "Field",
    "Register",
    "RegisterMap",
    "StandaloneState",
]

#: Bits of a register.
REGISTER_BITS = 32

#: Bytes of a register.
REGISTER_BYTES = REGISTER_BITS // 8

#: Registers that a counter takes, the low word first.
COUNTER_WORDS = 2

#: Bits of a number of samples in a batch.
BATCH_BITS = 16

#: Bits of a number of epochs.
EPOCH_BITS = 16


class StandaloneState(Meanings):
    """What a standalone machine does: field ``state`` of register ``standalone``."""

    IDLE = 0, "nothing: it was not started, or it was stopped"
    PREPARING = 1, "it writes the initial network"
    TRAINING = 2, "it learns"
    TESTING = 3, "it predicts the test samples"
    DONE = 4, "all epochs are complete"
    NO_IMAGE = 5, "it was started, but its flash holds no data set for this network"


class Field(NamedTuple):
    """Some bits of a register.

    Attributes
    ----------
    name : str
    low : int
        Number of the lowest of them.
    bits : int
    meaning : str
    values : type of Meanings, optional
        What its values are called.
    """

    name: str
    low: int
    bits: int
    meaning: str
    values: type[Meanings] | None = None

    @property
    def place(self) -> str:
        """Its bits in words."""
        high = self.low + self.bits - 1
        return f"bits {self.low} to {high}" if self.bits > 1 else f"bit {self.low}"

    @property
    def mask(self) -> int:
        """A register with ones in this field and zeros elsewhere."""
        return (1 << self.bits) - 1 << self.low

    def get(self, word: int) -> int:
        """Value of the field in a register.

        Raises
        ------
        ValueError
            If its values have names and this is none of them.
        """
        value = (int(word) & self.mask) >> self.low
        return self.values(value) if self.values else value

    def put(self, value: int) -> int:
        """Register with this value in the field and zeros elsewhere.

        Raises
        ------
        ValueError
            If it does not fit.
        """
        if not 0 <= value < 1 << self.bits:
            raise ValueError(f"{self.name} must be 0 to {(1 << self.bits) - 1}, not {value}")
        return int(value) << self.low


@dataclass(frozen=True)
class Register:
    """One 32-bit word of region ``registers``.

    Attributes
    ----------
    name : str
    index : int
        Its address.
    writable : bool
    about : str
        What it holds, without its fields.
    bits : int
        Bits that there are; those above read as 0.
    reset : int
        What it holds after the machine is configured.
    command : bool
        A write does something and is not kept: what is read is not what was written.
    fields : tuple of Field
        What it holds, if that is more than one number.
    """

    name: str
    index: int
    writable: bool
    about: str
    bits: int = REGISTER_BITS
    reset: int = 0
    command: bool = False
    fields: tuple[Field, ...] = ()

    @property
    def meaning(self) -> str:
        """What it holds, with its fields."""
        return "; ".join([
            self.about,
            *(f"{field.place}: {field.meaning}" for field in self.fields),
        ])

    def __getitem__(self, name: str) -> Field:
        """Field of this name."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"register {self.name} has no field {name!r}")

    def decode(self, word: int) -> dict[str, int]:
        """Values of the fields in a word, by name."""
        return {field.name: field.get(word) for field in self.fields}

    def encode(self, **values: int) -> int:
        """Word that holds these values of its fields, and zeros in the others."""
        return sum(self[name].put(value) for name, value in values.items())


class Counter(NamedTuple):
    """A counter of 64 bits: registers ``<name>_lo`` and ``<name>_hi``.

    Attributes
    ----------
    name : str
    index : int
        Address of its low word; the high word follows.
    meaning : str
        What it counts.
    """

    name: str
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody calls
    meaning: str


class _Counters(Table[Counter]):
    kind = "counter"


class RegisterMap(Table[Register]):
    """Registers in order of their address: ``registers["batch"].index``.

    A counter takes two words, ``<name>_lo`` and ``<name>_hi``; read during a run, its halves may be
    of two moments. Counters come last. They count from reset or from a write of any value to
    ``clear``. A write of ``batch`` sets ``pending`` to 0. A shared update engine knows batches of 1
    only: there ``batch`` and ``options`` are what they are.

    Parameters
    ----------
    params : Params

    Attributes
    ----------
    counters : Table of Counter
        In the order of their registers: ``registers.counters["samples"]``.
    """

    kind = "register"

    def __init__(self, params: "Params"):
        rows = _settings(params) + _state(params)
        registers = [Register(index=i, **row) for i, row in enumerate(rows)]
        counters = []
        for name, text in _counter_meanings(params.depth).items():
            index = len(registers)
            counters.append(Counter(name, index, text))
            registers += [
                Register(f"{name}_lo", index, False, text + ", low word"),
                Register(f"{name}_hi", index + 1, False, "high word"),
            ]
        super().__init__(registers, REGISTERS)
        self.counters = _Counters(counters)

    def tau(self, layer: int) -> Register:
        """Register of the flip threshold of weight layer ``layer``."""
        return self[_tau(layer)]

    def flips(self, layer: int) -> Counter:
        """Counter of the flips of weight layer ``layer``."""
        return self.counters[_flips(layer)]

    def decode(self, words: Sequence[int]) -> dict[str, int]:
        """Name the words of the region; the two of a counter make one value.

        Parameters
        ----------
        words : sequence of int
            The whole region, in order.

        Returns
        -------
        dict
            From the name of a register or counter to its value.
        """
        first = self.counters[0].index
        values = {register.name: words[register.index] for register in self[:first]}
        for counter in self.counters:
            low, high = words[counter.index : counter.index + COUNTER_WORDS]
            values[counter.name] = low | high << REGISTER_BITS
        return values


def _tau(layer: int) -> str:
    return f"tau{layer}"


def _flips(layer: int) -> str:
    return f"flips{layer}"


def _settings(params: "Params") -> list[dict]:
    """Registers that the host writes, in order; all but the first two in any machine."""
    learning, shared = params.learning, params.machine.shared_update
    reset_on_flip = Field("reset_on_flip", 0, 1, "a flip sets its accumulator to 0")
    rows = [
        {
            "name": "batch",
            "writable": not shared,
            "about": "samples between flips",
            "bits": BATCH_BITS,
            "reset": learning.batch,
        },
        {
            "name": "options",
            "writable": not shared,
            "about": "how it learns",
            "bits": 1,
            "reset": reset_on_flip.put(learning.reset_on_flip),
            "fields": (reset_on_flip,),
        },
        {
            "name": "seed",
            "writable": True,
            "about": "state of the generator of nudge signs, not 0",
            "reset": 1,
        },
        {
            "name": "clear",
            "writable": True,
            "about": "a write sets all counters to 0",
            "bits": 0,
            "command": True,
        },
    ]
    for layer, tau in enumerate(learning.tau):
        rows.append({
            "name": _tau(layer),
            "writable": True,
            "about": f"flip threshold of weight layer {layer}, in counts",
            "bits": learning.latent_bits_of(layer) - 1,
            "reset": tau,
        })
    if params.standalone.lines:
        state_bits = max(StandaloneState).bit_length()
        rows.append({
            "name": "standalone",
            "writable": True,
            "about": "standalone training: a write starts it",
            "command": True,
            "fields": (
                Field("state", 0, state_bits, "what it is doing", StandaloneState),
                Field("epochs", 16, EPOCH_BITS, "complete epochs"),
            ),
        })
    return rows


def _state(params: "Params") -> list[dict]:
    """Registers that the host only reads, but counters."""
    return [
        {
            "name": "prediction",
            "writable": False,
            "about": "class predicted for the last sample",
            "bits": (params.network.classes - 1).bit_length(),
        },
        {
            "name": "pending",
            "writable": False,
            "about": "samples of a batch that has not flipped yet",
            "bits": BATCH_BITS,
        },
    ]


def _counter_meanings(depth: int) -> dict[str, str]:
    """Counters in the order of their registers, and what each counts."""
    return {
        "samples": "samples finished",
        "correct": "samples whose prediction was their label",
        "changed": "neurons of layer 1 whose two nudged states differed",
        "restarts": "how often a sample exceeded its active bound and began again",
        **{_flips(l): f"weights of layer {l} flipped" for l in range(depth)},
        "cycles_drive": "cycles spent on the input product",
        "cycles_free": "cycles spent in the free phase",
        "cycles_nudged": "cycles spent in the nudged phases",
        "cycles_update": "cycles spent on latents and flips",
        "cycles_wait": "cycles spent waiting for a sample",
    }
