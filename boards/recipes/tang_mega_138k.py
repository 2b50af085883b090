"""Sipeed Tang Mega 138K and Tang Console 138K: the same module with a GW5AST-138C.

Pins of Sipeed's TangMega-138K-example (clock and serial line: ``ddr_memory_test_uart``), of
Apicula's examples for both boards and of LiteX's ``sipeed_tang_mega_138k`` and
``sipeed_tang_console`` (flash, lights). Nobody has tried them here.
"""

from dataclasses import replace

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal

from popflip.boards.board import Board, Flash
from popflip.boards.families.gw5a import GW5AST_138C, Gw5aPlatform

__all__ = ["TANG_CONSOLE_138K", "TANG_MEGA_138K", "TangMega138kPlatform"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class TangMega138kPlatform(Gw5aPlatform):
    """Pins of the module, as far as they are needed here."""

    part = "GW5AST-LV138PG484AC1/I0"
    family = "GW5AST-138C"
    default_clk = "clk50"
    resources = (
        Resource("clk50", 0, Pins("V22", dir="i"), Clock(50e6), _3V3),
        # READY and DONE of the configuration.
        Resource("led", 0, Pins("U12", dir="o"), _3V3),
        Resource("led", 1, Pins("G11", dir="o"), _3V3),
        Resource(
            "uart", 0, Subsignal("rx", Pins("V14", dir="i")), Subsignal("tx", Pins("U15", dir="o")),
            _3V3,
        ),
        Resource(
            "spi_flash_4x", 0,
            Subsignal("cs", PinsN("T19", dir="o")),
            Subsignal("clk", Pins("L12", dir="o")),
            Subsignal("dq", Pins("P22 R22 P21 R21", dir="io")),
            _3V3,
        ),
    )  # fmt: skip
    connectors = ()


TANG_MEGA_138K = Board(
    name="tang-mega-138k",
    title="Sipeed Tang Mega 138K",
    device=GW5AST_138C,
    platform=TangMega138kPlatform,
    preset="ecp5-85f",
    clock="clk50",
    clock_mhz=50,
    core_mhz=50,
    leds=("led.0",),
    error_led="led.1",
    flash=Flash(bytes=16 << 20, data_offset=6 << 20, resource="spi_flash_4x", lines="quad"),
    packer=(
        "-d", "GW5AST-138C", "--mspi_as_gpio", "--cpu_as_gpio", "--ready_as_gpio",
        "--done_as_gpio",
    ),
    loader=("--board", "tangmega138k"),
    notes=("Its two lights are those of the configuration, READY and DONE.",),
)  # fmt: skip

TANG_CONSOLE_138K = replace(
    TANG_MEGA_138K,
    name="tang-console-138k",
    title="Sipeed Tang Console 138K",
    loader=("--board", "tangconsole"),
)
