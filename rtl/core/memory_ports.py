"""Who has the ports of the memories: the engine whose turn it is, or the host."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, flipped
from amaranth.utils import ceil_log2

from popflip.golden.description.layout import Synapses
from popflip.rtl.core.signatures import RegionSignature
from popflip.rtl.layers.ports import WeightSignature, share
from popflip.rtl.layers.synapses import (
    ReadSignature,
    WriteSignature,
    latent_ports,
    shared_latent_address,
    shared_latent_bits,
    synapse_ports,
)

__all__ = ["MemoryPorts", "SharedLatentPorts"]


class MemoryPorts(wiring.Component):
    """The ports of one weight layer's memories, which engines and the host share.

    No latency, but for writes of latents: they come a cycle later, with a register in front of all
    the block RAMs, unless the shape has ``repeats``, whose rows may be read again at once.

    Parameters
    ----------
    shape : Synapses
    training, overlap : bool
        ``machine.training`` and ``machine.overlap``.
    width : int
        Of the host's words.

    Members
    -------
    host_weights, host_latents : ``In(RegionSignature)``
        The latter only if the layer has latents of its own. The host reads and writes while the
        core is at rest only.
    reader : ``In(ReadSignature)``
        Of the drive, or of a relaxation engine.
    learner : ``In(WeightSignature)``
        If it trains: of the update engine. While that claims the weights, and in a machine with
        overlap while it reads, the read port is its own. (There the next sample is driven while
        the engine issues latents, but then it tests no weights, and reads none.)
    learner_read, learner_write : ``In``, idle_address : ``Out``
        If the layer has latents of its own: the engine's latent ports. The host reads through the
        engine's: at the address that an idle engine has taken over from ``idle_address``.
    weight_read, weight_write, latent_read, latent_write : ``Out``
        Ports of :func:`~popflip.rtl.layers.synapses.synapse_ports`.
    """

    def __init__(self, shape: Synapses, width: int, training: bool = True, overlap: bool = False):
        self._shape, self._training, self._overlap = shape, training, overlap
        self._own_latents = training and not shape.shared
        members = {
            "host_weights": In(RegionSignature(width)),
            "reader": In(ReadSignature(shape.weight_depth, shape.word_bits, shape.banks)),
            **{name: Out(port) for name, port in synapse_ports(shape, training).items()},
        }
        if training:
            members["learner"] = In(WeightSignature(shape))
        if self._own_latents:
            ports = latent_ports(shape)
            members |= {
                "host_latents": In(RegionSignature(width)),
                "learner_read": In(ports["latent_read"]),
                "learner_write": In(ports["latent_write"]),
                "idle_address": Out(range(shape.latent_depth)),
            }
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        shape = self._shape
        reads, writes = [(None, flipped(self.reader))], []
        if self._training:
            claim = self.learner.read.en.any() if self._overlap else self.learner.claim
            reads.append((claim, flipped(self.learner.read)))
            writes.append((None, flipped(self.learner.write)))
        # A part of the region is one slice of one bank.
        bits, host = shape.part_bits, self.host_weights
        place = host.address[:bits], host.address[bits:]
        read, write = _host_ports(m, host, *place, self.weight_read, shape.part_widths)
        share(m, self.weight_read, *reads, (host.read, read))
        share(m, self.weight_write, *writes, (host.write, write))
        if self._own_latents:
            bits, host = shape.latent_part_bits, self.host_latents
            place = host.address[:bits], host.address[bits:]
            _, write = _host_ports(m, host, *place, self.latent_read, shape.latent_part_widths)
            share(m, self.latent_read, (None, flipped(self.learner_read)))
            with m.If(host.read):
                m.d.comb += self.latent_read.en.eq(1)
            m.d.comb += self.idle_address.eq(place[0])
            latest = self.latent_write.signature.create(path=("latest_write",))
            share(m, latest, (None, flipped(self.learner_write)), (host.write, write))
            for name in latest.signature.members:
                late, early = getattr(self.latent_write, name), getattr(latest, name)
                if shape.repeats:
                    m.d.comb += late.eq(early)
                else:
                    m.d.sync += late.eq(early)
        return m


class SharedLatentPorts(wiring.Component):
    """The ports of the latents of all layers, shared by their engine and the host. No latency.

    Parameters
    ----------
    shapes : sequence of Synapses
    width : int
        Of the host's words.

    Members
    -------
    host : ``In(RegionSignature)``, a list by layer
    learner_read, learner_write : ``In``
        The engine's ports.
    read, write : ``Out``
        Ports of :class:`popflip.rtl.layers.synapses.SharedLatents`.
    """

    def __init__(self, shapes: Sequence[Synapses], width: int):
        self._shapes = tuple(shapes)
        bits, word = shared_latent_bits(shapes)
        read, write = ReadSignature(1 << bits, word), WriteSignature(1 << bits, word)
        super().__init__({
            "host": In(RegionSignature(width)).array(len(self._shapes)),
            "learner_read": In(read),
            "learner_write": In(write),
            "read": Out(read),
            "write": Out(write),
        })

    def elaborate(self, platform):
        m = Module()
        reads, writes = [(None, flipped(self.learner_read))], [(None, flipped(self.learner_write))]
        for layer, (shape, host) in enumerate(zip(self._shapes, self.host, strict=True)):
            place = shared_latent_address(self._shapes, layer, host.address)
            number = host.address[shape.latent_part_bits :]
            widths = shape.latent_part_widths
            read, write = _host_ports(m, host, place, number, self.read, widths)
            reads.append((host.read, read))
            writes.append((host.write, write))
        share(m, self.read, *reads)
        share(m, self.write, *writes)
        return m


def _host_ports(m, host, address, number, read_port, widths):
    """Make ports by which the host reads and writes part ``number`` of a memory's word.

    ``widths`` are those of the parts; what is read from the memory's ``read_port`` is the reply.
    """
    number = number[: ceil_log2(len(widths))]
    read = read_port.signature.create(path=("host_read",))
    depth = 1 << len(read.address)
    write = WriteSignature(depth, sum(widths), 1, len(widths)).create(path=("host_write",))
    m.d.comb += [
        read.en.eq(~0),
        read.address.eq(address),
        write.en.eq(Cat(number == i for i in range(len(widths)))),
        write.address.eq(address),
        write.data.eq(Cat(host.data[:width] for width in widths)),
    ]
    low, found = 0, []
    for width in widths:
        found.append(read_port.data[low : low + width])
        low += width
    m.d.comb += host.reply.eq(found[0] if len(found) == 1 else Array(found)[number])
    return read, write
