"""The memories of one weight layer, and the signatures of their ports."""

from amaranth.hdl import Cat, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.params import Synapses

__all__ = ["ReadSignature", "SynapseMemory", "WriteSignature", "synapse_ports"]


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

    Members
    -------
    en : ``Out(banks)``
        Which banks are written.
    address : ``Out(range(depth))``
    data : ``Out(banks * width)``
    """

    def __init__(self, depth: int, width: int, banks: int = 1):
        super().__init__({
            "en": Out(banks),
            "address": Out(range(depth)),
            "data": Out(banks * width),
        })


def synapse_ports(shape: Synapses, training: bool = True) -> dict[str, wiring.Signature]:
    """Signatures of a weight layer's ports by name, from their user's side."""
    weights = shape.weight_depth, shape.word_bits, shape.banks
    latents = shape.latent_depth, shape.latent_lanes * shape.latent_bits
    ports = {"weight_read": ReadSignature(*weights), "weight_write": WriteSignature(*weights)}
    if training:
        ports |= {"latent_read": ReadSignature(*latents), "latent_write": WriteSignature(*latents)}
    return ports


class SynapseMemory(wiring.Component):
    """Weights of one layer and, if it trains, their latent accumulators; all 0 at the start.

    The layout is that of :class:`~popflip.golden.params.Synapses`, so that a word is one word of
    the regions of :mod:`popflip.golden.packing`. Data follow the read enable by one cycle; what is
    written in one cycle can be read in the next.

    In no cycle may a bank be read and written at one address: what such a read returns depends on
    the block RAM. (An ``Assert`` would end up in the generated Verilog; the tests watch the ports
    instead.) Two banks are independent in this, which is why they have a read enable each: rows
    of one block lie at the same address in different banks.

    Parameters
    ----------
    shape : Synapses
    training : bool
        Whether there are latents.

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
        self._weights = tuple(
            Memory(shape=unsigned(shape.word_bits), depth=shape.weight_depth, init=[])
            for _ in range(shape.banks)
        )
        self._latents: tuple[Memory, ...] = ()
        if training:
            width = shape.latent_lanes * shape.latent_bits
            slice_bits = shape.latent_slice or width
            self._latents = tuple(
                Memory(
                    shape=unsigned(min(slice_bits, width - low)), depth=shape.latent_depth, init=[]
                )
                for low in range(0, width, slice_bits)
            )
        super().__init__({name: In(port) for name, port in synapse_ports(shape, training).items()})

    @property
    def weights(self) -> tuple[Memory, ...]:
        """The weight memory of each bank."""
        return self._weights

    @property
    def latents(self) -> tuple[Memory, ...]:
        """The latent memories, from the low bits up; none if it does not train."""
        return self._latents

    def elaborate(self, platform):
        m = Module()
        words = []
        for bank, memory in enumerate(self._weights):
            m.submodules[f"weights{bank}"] = memory
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [
                read.en.eq(self.weight_read.en[bank]),
                read.addr.eq(self.weight_read.address),
                write.en.eq(self.weight_write.en[bank]),
                write.addr.eq(self.weight_write.address),
                write.data.eq(self.weight_write.data.word_select(bank, len(write.data))),
            ]
            words.append(read.data)
        m.d.comb += self.weight_read.data.eq(Cat(words))
        low = 0
        for number, memory in enumerate(self._latents):
            m.submodules[f"latents{number}"] = memory
            read, write = memory.read_port(), memory.write_port()
            part = slice(low, low := low + len(read.data))
            m.d.comb += [
                read.en.eq(self.latent_read.en),
                read.addr.eq(self.latent_read.address),
                self.latent_read.data[part].eq(read.data),
                write.en.eq(self.latent_write.en),
                write.addr.eq(self.latent_write.address),
                write.data.eq(self.latent_write.data[part]),
            ]
        return m
