"""Olimex GateMateA1-EVB: CCGM1A1, a family that Amaranth has no platform for."""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal, TemplatedPlatform

from popflip.boards.board import Board, Flash
from popflip.boards.devices import CCGM1A1

__all__ = ["GATEMATE_A1_EVB", "GateMateA1EvbPlatform"]


class GateMatePlatform(TemplatedPlatform):
    """What Cologne Chip's GateMate needs of a platform: RTLIL, and the file of pins.

    Buffers at the pins are yosys's. There is none of double data rate, so that a flash's clock is
    at most half of the machine's.
    """

    toolchain = "Peppercorn"
    required_tools = ()
    command_templates = ()
    file_templates: ClassVar = {
        "{{name}}.il": "{{emit_rtlil()}}",
        "{{name}}.ccf": r"""
            {% for port, pin, attrs in platform.iter_port_constraints_bits() -%}
                Net "{{port}}" Loc = "{{pin}}"
                {%- for name, value in attrs.items() %} | {{name}}={{value}}{% endfor %};
            {% endfor %}
        """,
    }


class GateMateA1EvbPlatform(GateMatePlatform):
    """Pins of the board, as far as they are needed here."""

    default_clk = "clk10"
    resources = (
        Resource("clk10", 0, Pins("IO_SB_A8", dir="i"), Clock(10e6), Attrs(SCHMITT_TRIGGER="true")),
        Resource("led", 0, PinsN("IO_SB_B6", dir="o")),
        Resource(
            "uart", 0, Subsignal("rx", Pins("IO_SA_A6", dir="i")),
            Subsignal("tx", Pins("IO_SA_B6", dir="o")),
        ),
    )  # fmt: skip
    connectors = ()


GATEMATE_A1_EVB = Board(
    name="gatemate-a1-evb",
    title="Olimex GateMateA1-EVB",
    device=CCGM1A1,
    platform=GateMateA1EvbPlatform,
    preset="gw1nr-9",
    clock="clk10",
    clock_mhz=10,
    core_mhz=20,
    pll="cc_pll",
    leds=("led.0",),
    flash=Flash(bytes=2 << 20, data_offset=0x60000, resource=""),
    loader=("--board", "olimex_gatemateevb"),
    notes=("The serial line is that of its RP2040, as DirtyJTAG drives it.",),
)
