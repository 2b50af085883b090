"""Which machines can be built: the trainer core behind each front end."""

from typing import Any

from amaranth.lib import wiring

from popflip.golden.description.bus import check_bus
from popflip.golden.description.params import Params
from popflip.rtl.core.core import TrainerCore
from popflip.rtl.frontends.axi.machine import AxiMachine
from popflip.rtl.frontends.wishbone.machine import WishboneMachine
from popflip.rtl.interface import check_hardware
from popflip.rtl.top import Top

__all__ = ["check_design", "design", "ports"]

_MACHINES: dict[str, Any] = {"uart": Top, "axi": AxiMachine, "wishbone": WishboneMachine}


def check_design(params: Params, bus: str) -> None:
    """See that there is such a front end, and hardware for these parameters behind it.

    Raises
    ------
    InputError
        If not.
    """
    check_bus(params, bus)
    check_hardware(params)


def design(params: Params, bus: str, identity: bytes) -> wiring.Component:
    """Return the machine of some parameters behind a front end.

    Parameters
    ----------
    params : Params
    bus : str
        A name of :data:`popflip.golden.description.bus.BUSES`.
    identity : bytes
        What a host knows the design by: :func:`popflip.rtl.identity.identity`.
    """
    if bus == "none":
        return TrainerCore(params, predictions=True)
    return _MACHINES[bus](params, identity)


def ports(params: Params, bus: str) -> wiring.Signature:
    """Return the signature of a machine, without making one."""
    if bus == "none":
        return wiring.Signature(TrainerCore.members(params, predictions=True))
    return wiring.Signature(_MACHINES[bus].members(params))
