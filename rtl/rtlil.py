"""RTLIL of the generated hardware: what yosys reads, and what the design's identity is made of."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from amaranth.back import rtlil
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from popflip.golden.description.names import port_name

__all__ = ["member_name", "to_rtlil"]


def to_rtlil(
    component: wiring.Component,
    name: str,
    platform=None,
    *,
    sources: bool = False,
    port_names: Callable[[tuple], str] = port_name,
) -> str:
    """Generate RTLIL of one component by itself, which yosys synthesizes.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Of the module; the modules in it have it before theirs. Ports as for
        :func:`popflip.rtl.verilog.convert`.
    platform : optional
        An Amaranth platform, whose primitives are used.
    sources : bool
        Whether it tells which lines of source each thing came from.
    port_names : callable
        From the path of a member to the name of its port.

    Returns
    -------
    str
    """
    ports = {}
    for path, _, value in component.signature.flatten(component):
        value = Value.cast(value)
        if not isinstance(value, Const):
            # The direction follows from whether the component drives it.
            port = port_names(path)
            if port in ports:
                raise ValueError(f"two ports are called {port}")
            ports[port] = (value, None)
    with _uncollected():
        return rtlil.convert(component, name, platform, ports=ports, emit_src=sources)


def member_name(path: tuple) -> str:
    """Return the name that Amaranth gives the signal of a member, for its port to have it too."""
    return "__".join(map(str, path))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold off the garbage collector, which would take half of the time of a conversion."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
