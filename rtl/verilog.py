"""Verilog of the generated hardware, and what an engineer needs beside it."""

import re

from amaranth.back import verilog
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from popflip.golden.params import Params
from popflip.rtl.core import TrainerCore
from popflip.rtl.top import Top

__all__ = ["convert", "generate"]


def generate(params: Params, what: str = "top") -> str:
    """Generate one self-contained Verilog file.

    Parameters
    ----------
    params : Params
    what : {"top", "core"}
        The whole machine behind its host link, or the trainer core alone. Also the name of the
        Verilog module.

    Returns
    -------
    str
    """
    return convert({"top": Top, "core": TrainerCore}[what](params), what)


def convert(component: wiring.Component, name: str) -> str:
    """Generate Verilog of one component by itself.

    Parameters
    ----------
    component : wiring.Component
    name : str
        Of the Verilog module. Its ports have the names of the component's members, joined by two
        underscores; those that are constant, as ``ready`` of a stream that is always ready, are
        left out.

    Returns
    -------
    str
    """
    ports = {}
    for path, _, value in component.signature.flatten(component):
        value = Value.cast(value)
        if not isinstance(value, Const):
            # The direction follows from whether the component drives it.
            ports["__".join(map(str, path))] = (value, None)
    text = verilog.convert(
        component, name=name, ports=ports, emit_src=False, strip_internal_attrs=True
    )
    # Yosys has every combinational block wait for a register that it initialises, so that the block
    # runs once in the beginning. A simulator of SystemVerilog (Icarus with -g2012) initialises
    # where a register is declared before any block waits, and leaves the block at X.
    return re.sub(
        r"^( *)reg (\\\$auto\$\S+ ) = 0;$", r"\1reg \2;\n\1initial \2= 0;", text, flags=re.M
    )
