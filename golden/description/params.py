"""The one description of a network and of the machine that trains it.

A :class:`Params` is read from TOML (a named preset or a file), validated as a whole, frozen, and
handed to everything else: the golden model, the RTL, the host. Every width, depth and address
derives from it here; nobody recomputes one.

Layers are numbered from the clamped input (0) to the output (``depth``). Weight layer ``l`` joins
layer ``l`` to layer ``l + 1``.
"""

import hashlib
import json
import tomllib
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from popflip.golden.support.errors import InputError

__all__ = [
    "SECTOR",
    "Dynamics",
    "Learning",
    "Machine",
    "Network",
    "Params",
    "ParamsError",
    "Standalone",
    "Synapses",
    "ceil_div",
    "preset_names",
]

Positive = Annotated[int, Field(ge=1, le=1 << 20)]
Natural = Annotated[int, Field(ge=0, le=1 << 20)]
Side = Annotated[int, Field(ge=1, le=1024)]

#: Bytes that a flash erases at a time.
SECTOR = 4096

# Three bytes each in the golden model: what a computer holds.
_MOST_SYNAPSES = 1 << 28


class ParamsError(InputError):
    """Parameters that describe no machine; the message is one line for the user."""


def ceil_div(a: int, b: int) -> int:
    """Return ``a / b`` rounded up."""
    return -(-a // b)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Network(_Section):
    """Which neurons there are and how they are joined.

    Parameters
    ----------
    image : (int, int)
        Height and width of the input image in pixels, 1 to 1024 each.
    thresholds : tuple of int
        One input bit per pixel and threshold: 1 where the pixel (0 to 255) is above it.
    pixel_bits : {1, 8}
        With 8, neurons of layer 1 see the pixels themselves, as 1/256 of an active bit each, and
        there are no thresholds. Latents and tau of weight layer 0 then count in 1/256 too. In
        software only, with the ``heaviside`` code.
    first : {"dense", "local"}
        Whether a neuron of the first hidden layer sees every input bit or a square window.
    window, stride, features : int
        Side of the window, step of the grid that windows stand on, neurons per window.
        For a local first layer only.
    hidden : tuple of int
        Sizes of the dense hidden layers (behind the local one, if the first layer is local).
    classes, copies : int
        The output has ``classes * copies`` neurons; output ``j`` stands for class ``j // copies``.
    """

    image: tuple[Side, Side] = (28, 28)
    thresholds: Annotated[
        tuple[Annotated[int, Field(ge=0, le=254)], ...], Field(min_length=1, max_length=8)
    ] = (127,)
    pixel_bits: Literal[1, 8] = 1
    first: Literal["dense", "local"] = "dense"
    window: Natural = 0
    stride: Annotated[int, Field(ge=0, le=1024)] = 0
    features: Natural = 0
    hidden: Annotated[tuple[Positive, ...], Field(max_length=6)] = ()
    classes: Annotated[int, Field(ge=2, le=256)] = 10
    copies: Positive = 1

    @model_validator(mode="after")
    def _consistent(self) -> "Network":
        if (
            self.pixel_bits == 8
            and self.thresholds != type(self).model_fields["thresholds"].default
        ):
            raise InputError(
                f"thresholds must be left out for 8-bit pixels, not {list(self.thresholds)}"
            )
        local = {"window": self.window, "stride": self.stride, "features": self.features}
        if self.first == "local":
            for name, value in local.items():
                if value < 1:
                    raise InputError(
                        f"{name} must be at least 1 for a local first layer, not {value}"
                    )
            if self.window > min(self.image):
                raise InputError(
                    f"window must be at most the image's shorter side, {min(self.image)}, "
                    f"not {self.window}"
                )
        else:
            for name, value in local.items():
                if value:
                    raise InputError(
                        f"{name} must be left out for a dense first layer, not {value}"
                    )
            if not self.hidden:
                raise InputError(
                    "hidden must name at least 1 layer for a dense first layer, not ()"
                )
        return self


class Dynamics(_Section):
    """How neurons settle.

    Parameters
    ----------
    code : {"heaviside", "sign"}
        Activations in {0, 1} or in {-1, +1}; the stored bit is 1 for the larger value.
    kind : {"sweeps", "leaky"}
        Block-wise sweeps of stateless hidden neurons, or the paper's synchronous leaky update
        (golden model only).
    free_sweeps : int
        T, sweeps (or synchronous steps) of the free phase.
    gains : tuple of int
        One per weight layer, in units of the potential.
    feedback_gains : tuple of int, optional
        One per weight layer but the first, for the way down; those of ``gains`` if left out.
    potential_bits : int
        Output potentials lie in ``[0, V]``, ``V = 2 ** potential_bits``.
    threshold : int, optional
        Of the hidden neurons. ``V / 2`` for ``heaviside``, 0 for ``sign`` if left out.
    v0 : int
        Potential of every output at the start of a sample, 0 to V.
    active_bound : int, optional
        With at most this many neurons of layer 2 active, a neuron of layer 1 whose drive is
        further from its threshold than their greatest feedback is not visited. A sample that
        exceeds it starts again with twice the bound: it changes cycles, never results. All of layer
        2 if left out; of no use with the ``sign`` code, whose neurons are never silent.
    """

    code: Literal["heaviside", "sign"] = "heaviside"
    kind: Literal["sweeps", "leaky"] = "sweeps"
    free_sweeps: Annotated[int, Field(ge=1, le=255)] = 4
    gains: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=2)]
    feedback_gains: tuple[Annotated[int, Field(ge=1, le=4096)], ...] | None = None
    potential_bits: Annotated[int, Field(ge=2, le=14)] = 8
    threshold: int | None = None
    v0: Natural = 0
    active_bound: Positive | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "Dynamics":
        if self.v0 > self.v_max:
            raise InputError(f"v0 must be 0 to V = {self.v_max}, not {self.v0}")
        if self.threshold is not None and abs(self.threshold) > 1 << 20:
            raise InputError(f"threshold must be -2**20 to 2**20, not {self.threshold}")
        return self

    @property
    def v_max(self) -> int:
        """V, the highest potential of an output."""
        return 1 << self.potential_bits

    @property
    def output_threshold(self) -> int:
        """The potential from which on an output neuron is active."""
        return self.v_max // 2

    @property
    def hidden_threshold(self) -> int:
        """The potential from which on a hidden neuron is active."""
        if self.threshold is not None:
            return self.threshold
        return self.v_max // 2 if self.code == "heaviside" else 0


