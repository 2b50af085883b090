"""The memories of one weight layer, and the signatures of their ports."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import Synapses

__all__ = [
    "ReadSignature",
    "SharedLatents",
    "SynapseMemory",
    "WriteSignature",
    "hint",
    "latent_ports",
    "shared_latent_address",
    "shared_latent_bits",
    "synapse_ports",
]


def hint(depth: int) -> dict[str, int]:
    """Attributes of a memory that is not one of a layer's large ones.

    Up to 256 words are ``shallow``: better in look-up tables, where they can be, than in a block
    RAM that they would not fill.
    """
    return {"shallow": 1} if depth <= 256 else {}


class ReadSignature(wiring.Signature):
    """A synchronous read port, from its user's side.

    Parameters
    ----------
    depth, width : int
        Words, and bits per word of one bank.
    banks : int
        Banks side by side in ``data``, bank 0 in the low bits, at one address.

    Members
    -------
    en : ``Out(banks)``
        Which banks read.
    address : ``Out(range(depth))``
    data : ``In(banks * width)``
        Valid one cycle after ``en``, and held until the bank reads again.
    """

    def __init__(self, depth: int, width: int, banks: int = 1):
        super().__init__({
            "en": Out(banks),
            "address": Out(range(depth)),
            "data": In(banks * width),
        })


class WriteSignature(wiring.Signature):
    """A write port, from its user's side.

    Parameters
    ----------
    depth, width : int
        Words, and bits per word of one bank.
    banks : int
        Banks side by side in ``data``, bank 0 in the low bits, at one address.
    slices : int
        Parts of a bank's word, low bits first, that are written each by itself.

    Members
    -------
    en : ``Out(banks * slices)``
        Which slices of which banks are written, those of bank 0 in the low bits.
    address : ``Out(range(depth))``
    data : ``Out(banks * width)``
    """

    def __init__(self, depth: int, width: int, banks: int = 1, slices: int = 1):
        super().__init__({
            "en": Out(banks * slices),
            "address": Out(range(depth)),
            "data": Out(banks * width),
        })


def latent_ports(shape: Synapses) -> dict[str, wiring.Signature]:
    """Signatures of the ports of a weight layer's own latents by name, from their user's side."""
    latents = shape.latent_depth, shape.latent_lanes * shape.latent_bits
    return {
        "latent_read": ReadSignature(*latents),
        "latent_write": WriteSignature(*latents, slices=len(shape.latent_part_widths)),
    }


def synapse_ports(shape: Synapses, training: bool = True) -> dict[str, wiring.Signature]:
    """Signatures of a weight layer's ports by name, from their user's side."""
    weights = shape.weight_depth, shape.word_bits, shape.banks
    ports = {
        "weight_read": ReadSignature(*weights),
        "weight_write": WriteSignature(*weights, shape.slices),
    }
    return ports | latent_ports(shape) if training and not shape.shared else ports


class SynapseMemory(wiring.Component):
    """Weights of one layer and, if it trains, their latent accumulators; all 0 at the start.

    The layout is that of :class:`~popflip.golden.description.layout.Synapses`, so that a word is
    one word of the regions of :mod:`popflip.golden.description.packing`. Data follow the read
    enable by one cycle; what is written in one cycle can be read in the next.

    In no cycle may a bank be read and written at one address: what such a read returns depends on
    the block RAM. (An ``Assert`` would end up in the generated Verilog; the tests watch the ports
    instead.) Two banks are independent in this, which is why they have a read enable each: rows
    of one block lie at the same address in different banks.

    Parameters
    ----------
    shape : Synapses
    training : bool
        Whether there are latents. Shared ones are in :class:`SharedLatents`.

    Members
    -------
    weight_read, weight_write : ``In(ReadSignature)``, ``In(WriteSignature)``
        Banks side by side, with an enable each.
    latent_read, latent_write : ``In(ReadSignature)``, ``In(WriteSignature)``
        Only if ``training``.
    """

    def __init__(self, shape: Synapses, training: bool = True):
        if not isinstance(shape, Synapses):
            raise TypeError(f"shape must be a Synapses, not {shape!r}")
        self._shape = shape
        self._weights = tuple(
            Memory(
                shape=unsigned(width),
                depth=shape.weight_depth,
                init=[],
                attrs=hint(shape.weight_depth) if shape.layer else {},
            )
            for width in shape.part_widths
        )
        self._latents: tuple[Memory, ...] = ()
        if training and not shape.shared:
            self._latents = tuple(
                Memory(shape=unsigned(width), depth=shape.latent_depth, init=[])
                for width in shape.latent_slice_widths
            )
        super().__init__({name: In(port) for name, port in synapse_ports(shape, training).items()})

    @property
    def shape(self) -> Synapses:
        """Shape of the weight layer."""
        return self._shape

    @property
    def weights(self) -> tuple[Memory, ...]:
        """The weight memories, slice by slice and bank by bank, from the low bits up."""
        return self._weights

    @property
    def latents(self) -> tuple[Memory, ...]:
        """The latent memories, from the low bits up; none if it does not train."""
        return self._latents

    def elaborate(self, platform):
        m = Module()
        low = 0
        for number, memory in enumerate(self._weights):
            m.submodules[f"weights{number}"] = memory
            read, write = memory.read_port(), memory.write_port()
            part = slice(low, low := low + len(read.data))
            m.d.comb += [
                read.en.eq(self.weight_read.en[number // self._shape.slices]),
                read.addr.eq(self.weight_read.address),
                self.weight_read.data[part].eq(read.data),
                write.en.eq(self.weight_write.en[number]),
                write.addr.eq(self.weight_write.address),
                write.data.eq(self.weight_write.data[part]),
            ]
        low = 0
        for number, memory in enumerate(self._latents):
            m.submodules[f"latents{number}"] = memory
            read, write = memory.read_port(), memory.write_port()
            part = slice(low, low := low + len(read.data))
            m.d.comb += [
                read.en.eq(self.latent_read.en),
                read.addr.eq(self.latent_read.address),
                self.latent_read.data[part].eq(read.data),
                write.en.eq(self.latent_write.en[number // self._shape.latent_part_slices]),
                write.addr.eq(self.latent_write.address),
                write.data.eq(self.latent_write.data[part]),
            ]
        return m


class SharedLatents(wiring.Component):
    """The latent accumulators of all layers, in single-port RAM; undefined at the start.

    An even address is in one bank, an odd one in the other. In no cycle may one bank be both read
    and written: the write is done, and what the read returns is undefined. Data follow the read
    enable by one cycle, and do not stay.

    Parameters
    ----------
    shapes : sequence of Synapses
        Of all weight layers, ``shared`` ones.

    Members
    -------
    read, write : ``In(ReadSignature)``, ``In(WriteSignature)``
        :func:`shared_latent_address` says where a word is.
    """

    def __init__(self, shapes: Sequence[Synapses]):
        address_bits, width = shared_latent_bits(shapes)
        self._banks = tuple(
            Memory(shape=unsigned(width), depth=1 << address_bits - 1, init=[]) for _ in range(2)
        )
        super().__init__({
            "read": In(ReadSignature(1 << address_bits, width)),
            "write": In(WriteSignature(1 << address_bits, width)),
        })

    @property
    def banks(self) -> tuple[Memory, Memory]:
        """The memories of even and of odd addresses."""
        return self._banks

    def elaborate(self, platform):
        m = Module()
        of_odd = Signal()
        m.d.sync += of_odd.eq(self.read.address[0])
        words = []
        for bank, memory in enumerate(self._banks):
            m.submodules[f"bank{bank}"] = memory
            read, write = memory.read_port(), memory.write_port()
            # One address, and never both enabled: yosys makes one port of the two.
            m.d.comb += [
                write.en.eq(self.write.en & (self.write.address[0] == bank)),
                read.en.eq(~write.en),
                write.addr.eq(Mux(write.en, self.write.address[1:], self.read.address[1:])),
                read.addr.eq(write.addr),
                write.data.eq(self.write.data),
            ]
            words.append(read.data)
        m.d.comb += self.read.data.eq(Mux(of_odd, words[1], words[0]))
        return m


def shared_latent_bits(shapes: Sequence[Synapses]) -> tuple[int, int]:
    """Bits of an address of :class:`SharedLatents`, and of a word."""
    longest = max((s.latent_depth - 1).bit_length() for s in shapes)
    top = (len(shapes) - 1).bit_length()
    return longest + top, shapes[0].latent_lanes * shapes[0].latent_bits


def shared_latent_address(shapes: Sequence[Synapses], layer: int, address) -> Value:
    """Where word ``address`` of a layer's latents is: the layer's number stands in front."""
    bits, _ = shared_latent_bits(shapes)
    top = (len(shapes) - 1).bit_length()
    return Cat(_extended(address, bits - top), Const(layer, top))


def _extended(value, bits):
    return Cat(value, Const(0, bits))[:bits]
