"""One access of a bus, whatever the bus."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES

__all__ = ["AccessSignature"]


class AccessSignature(wiring.Signature):
    """An access and its answer, from the side of the bus.

    Parameters
    ----------
    address_bits : int
        Of a byte address.

    Members
    -------
    valid : ``Out(1)``
        An access; it and all that describes it stay until ``ready``.
    write : ``Out(1)``, data : ``Out(32)``
        Whether it writes, and what.
    address : ``Out(address_bits - 2)``
        Of a 32-bit word.
    aligned : ``Out(1)``, strobe : ``Out(4)``
        The byte address was that of the word; bytes that are meant.
    ready : ``In(1)``
        A pulse: it is over, and answered by the following.
    error : ``In(1)``, reply : ``In(32)``
        It was refused and has changed nothing; what was read.
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "valid": Out(1),
            "write": Out(1),
            "address": Out(address_bits - 2),
            "aligned": Out(1),
            "strobe": Out(REGISTER_BYTES),
            "data": Out(REGISTER_BITS),
            "ready": In(1),
            "error": In(1),
            "reply": In(REGISTER_BITS),
        })
