"""Lattice CrossLink-NX Evaluation Board: LIFCL-40."""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticePlatform

from popflip.boards.board import Board, Flash
from popflip.boards.families.nexus import LIFCL_40

__all__ = ["CROSSLINK_NX_EVN", "CrossLinkNxEvnPlatform"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class CrossLinkNxEvnPlatform(LatticePlatform):
    """Pins of the board, as far as they are needed here."""

    device = "LIFCL-40"
    package = "BG400"
    speed = "9"
    grade = "C"
    default_clk = "clk12"
    resources = (
        Resource("clk12", 0, Pins("L13", dir="i"), Clock(12e6), _3V3),
        *(
            Resource("led", number, PinsN(pin, dir="o"), _3V3)
            for number, pin in enumerate(("E17", "F13", "G13", "F14", "L16", "L15", "L20", "L19"))
        ),
        Resource(
            "uart", 0, Subsignal("rx", Pins("F16", dir="i")), Subsignal("tx", Pins("F18", dir="o")),
            _3V3,
        ),
        Resource(
            "spi_flash_4x", 0,
            Subsignal("cs", PinsN("E13", dir="o")),
            Subsignal("clk", Pins("E12", dir="o")),
            Subsignal("dq", Pins("D13 D15 D14 D16", dir="io")),
            _3V3,
        ),
    )  # fmt: skip
    connectors = ()


CROSSLINK_NX_EVN = Board(
    name="crosslink-nx-evn",
    title="Lattice CrossLink-NX Evaluation Board",
    device=LIFCL_40,
    platform=CrossLinkNxEvnPlatform,
    preset="ecp5-25f",
    clock="clk12",
    clock_mhz=12,
    core_mhz=12,
    leds=("led.0", "led.1", "led.2", "led.3"),
    error_led="led.7",
    flash=Flash(bytes=16 << 20, data_offset=1 << 20, resource="spi_flash_4x", lines="quad"),
    loader=("--board", "crosslinknx_evn"),
    notes=(
        "Jumper JP2 lets the clock of 12 MHz through.",
        "The serial line is its USB's second one, with R15 and R17 fitted, R18 and R19 not.",
    ),
)
