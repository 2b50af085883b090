"""AXI4-Lite and AXI4-Stream, as far as they are used here; members have AMBA's names."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES

__all__ = ["AxiLiteSignature", "AxiStreamSignature", "Response"]


class Response:
    """What an access is answered by."""

    OKAY = 0
    SLVERR = 2


class AxiLiteSignature(wiring.Signature):
    """AXI4-Lite of 32 bits, from the manager's side.

    Parameters
    ----------
    address_bits : int
    """

    def __init__(self, address_bits: int):
        super().__init__({
            "awaddr": Out(address_bits), "awvalid": Out(1), "awready": In(1),
            "wdata": Out(REGISTER_BITS), "wstrb": Out(REGISTER_BYTES),
            "wvalid": Out(1), "wready": In(1),
            "bresp": In(2), "bvalid": In(1), "bready": Out(1),
            "araddr": Out(address_bits), "arvalid": Out(1), "arready": In(1),
            "rdata": In(REGISTER_BITS), "rresp": In(2), "rvalid": In(1), "rready": Out(1),
        })  # fmt: skip


class AxiStreamSignature(wiring.Signature):
    """AXI4-Stream, from the sender's side.

    Parameters
    ----------
    data_bits : int
    user_bits : int
        0 for none.
    """

    def __init__(self, data_bits: int, user_bits: int = 0):
        members = {
            "tdata": Out(data_bits), "tlast": Out(1), "tvalid": Out(1), "tready": In(1),
        }  # fmt: skip
        if user_bits:
            members["tuser"] = Out(user_bits)
        super().__init__(members)
