"""The one description of a network and of the machine that trains it.

A :class:`Params` is read from TOML (a named preset or a file), validated as a whole, frozen, and
handed to everything else: the golden model, the RTL, the host. Every width, depth and address
derives from it here; nobody recomputes one.

Layers are numbered from the clamped input (0) to the output (``depth``). Weight layer ``l`` joins
layer ``l`` to layer ``l + 1``.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path

from pydantic import (
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from popflip.golden.description.first_layer import FirstLayer
from popflip.golden.description.layout import MemoryMap, Synapses
from popflip.golden.description.presets import read_tree
from popflip.golden.description.registers import RegisterMap
from popflip.golden.description.renamed import with_current_keys
from popflip.golden.description.sections.common import ParamsError, Section
from popflip.golden.description.sections.data import Data
from popflip.golden.description.sections.dynamics import Dynamics
from popflip.golden.description.sections.learning import Learning
from popflip.golden.description.sections.machine import Machine, default_lanes, word_bits
from popflip.golden.description.sections.network import Network
from popflip.golden.description.sections.standalone import Standalone
from popflip.golden.support.errors import InputError
from popflip.golden.support.integers import ceil_div

__all__ = ["Params", "ParamsError"]

# Three bytes each in the golden model: what a computer holds.
_MOST_SYNAPSES = 1 << 28

# Shorter samples gain nothing from records, whose reader looks ahead.
_LEAST_RECORDED = 24


class Params(Section):
    """A network and its machine, whole and consistent.

    Parameters
    ----------
    name : str
        What reports and files call it: 1 to 64 printable characters, no slash, no dot in front.
    network : Network
    dynamics : Dynamics
    learning : Learning
    machine : Machine
    standalone : Standalone
    data : Data
        Of no concern to the machine, which sees the bits that come of it.

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
    data: Data = Data()

    # Construction ---------------------------------------------------------------------------

    @classmethod
    def build(cls, tree: dict) -> "Params":
        """Validate a nested dict.

        Lanes that section ``machine`` leaves out follow from the network
        (:func:`popflip.golden.description.sections.machine.default_lanes`).

        Raises
        ------
        ParamsError
            With one line that names the parameter and its allowed range.
        """
        tree, derived = _with_lanes(with_current_keys(tree))
        try:
            params = cls.model_validate_json(_json(tree))
        except ValidationError as error:
            raise ParamsError("; ".join(_complaints(error))) from None
        params.__dict__["derived_lanes"] = derived
        return params

    @cached_property
    def derived_lanes(self) -> frozenset[str]:
        """Keys of ``machine`` that nobody gave: :meth:`replace` derives them anew."""
        return frozenset()  # what was not built from a tree was given everything

    @classmethod
    def load(cls, source: str | Path) -> "Params":
        """Read a preset by name, or a TOML file by path.

        Raises
        ------
        ParamsError
            If there is no such preset or file, or it is not valid.
        """
        tree = read_tree(source)
        tree.setdefault("name", Path(source).stem)
        return cls.build(tree)

    def replace(self, **sections: dict | str) -> "Params":
        """Return a copy with some parameters changed, e.g. ``replace(learning={"batch": 16})``."""
        tree = self.model_dump(mode="json")
        for key in self.derived_lanes:
            del tree["machine"][key]
        for section, changes in with_current_keys(sections).items():
            if isinstance(changes, dict):
                tree[section] = {**tree.get(section, {}), **changes}
            else:
                tree[section] = changes
        return type(self).build(tree)

    @model_serializer(mode="wrap")
    def _serialized(self, handler: SerializerFunctionWrapHandler) -> dict:
        """Leave out a section ``data`` that says nothing, as older readers and digests do."""
        tree = handler(self)
        if self.data == Data():
            tree.pop("data", None)
        return tree

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        self._check_name()
        self._check_layers()
        self._check_lanes()
        self._check_shared_update()
        self._check_overlap()
        self._check_samples()
        return self

    def _check_name(self) -> None:
        """Raise ValueError if the name makes no file."""
        name = self.name
        if not 1 <= len(name) <= 64 or not name.isprintable() or "/" in name or name[0] == ".":
            raise InputError(
                "name must be 1 to 64 printable characters, with no slash and no dot in front, "
                f"not {name[:80]!r}"
            )

    def _check_layers(self) -> None:
        """Raise ValueError if other sections do not fit the network's layers."""
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
        bound = self.dynamics.active_bound
        if bound is not None and bound > self.sizes[2]:
            raise InputError(
                f"dynamics.active_bound must be at most layer 2, {self.sizes[2]}, not {bound}"
            )

    def _check_lanes(self) -> None:
        """Raise ValueError if there are more lanes than work for them."""
        machine, widest = self.machine, self.network.widest_later
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
        self._check_pool_lanes()
        self._check_mask_words()
        if machine.serial_windows and not self.first_layer.can_fetch_serially:
            raise InputError(
                f"machine.serial_windows must be false for a {self.first_layer.kind} first layer, "
                "not true"
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
        if machine.relax_lanes > widest:
            raise InputError(
                f"machine.relax_lanes must be at most the widest later layer, {widest}, "
                f"not {machine.relax_lanes}"
            )
        for layer, lanes in enumerate(machine.latent_lanes):
            word = self._word_bits(layer)
            if lanes > word:
                raise InputError(
                    f"machine.latent_lanes[{layer}] must be at most the weight word, {word}, "
                    f"not {lanes}"
                )

    def _check_pool_lanes(self) -> None:
        """Raise ValueError if a machine cannot look at so many windows at a time."""
        lanes, first = self.machine.pool_lanes, self.first_layer
        allowed = sorted({1} if self.machine.serial_windows else {1, first.pool[1], first.offsets})
        if lanes not in allowed:
            raise InputError(
                f"machine.pool_lanes must be {' or '.join(map(str, allowed))} "
                f"{'with machine.serial_windows' if self.machine.serial_windows else 'here'}, "
                f"not {lanes}"
            )

    def _check_mask_words(self) -> None:
        """Raise ValueError if there are no pixels that popcounts of their own would count."""
        for there, what in (
            (self.first_layer.pooled, "without pooling (network.pool)"),
            (not self.machine.serial_windows, "with machine.serial_windows"),
            (self.dynamics.code == "heaviside", "with dynamics.code sign"),
        ):
            if self.machine.mask_words and not there:
                raise InputError(f"machine.mask_words must be false {what}, not true")

    def _check_samples(self) -> None:
        """Raise ValueError if samples cannot be stored or shifted as is asked."""
        if self.standalone.record_bytes and self.sample_bytes < _LEAST_RECORDED:
            raise InputError(
                f"standalone.record_bytes must be left out for samples of less than "
                f"{_LEAST_RECORDED} bytes, which these have: {self.sample_bytes}"
            )
        if self.learning.shift and self.learning.shift >= min(self.network.image):
            raise InputError(
                f"learning.shift must be less than the image's shorter side, "
                f"{min(self.network.image)}, not {self.learning.shift}"
            )

    def _check_shared_update(self) -> None:
        """Raise ValueError if one update engine cannot serve all layers."""
        machine, learning = self.machine, self.learning
        if not machine.shared_update:
            return
        widest = self.network.widest_later
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
        if not self.first_layer.can_overlap:
            raise InputError(
                f'network.first must be "local" with machine.overlap, not "{self.network.first}"'
            )
        for name, value, wanted in (
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
    def first_layer(self) -> FirstLayer:
        """Which input bits the neurons of layer 1 see, and which rows of weights they use."""
        return self.network.first_layer

    @property
    def planes(self) -> int:
        """Input bits per pixel."""
        return self.network.planes

    @property
    def n_in(self) -> int:
        """Input bits; bit ``pixel * planes + plane``, pixels row by row. Or 8-bit pixels."""
        return self.first_layer.n_in

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of window positions; (1, 1) for a dense first layer."""
        return self.first_layer.grid

    @property
    def positions(self) -> int:
        """Window positions, row by row."""
        return self.first_layer.positions

    @property
    def block(self) -> int:
        """Neurons of layer 1 that share one window: neuron ``position * block + feature``."""
        return self.first_layer.block

    @property
    def fan_in(self) -> int:
        """Input bits that a neuron of layer 1 sees."""
        return self.first_layer.fan_in

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons of each layer, from the input to the output."""
        return self.network.sizes

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return self.network.n_out

    @property
    def depth(self) -> int:
        """L: weight layers, and the number of the output layer."""
        return self.network.depth

    # Memory layout --------------------------------------------------------------------------

    def _word_bits(self, layer: int) -> int:
        machine = self.machine
        return word_bits(self.sizes, machine.row_lanes, machine.relax_lanes, layer)

    @property
    def grouped(self) -> bool:
        """Whether ``neuron_lanes`` neurons of layer 1 leave the drive, and settle, side by side."""
        return self.machine.overlap or self.dynamics.leaky

    @property
    def neuron_groups(self) -> int:
        """Groups of ``neuron_lanes`` neurons of layer 1 that are driven side by side."""
        return self.positions * self.synapses(0).groups

    @property
    def immediate(self) -> bool:
        """Whether a row whose batch is one sample may be tested for flips as it learns.

        Not if its sample may name it again: flips come behind the last contrast.
        """
        return not self.first_layer.shared

    @property
    def looks(self) -> int:
        """How often a neuron of layer 1 looks at windows, ``pool_lanes`` of them at a time.

        With serial windows those outside of the image are passed over.
        """
        return self.first_layer.offsets // self.machine.pool_lanes

    @property
    def look_words(self) -> int:
        """Words that a look of a position takes: its neurons', and those that count pixels."""
        shape = self.synapses(0)
        return (shape.groups + self.machine.mask_words) * shape.chunks

    @property
    def load_rows(self) -> int:
        """Image rows that are fetched before the first window is looked at."""
        first = self.first_layer
        return first.kernel[0] if self.machine.serial_windows else first.load_rows

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
        rows = self.first_layer.rows if first else self.sizes[layer]
        # A machine that keeps layer 1 in groups has both layers' weights of a neuron at the same
        # place.
        banked = first or (layer == 1 and self.grouped)
        banks, block = (self.machine.neuron_lanes, self.block) if banked else (1, rows)
        if layer > 1 and self.dynamics.leaky:
            banks = min(self.machine.neuron_lanes, rows)
        return Synapses(
            layer=layer,
            rows=rows,
            row_bits=self.fan_in if first else self.sizes[layer + 1],
            word_bits=self._word_bits(layer),
            banks=banks,
            block=block,
            latent_lanes=self.machine.latent_lanes[layer],
            latent_bits=self.learning.latent_bits_of(layer),
            latent_slice=self.machine.latent_slice if first else None,
            weight_slice=self.machine.weight_slice,
            shared=self.machine.shared_update,
            repeats=first and self.first_layer.shared,
        )

    @cached_property
    def n_synapses(self) -> int:
        """Synapses of the network."""
        return sum(s.rows * s.row_bits for s in map(self.synapses, range(self.depth)))

    @cached_property
    def memory_bits(self) -> int:
        """Bits of all weights, and of all latents if the machine learns."""
        latents = self.machine.training
        shapes = map(self.synapses, range(self.depth))
        return sum(s.rows * s.row_bits * (1 + latents * s.latent_bits) for s in shapes)

    @cached_property
    def registers(self) -> RegisterMap:
        """Registers that the host writes and reads."""
        return RegisterMap(self)

    @cached_property
    def regions(self) -> MemoryMap:
        """Memories that the host writes and reads."""
        return MemoryMap(self)

    @property
    def sample_words(self) -> int:
        """Words of a stored sample: an image row each, or a chunk of a dense layer's row."""
        return self.first_layer.sample_shape(self.machine.row_lanes)[0]

    @property
    def sample_word_bits(self) -> int:
        """Bits of a word of a stored sample."""
        return self.first_layer.sample_shape(self.machine.row_lanes)[1]

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
        skips = d.code == "heaviside" and not d.leaky and not self.awake
        if d.active_bound is not None and skips:
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
        """Hexadecimal digest of everything that the machine is made from: not name and data."""
        tree = self.model_dump(mode="json", exclude={"name", "data"})
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def _json(tree) -> str:
    """Write a tree as JSON, for pydantic's JSON mode: TOML and JSON know arrays, not tuples."""
    return json.dumps(tree, default=str)


def _with_lanes(tree):
    """Add the lanes that a tree leaves out; return it, and which keys of ``machine`` they are."""
    if not isinstance(tree, dict) or not isinstance(tree.get("machine", {}), dict):
        return tree, frozenset()
    given = tree.get("machine", {})
    try:
        network = Network.model_validate_json(_json(tree.get("network")))
    except ValidationError:
        # What is wrong with the network will be said, and nothing that follows from it.
        lanes = {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]}
        lanes = {key: value for key, value in lanes.items() if key not in given}
    else:
        lanes = default_lanes(network, given)
    return {**tree, "machine": {**given, **lanes}}, frozenset(lanes)


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


#: What the library that checks types says, and what a reader of a TOML file knows.
_WORDS = {
    "Input should be ": "must be ",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "a valid array": "a list",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "an object": "a section",
}


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
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    return f"{where} {text}, not {item['input']!r}"
