"""Sipeed Tang Primer 25K on its dock: GW5A-25A.

Pins of Sipeed's TangPrimer-25K-example (clock and serial line: ``UART``, ``litex``) and of LiteX's
``sipeed_tang_primer_25k`` (flash, lights). Nobody has tried them here.
"""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal

from popflip.boards.board import Board, Flash
from popflip.boards.families.gw5a import GW5A_25A, Gw5aPlatform

__all__ = ["TANG_PRIMER_25K", "TangPrimer25kPlatform"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class TangPrimer25kPlatform(Gw5aPlatform):
    """Pins of the board, as far as they are needed here."""

    part = "GW5A-LV25MG121NC1/I0"
    family = "GW5A-25A"
    default_clk = "clk50"
    resources = (
        Resource("clk50", 0, Pins("E2", dir="i"), Clock(50e6), _3V3),
        # READY and DONE of the configuration.
        Resource("led", 0, Pins("E8", dir="o"), _3V3),
        Resource("led", 1, Pins("D7", dir="o"), _3V3),
        Resource(
            "uart", 0, Subsignal("rx", Pins("B3", dir="i")), Subsignal("tx", Pins("C3", dir="o")),
            _3V3,
        ),
        Resource(
            "spi_flash_4x", 0,
            Subsignal("cs", PinsN("E6", dir="o")),
            Subsignal("clk", Pins("E7", dir="o")),
            Subsignal("dq", Pins("D6 E5 D5 E4", dir="io")),
            _3V3,
        ),
    )  # fmt: skip
    connectors = ()


TANG_PRIMER_25K = Board(
    name="tang-primer-25k",
    title="Sipeed Tang Primer 25K",
    device=GW5A_25A,
    platform=TangPrimer25kPlatform,
    preset="gw2ar-18",
    clock="clk50",
    clock_mhz=50,
    core_mhz=80,
    leds=("led.0",),
    error_led="led.1",
    flash=Flash(bytes=8 << 20, data_offset=0xE0000, resource="spi_flash_4x", lines="quad"),
    packer=(
        "-d", "GW5A-25A", "--sspi_as_gpio", "--mspi_as_gpio", "--cpu_as_gpio", "--ready_as_gpio",
        "--done_as_gpio",
    ),
    loader=("--board", "tangprimer25k"),
    notes=("Its two lights are those of the configuration, READY and DONE.",),
)  # fmt: skip
