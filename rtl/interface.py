"""Signatures between the trainer core, the host link and the sample store."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.layout import ADDRESS_BITS, MOST_REGIONS, REGION_BITS
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import FILL, MAX_PAYLOAD, SAMPLE_BITS
from popflip.golden.description.sections.standalone import SECTOR
from popflip.golden.description.software_only import check_network
from popflip.golden.support.errors import InputError

__all__ = [
    "HostSignature",
    "PredictionSignature",
    "RunLayout",
    "StoreSignature",
    "check_hardware",
    "host_word_bits",
]


def check_hardware(params: Params) -> None:
    """See that there is hardware for these parameters; the golden model takes more.

    Raises
    ------
    InputError
        For ``leaky`` dynamics with overlap, for 8-bit pixels, for what
        :mod:`popflip.golden.description.software_only` names, for more regions or longer ones than
        a command can name, and for words that do not fit a frame of the host link. For standalone
        training without the training logic, and for images that it cannot move.
    """
    if params.dynamics.leaky and params.machine.overlap:
        raise InputError(
            "machine.overlap must be false with leaky dynamics in hardware, which relaxes a sample "
            "before the next one is driven, not true"
        )
    if params.network.pixel_bits != 1:
        raise InputError(
            f"network.pixel_bits must be 1 in hardware, not {params.network.pixel_bits}"
        )
    check_network(params)
    _check_standalone(params)
    regions, most = params.regions, MAX_PAYLOAD - FILL.size
    if len(regions) > MOST_REGIONS:
        raise InputError(
            f"network must have at most 5 hidden layers in hardware, not {params.depth - 1}"
        )
    for region in regions:
        if region.depth > 1 << ADDRESS_BITS:
            raise InputError(
                f"{region.name} must have at most 2**{ADDRESS_BITS} words in hardware, "
                f"not {region.depth}"
            )
        if region.word_bytes > most:
            raise InputError(
                f"a word of {region.name} must be at most {most} bytes to fit a frame of the host "
                f"link, not {region.word_bytes}"
            )


def _check_standalone(params: Params) -> None:
    """Raise InputError if a machine with a flash cannot train these parameters standalone."""
    if not params.standalone.lines:
        return
    if not params.machine.training:
        raise InputError("machine.training must be true for standalone training, not false")
    if params.sample_bytes >= SECTOR:
        raise InputError(
            f"samples must have at most {SECTOR - 1} bytes in standalone training, "
            f"not {params.sample_bytes}"
        )
    shift = params.learning.shift
    if shift and not params.first_layer.can_shift:
        raise InputError(
            f"learning.shift must be 0 for a {params.first_layer.kind} first layer in standalone "
            f"training, not {shift}"
        )
    if shift * params.planes > 8:
        raise InputError(
            f"learning.shift must be at most {8 // params.planes} in standalone training, which "
            f"moves a row by at most 8 bits, not {shift}"
        )


def host_word_bits(params: Params) -> int:
    """Width of the widest region, which the host port is wide enough for."""
    return params.regions.widest


class RunLayout(data.StructLayout):
    """One run: ``count`` samples from ``first`` on.

    ``train`` learns from them, else they are only predicted. ``internal`` takes them from the
    slots that the host loads (region ``samples``), beginning with the low 8 bits of ``first``,
    modulo the slots; else from the sample store. ``flush`` ends the run with the flips of a batch
    that is not full.
    """

    def __init__(self):
        super().__init__({
            "train": 1,
            "internal": 1,
            "flush": 1,
            "first": SAMPLE_BITS,
            "count": SAMPLE_BITS,
        })


class HostSignature(wiring.Signature):
    """The core as the host link sees it, from the link's side.

    Members
    -------
    command : ``Out(stream)`` of ``{write: 1, region: 4, address: 24, data: width}``
        One word to write to a region, or to read from it. Allowed at any time for writes to
        ``samples`` and reads of ``registers`` and ``results``; for all else only while ``busy`` is
        low (the link sees to it). The payload stays for another cycle after a write is taken, and
        after a read is taken until its reply.
    reply : ``In(stream)`` of ``width`` bits, always ready
        One word for each read, in order.
    run : ``Out(stream)`` of :class:`RunLayout`
        Ready while the core is not busy.
    stop : ``Out(1)``
        A pulse ends the run after the sample in hand.
    busy : ``In(1)``
        A run is on.

    Raises
    ------
    InputError
        From :func:`check_hardware`.
    """

    def __init__(self, params: Params):
        check_hardware(params)
        width = host_word_bits(params)
        command = data.StructLayout({
            "write": 1,
            "region": REGION_BITS,
            "address": ADDRESS_BITS,
            "data": width,
        })
        super().__init__({
            "command": Out(stream.Signature(command)),
            "reply": In(stream.Signature(width, always_ready=True)),
            "run": Out(stream.Signature(RunLayout())),
            "stop": Out(1),
            "busy": In(1),
        })


class StoreSignature(wiring.Signature):
    """Where samples come from, from the core's side: a flash reader, or the virtual board.

    Members
    -------
    request : ``Out(stream)`` of 32 bits
        Number of a sample. Each has to be answered: a run waits for its sample, even if stopped.
    data : ``In(stream)`` of 8 bits
        Its ``sample_bytes`` bytes (:func:`popflip.golden.description.packing.pack_samples`), in
        order.
    """

    def __init__(self):
        super().__init__({
            "request": Out(stream.Signature(32)),
            "data": In(stream.Signature(8)),
        })


class PredictionSignature(wiring.Signature):
    """What the core predicts, from its side.

    Members
    -------
    valid : ``Out(1)``
        A pulse: a sample of the run that is on is finished.
    label : ``Out(8)``
        Its class.
    margin : ``Out``
        Summed potential of that class less the greatest one of any other.
    """

    def __init__(self, params: Params):
        most = params.network.copies * params.dynamics.v_max
        super().__init__({"valid": Out(1), "label": Out(8), "margin": Out(range(most + 1))})