class Learning(_Section):
    """How contrasts become flips.

    Parameters
    ----------
    nudging : {"centered", "random-sign", "positive"}
        Both signs of beta from the same free state; one, drawn per batch; only plus.
    nudged_sweeps : int
        K, sweeps of each nudged phase.
    beta : int
        Nudge strength: ``nudge = beta * (target * V - v)``.
    latent_bits : int
        Width of a latent accumulator, which saturates at ``-S`` and ``S = 2**(latent_bits-1)-1``.
    tau : tuple of int
        Flip threshold of each weight layer in counts, 1 to S.
    tau_growth : float
        Percent by which tau grows per epoch (rounded to counts, at most S).
    batch : int
        Samples between flips.
    reset_on_flip : bool
        Whether a flip sets its accumulator to 0.
    shift : int
        Training images are moved at random by up to this many pixels in each direction.
    """

    nudging: Literal["centered", "random-sign", "positive"] = "centered"
    nudged_sweeps: Annotated[int, Field(ge=1, le=255)] = 3
    beta: Annotated[int, Field(ge=1, le=256)] = 2
    latent_bits: Annotated[int, Field(ge=2, le=16)] = 8
    tau: Annotated[tuple[Positive, ...], Field(min_length=2)]
    tau_growth: Annotated[float, Field(ge=0, le=100)] = 0.0
    batch: Annotated[int, Field(ge=1, le=65535)] = 1
    reset_on_flip: bool = False
    shift: Annotated[int, Field(ge=0, le=16)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> "Learning":
        for layer, tau in enumerate(self.tau):
            if tau > self.latent_max:
                raise InputError(
                    f"tau[{layer}] must be at most {self.latent_max}, the range of "
                    f"{self.latent_bits}-bit latents, not {tau}"
                )
        return self

    @property
    def latent_max(self) -> int:
        """S, the count at which a latent accumulator saturates."""
        return (1 << (self.latent_bits - 1)) - 1

    def tau_in_epoch(self, epoch: int) -> tuple[int, ...]:
        """Flip thresholds of epoch ``epoch`` (0 is the first), annealed by ``tau_growth``."""
        try:
            growth = (1 + self.tau_growth / 100) ** epoch
        except OverflowError:
            return (self.latent_max,) * len(self.tau)
        return tuple(round(min(self.latent_max, tau * growth)) for tau in self.tau)


class Machine(_Section):
    """How many of each operation the hardware does per cycle.

    Parameters
    ----------
    row_lanes : int
        Bits of a first-layer neuron's row per cycle of the drive engine, 1 to its fan-in.
    neuron_lanes : int
        First-layer neurons side by side in the drive engine, 1 to the neurons that share a
        window (all of layer 1 if it is dense).
    relax_lanes : int
        Bits of a word of the later weight layers per cycle, 1 to the layer above; a narrower
        layer takes what it has.
    serial_windows : bool
        For a local first layer whose rows are one word each. The rows of a window are fetched one
        per cycle, behind one shifter, while the neurons of the window before it are counted; else
        a register and a shifter per row of the window bring the next in one cycle. It costs
        nothing if at least as many words as the window is high are counted for each window.
    output_lanes : int, optional
        Output neurons per cycle, 1 to all of them; if left out, as many as ``relax_lanes`` are of
        them.
    latent_lanes : tuple of int
        Accumulators per cycle of each weight layer's update engine, 1 to the lanes of that
        layer's weight word.
    latent_slice : int, optional
        The first layer's latents lie in memories of so many bits side by side; in one as wide as
        a word if left out. With what a block RAM is wide at that depth, no multiplexer of whole
        words stands behind the block RAMs.
    weight_slice : int, optional
        Weight words lie in memories of so many bits side by side, each of which is written by
        itself; in one as wide as a word if left out.
    shared_update : bool
        One update engine serves all weight layers, with all latents in one memory of single-port
        RAM, for small FPGAs. It takes whole rows, one after the other, and batches of 1:
        ``row_lanes``, ``relax_lanes`` and ``neuron_lanes`` must not cut rows, the entries of
        ``latent_lanes`` be equal, and ``weight_slice`` a multiple of them.
    overlap : bool
        While a sample relaxes and learns, the next one of its batch is driven. For a local first
        layer below the output, the ``heaviside`` code, and rows of later layers that are not cut
        (``relax_lanes``). Neurons of layer 1 are listed together with their weights to the
        output, ``neuron_lanes`` lists side by side, and one of each is visited per cycle.
    training : bool
        Whether the training logic is built; without it the machine only infers.
    uart_divisor : int
        Clock cycles per bit of the host link.
    sample_slots : int
        Samples that the host can load at a time.
    """

    row_lanes: Positive
    neuron_lanes: Positive = 1
    serial_windows: bool = False
    relax_lanes: Positive
    output_lanes: Positive | None = None
    latent_lanes: Annotated[tuple[Positive, ...], Field(min_length=2)]
    latent_slice: Positive | None = None
    weight_slice: Positive | None = None
    shared_update: bool = False
    overlap: bool = False
    training: bool = True
    uart_divisor: Annotated[int, Field(ge=4, le=65535)] = 8
    sample_slots: Annotated[int, Field(ge=1, le=256)] = 16


class Standalone(_Section):
    """How the machine trains by itself, on the data set in its own SPI flash.

    Parameters
    ----------
    flash : {"auto", "none", "single", "dual", "quad"}
        Data lines by which the flash is read. With ``none`` the machine has no reader, and takes
        its samples from a store beside it or from a host. ``auto`` is what a board wires that the
        machine is built for (:meth:`popflip.boards.board.Board.params`), and ``none`` without one.
    flash_divider : int
        Clock cycles per clock of the flash: an even number; or 1, for which the clock's pin needs
        a register of double data rate.
    flash_delay : int
        Registers on the way from the machine to the flash and back, 0 to 3; at least 1 with a
        divider of 1.
    flash_base : int
        Byte address at which the image of the data set begins, a multiple of 8,192.
    record_bytes : int, optional
        Samples lie in the flash without their zero bytes
        (:func:`popflip.golden.description.flash_image.records`), in records of so many bytes, 8 to
        256: what the longest takes. They come faster so. If left out, samples lie there as they
        are.
    order_bits : int
        The image may hold up to ``2 ** order_bits`` training samples, 3 to 20, and as many to test
        with.
    epochs : int
        How often the machine goes through them.
    seed : int
        Decides the initial weights, the order of the samples and their shifts.
    autostart : bool
        Whether training begins as soon as the machine is configured; else with its start button
        or when a host says so.
    """

    flash: Literal["auto", "none", "single", "dual", "quad"] = "auto"
    flash_divider: Annotated[int, Field(ge=1, le=64)] = 2
    flash_delay: Annotated[int, Field(ge=0, le=3)] = 0
    flash_base: Annotated[int, Field(ge=0, lt=1 << 24, multiple_of=2 * SECTOR)] = 1 << 20
    record_bytes: Annotated[int, Field(ge=8, le=256)] | None = None
    order_bits: Annotated[int, Field(ge=3, le=20)] = 16
    epochs: Annotated[int, Field(ge=1, le=65535)] = 20
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1
    autostart: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> "Standalone":
        if self.flash_divider > 1 and self.flash_divider % 2:
            raise InputError(f"flash_divider must be 1 or an even number, not {self.flash_divider}")
        if self.flash_divider == 1 and not self.flash_delay:
            raise InputError("flash_delay must be at least 1 for a flash_divider of 1, not 0")
        return self

    @property
    def lines(self) -> int:
        """Data lines from the flash; 0 if there is none."""
        return {"auto": 0, "none": 0, "single": 1, "dual": 2, "quad": 4}[self.flash]

    @property
    def state(self) -> int:
        """Where the generator of all random choices starts; a mixture of ``seed``, never 0."""
        digest = hashlib.sha256(self.seed.to_bytes(4, "little")).digest()
        return int.from_bytes(digest[:4], "little") or 1


#: Bits of a latent word that the host reads at a time, if it lies in narrower memories: buses to
#: memories all over a device cost wires.
_WIDEST_PART = 256


class Synapses(NamedTuple):
    """Shape and memory layout of one weight layer.

    A *row* is the set of synapses of one neuron: of the upper neuron in layer 0 (its window), of
    the lower neuron in every later layer (one word then serves both directions). A row is cut into
    ``chunks`` words of ``word_bits`` weights, bit 0 first; the last is padded with zeros. Latents
    of a word are cut likewise into ``steps`` words of ``latent_lanes`` accumulators, which lie in
    memories of ``latent_slice`` bits (of all bits if None) side by side. A weight word lies in
    ``slices`` memories of ``slice_bits`` side by side.

    Row ``r`` lies in bank ``bank(r)``; its chunk ``c`` is at weight address ``slot(r) * chunks +
    c``, and step ``s`` of that chunk at latent address ``r * latent_stride + c * steps + s``.
    """

    layer: int
    rows: int
    row_bits: int
    word_bits: int
    banks: int
    block: int
    latent_lanes: int
    latent_bits: int
    latent_slice: int | None = None
    weight_slice: int | None = None
    shared: bool = False

    @property
    def slice_bits(self) -> int:
        """Bits of a weight word in each of its memories; the last may need fewer."""
        return min(self.weight_slice or self.word_bits, self.word_bits)

    @property
    def slices(self) -> int:
        """Memories side by side that hold a weight word."""
        return ceil_div(self.word_bits, self.slice_bits)

    @property
    def part_widths(self) -> list[int]:
        """Bits of each memory of weights: slice by slice, bank by bank."""
        lows = range(0, self.word_bits, self.slice_bits)
        return self.banks * [min(self.slice_bits, self.word_bits - low) for low in lows]

    @property
    def part_bits(self) -> int:
        """Bits of an address in a memory of weights; the host has its number in front of them."""
        return (self.weight_depth - 1).bit_length()

    @property
    def latent_slice_widths(self) -> list[int]:
        """Bits of each memory of latents."""
        width = self.latent_lanes * self.latent_bits
        bits = min(self.latent_slice or width, width)
        return [min(bits, width - low) for low in range(0, width, bits)]

    @property
    def latent_part_slices(self) -> int:
        """Memories of latents that the host reads and writes side by side."""
        return max(1, _WIDEST_PART // self.latent_slice_widths[0])

    @property
    def latent_part_widths(self) -> list[int]:
        """Bits of each part of a latent word, as the host sees it."""
        widths, step = self.latent_slice_widths, self.latent_part_slices
        return [sum(widths[i : i + step]) for i in range(0, len(widths), step)]

    @property
    def latent_part_bits(self) -> int:
        """Bits of an address of a latent word; the host has its part's number in front of them."""
        return (self.latent_depth - 1).bit_length()

    @property
    def chunks(self) -> int:
        """Weight words per row."""
        return ceil_div(self.row_bits, self.word_bits)

    @property
    def groups(self) -> int:
        """Groups of ``banks`` rows in a block of rows that share their input."""
        return ceil_div(self.block, self.banks)

    @property
    def steps(self) -> int:
        """Latent words per weight word."""
        return ceil_div(self.word_bits, self.latent_lanes)

    @property
    def weight_depth(self) -> int:
        """Words in each bank of the weight memory."""
        return self.rows // self.block * self.groups * self.chunks

    @property
    def latent_stride(self) -> int:
        """Latent words from one row to the next.

        Of ``shared`` latents an even power of two, so that an address is a row and a step side by
        side, and every row begins in the same one of two banks.
        """
        words = self.chunks * self.steps
        return 1 << max(1, (words - 1).bit_length()) if self.shared else words

    @property
    def latent_depth(self) -> int:
        """Words in the latent memory."""
        return self.rows * self.latent_stride

    @property
    def row_cycles(self) -> int:
        """Cycles that the update engine takes for a row: of shared latents an even number."""
        words = self.chunks * self.steps
        return words + words % 2 if self.shared else words

    def bank(self, row):
        """Bank that holds ``row``, an int or an array of them."""
        return row % self.block % self.banks

    def slot(self, row):
        """Position of ``row``, an int or an array of them, in its bank, in rows."""
        return row // self.block * self.groups + row % self.block // self.banks


class Params(_Section):
    """A network and its machine, whole and consistent.

    Parameters
    ----------
    name : str
        What reports and files call it: 1 to 64 printable characters, no slash, no dot in front.
    network : Network
    dynamics : Dynamics
    learning : Learning
    machine : Machine
    alone : Standalone

    Raises
    ------
    pydantic.ValidationError
        A ``ValueError``; :meth:`load` and :meth:`build` turn it into a :class:`ParamsError` of
        one line.
    """

    name: str = "unnamed"
    network: Network
    dynamics: Dynamics
    learning: Learning
    machine: Machine
    standalone: Standalone = Standalone()

    # Construction ---------------------------------------------------------------------------

    @classmethod
    def build(cls, tree: dict) -> "Params":
        """Validate a nested dict.

        Raises
        ------
        ParamsError
            With one line that names the parameter and its allowed range.
        """
        try:
            # JSON mode: TOML and JSON know arrays, not tuples.
            return cls.model_validate_json(json.dumps(tree, default=str))
        except ValidationError as error:
            raise ParamsError("; ".join(_complaints(error))) from None

    @classmethod
    def load(cls, source: str | Path) -> "Params":
        """Read a preset by name, or a TOML file by path.

        Raises
        ------
        ParamsError
            If there is no such preset or file, or it is not valid.
        """
        path = Path(source)
        if str(source) in preset_names():
            text = (resources.files("popflip.golden") / "presets" / f"{source}.toml").read_text(
                "utf-8"
            )
        elif path.suffix == ".toml":
            try:
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ParamsError(f"cannot read {path}: {error}") from None
        else:
            raise ParamsError(
                f"preset must be one of {', '.join(preset_names())} or a .toml file, "
                f"not {str(source)!r}"
            )
        try:
            tree = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ParamsError(f"{source} is not valid TOML: {error}") from None
        tree.setdefault("name", path.stem)
        return cls.build(tree)

    def replace(self, **sections: dict | str) -> "Params":
        """Return a copy with some parameters changed, e.g. ``replace(learning={"batch": 16})``."""
        tree = self.model_dump(mode="json")
        for section, changes in sections.items():
            if isinstance(changes, dict):
                tree[section] = {**tree.get(section, {}), **changes}
            else:
                tree[section] = changes
        return type(self).build(tree)

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        name = self.name
        if not 1 <= len(name) <= 64 or not name.isprintable() or "/" in name or name[0] == ".":
            raise InputError(
                "name must be 1 to 64 printable characters, with no slash and no dot in front, "
                f"not {name[:80]!r}"
            )
        wanted = self.depth
        for where, value in (
            ("dynamics.gains", self.dynamics.gains),
            ("learning.tau", self.learning.tau),
            ("machine.latent_lanes", self.machine.latent_lanes),
        ):
            if len(value) != wanted:
                raise InputError(
                    f"{where} must have {wanted} entries, one per weight layer, not {len(value)}"
                )
        if self.network.pixel_bits == 8 and self.dynamics.code != "heaviside":
            raise InputError(
                f"dynamics.code must be 'heaviside' for 8-bit pixels, not {self.dynamics.code!r}"
            )
        feedback = self.dynamics.feedback_gains
        if feedback is not None and len(feedback) != wanted - 1:
            raise InputError(
                f"dynamics.feedback_gains must have {wanted - 1} entries, one per weight layer but "
                f"the first, not {len(feedback)}"
            )
        if self.n_synapses > _MOST_SYNAPSES:
            raise InputError(
                f"network must have at most {_MOST_SYNAPSES:,} synapses, not {self.n_synapses:,}"
            )
        machine = self.machine
        if machine.row_lanes > self.fan_in:
            raise InputError(
                f"machine.row_lanes must be at most the fan-in, {self.fan_in}, "
                f"not {machine.row_lanes}"
            )
        if machine.neuron_lanes > self.block:
            raise InputError(
                f"machine.neuron_lanes must be at most {self.block}, the neurons that share a "
                f"window, not {machine.neuron_lanes}"
            )
        if machine.serial_windows and self.network.first == "dense":
            raise InputError(
                "machine.serial_windows must be false for a dense first layer, not true"
            )
        if machine.serial_windows and machine.row_lanes != self.fan_in:
            raise InputError(
                "machine.serial_windows must be false for rows of more than one word "
                f"(machine.row_lanes {machine.row_lanes}, fan-in {self.fan_in}), not true"
            )
        if machine.output_lanes is not None and machine.output_lanes > self.n_out:
            raise InputError(
                f"machine.output_lanes must be at most the outputs, {self.n_out}, "
                f"not {machine.output_lanes}"
            )
        if machine.relax_lanes > max(self.sizes[2:]):
            raise InputError(
                f"machine.relax_lanes must be at most the widest later layer, "
                f"{max(self.sizes[2:])}, not {machine.relax_lanes}"
            )
        for layer, lanes in enumerate(machine.latent_lanes):
            word = self._word_bits(layer)
            if lanes > word:
                raise InputError(
                    f"machine.latent_lanes[{layer}] must be at most the weight word, {word}, "
                    f"not {lanes}"
                )
        self._check_shared_update()
        self._check_overlap()
        if self.standalone.record_bytes and self.sample_bytes < 24:
            raise InputError(
                "standalone.record_bytes must be left out for samples of less than 24 bytes, which "
                f"these have: {self.sample_bytes}"
            )
        if self.learning.shift and self.learning.shift >= min(self.network.image):
            raise InputError(
                f"learning.shift must be less than the image's shorter side, "
                f"{min(self.network.image)}, not {self.learning.shift}"
            )
        bound = self.dynamics.active_bound
        if bound is not None and bound > self.sizes[2]:
            raise InputError(
                f"dynamics.active_bound must be at most layer 2, {self.sizes[2]}, not {bound}"
            )
        return self

    def _check_shared_update(self) -> None:
        """Raise ValueError if one update engine cannot serve all layers."""
        machine, learning = self.machine, self.learning
        if not machine.shared_update:
            return
        widest = max(self.sizes[2:])
        for name, value, wanted in (
            ("machine.row_lanes", machine.row_lanes, self.fan_in),
            ("machine.neuron_lanes", machine.neuron_lanes, 1),
            ("machine.relax_lanes", machine.relax_lanes, widest),
            ("learning.batch", learning.batch, 1),
            ("learning.reset_on_flip", learning.reset_on_flip, False),
        ):
            if value != wanted:
                raise InputError(
                    f"{name} must be {str(wanted).lower()} with machine.shared_update, "
                    f"not {str(value).lower()}"
                )
        if len(set(machine.latent_lanes)) > 1:
            raise InputError(
                "machine.latent_lanes must be equal with machine.shared_update, "
                f"not {list(machine.latent_lanes)}"
            )
        lanes = machine.latent_lanes[0]
        if machine.weight_slice is None or machine.weight_slice % lanes:
            raise InputError(
                f"machine.weight_slice must be a multiple of latent_lanes, {lanes}, with "
                f"machine.shared_update, not {machine.weight_slice}"
            )

    def _check_overlap(self) -> None:
        """Raise ValueError if a machine cannot drive the next sample beside the present one."""
        if not self.machine.overlap:
            return
        for name, value, wanted in (
            ("network.first", self.network.first, "local"),
            ("network.hidden", list(self.network.hidden), []),
            ("dynamics.code", self.dynamics.code, "heaviside"),
            ("machine.serial_windows", self.machine.serial_windows, False),
            ("machine.relax_lanes", self.machine.relax_lanes, self.n_out),
            ("machine.shared_update", self.machine.shared_update, False),
        ):
            if value != wanted:
                raise InputError(
                    f"{name} must be {json.dumps(wanted)} with machine.overlap, "
                    f"not {json.dumps(value)}"
                )

    # Shape ----------------------------------------------------------------------------------

    @property
    def planes(self) -> int:
        """Input bits per pixel."""
        return len(self.network.thresholds)

    @property
    def n_in(self) -> int:
        """Input bits; bit ``pixel * planes + plane``, pixels row by row. Or 8-bit pixels."""
        height, width = self.network.image
        return height * width * self.planes

    @cached_property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of window positions; (1, 1) for a dense first layer."""
        net = self.network
        if net.first == "dense":
            return 1, 1
        height, width = net.image
        return (height - net.window) // net.stride + 1, (width - net.window) // net.stride + 1

    @property
    def positions(self) -> int:
        """Window positions, row by row."""
        return self.grid[0] * self.grid[1]

    @property
    def block(self) -> int:
        """Neurons of layer 1 that share one window: neuron ``position * block + feature``."""
        return self.network.hidden[0] if self.network.first == "dense" else self.network.features

    @property
    def fan_in(self) -> int:
        """Input bits that a neuron of layer 1 sees."""
        if self.network.first == "dense":
            return self.n_in
        return self.network.window**2 * self.planes

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, from the input to the output."""
        first = () if self.network.first == "dense" else (self.positions * self.block,)
        return (self.n_in, *first, *self.network.hidden, self.n_out)

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return self.network.classes * self.network.copies

    @cached_property
    def depth(self) -> int:
        """L: weight layers, and the number of the output layer."""
        return len(self.sizes) - 1

    # Memory layout --------------------------------------------------------------------------

    def _word_bits(self, layer: int) -> int:
        if layer == 0:
            return self.machine.row_lanes
        return min(self.machine.relax_lanes, self.sizes[layer + 1])

    @property
    def output_lanes(self) -> int:
        """Output neurons that are updated per cycle."""
        return self.machine.output_lanes or self._word_bits(self.depth - 1)

    @property
    def output_chunks(self) -> int:
        """Cycles that an update of the outputs is issued in."""
        return ceil_div(self.n_out, self.output_lanes)

    def synapses(self, layer: int) -> Synapses:
        """Shape and layout of weight layer ``layer``."""
        first = layer == 0
        rows = self.sizes[1] if first else self.sizes[layer]
        # An overlapping machine has both layers' weights of a neuron at the same place.
        banked = first or self.machine.overlap
        return Synapses(
            layer=layer,
            rows=rows,
            row_bits=self.fan_in if first else self.sizes[layer + 1],
            word_bits=self._word_bits(layer),
            banks=self.machine.neuron_lanes if banked else 1,
            block=self.block if banked else rows,
            latent_lanes=self.machine.latent_lanes[layer],
            latent_bits=self.learning.latent_bits,
            latent_slice=self.machine.latent_slice if first else None,
            weight_slice=self.machine.weight_slice,
            shared=self.machine.shared_update,
        )

    @cached_property
    def n_synapses(self) -> int:
        """Synapses of the network."""
        return sum(s.rows * s.row_bits for s in map(self.synapses, range(self.depth)))

    @property
    def sample_words(self) -> int:
        """Words of a stored sample: an image row each, or a chunk of a dense layer's row."""
        if self.network.first == "local":
            return self.network.image[0]
        return ceil_div(self.n_in, self.machine.row_lanes)

    @property
    def sample_word_bits(self) -> int:
        """Bits of a word of a stored sample."""
        if self.network.first == "local":
            return self.network.image[1] * self.planes
        return self.machine.row_lanes

    @property
    def sample_bytes(self) -> int:
        """Bytes of a stored sample: each word padded to whole bytes, then the label."""
        return self.sample_words * ceil_div(self.sample_word_bits, 8) + 1

    def feedback_gain(self, layer: int) -> int:
        """Gain of what hidden layer ``layer`` receives from the layer above it."""
        d = self.dynamics
        return (d.feedback_gains or d.gains[1:])[layer - 1]

    # Bounds that widths follow from -----------------------------------------------------------

    @property
    def awake(self) -> bool:
        """Whether layer 2 is the output and all of it is active before the first sweep."""
        return self.depth == 2 and self.dynamics.v0 >= self.dynamics.output_threshold

    @cached_property
    def active_bounds(self) -> tuple[int, ...]:
        """Neurons of layer 2 that may be active in each attempt at a sample, ascending.

        Each is twice the one before, the last all of layer 2.
        """
        d, bounds = self.dynamics, []
        if d.active_bound is not None and d.code == "heaviside" and not self.awake:
            bound = d.active_bound
            while bound < self.sizes[2]:
                bounds.append(bound)
                bound *= 2
        return (*bounds, self.sizes[2])

    @cached_property
    def margin_bound(self) -> int:
        """Greatest magnitude of any hidden neuron's potential minus its threshold."""
        gains = self.dynamics.gains
        feedback = [self.feedback_gain(l) for l in range(1, self.depth)]
        fans = (self.fan_in, *self.sizes[1:])
        drives = [
            gains[l] * fans[l] + feedback[l] * self.sizes[l + 2] for l in range(self.depth - 1)
        ]
        return max(drives) + abs(self.dynamics.hidden_threshold)

    @property
    def digest(self) -> str:
        """Hexadecimal digest of everything but the name."""
        tree = self.model_dump(mode="json", exclude={"name"})
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def preset_names() -> list[str]:
    """Names that :meth:`Params.load` knows, sorted."""
    folder = resources.files("popflip.golden") / "presets"
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def _complaints(error: ValidationError) -> list[str]:
    """Clauses of a one-line error."""
    items = error.errors()
    # An array of which an entry is wrong is called too short besides.
    wrong_entry = {item["loc"][:-1] for item in items}
    return [
        _complaint(item)
        for item in items
        if item["type"] != "too_short" or item["loc"] not in wrong_entry
    ]


def _complaint(item) -> str:
    """One clause of a one-line error from an entry of ``ValidationError.errors()``."""
    where = ".".join(str(part) for part in item["loc"])
    text = item["msg"].removeprefix("Value error, ")
    if item["type"] == "value_error":
        return f"{where}: {text}" if where else text
    if item["type"] == "missing":
        return f"{where} is missing"
    if item["type"] == "extra_forbidden":
        return f"{where} is not a parameter"
    if item["type"] in ("too_short", "too_long"):
        too_short = item["type"] == "too_short"
        bound = item["ctx"]["min_length" if too_short else "max_length"]
        entries = "entry" if bound == 1 else "entries"
        return (
            f"{where} must have at {'least' if too_short else 'most'} {bound} {entries}, "
            f"not {item['ctx']['actual_length']}"
        )
    text = (
        text
        .replace("Input should be ", "must be ")
        .replace("greater than or equal to", "at least")
        .replace("less than or equal to", "at most")
    )
    return f"{where} {text}, not {item['input']!r}"
