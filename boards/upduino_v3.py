"""tinyVision.ai UPduino v3: iCE40UP5K.

Its platform has neither a serial line nor the pin that keeps the flash quiet: both are the lines
of the USB chip, which the flash shares.
"""

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from popflip.boards.board import Board, Flash
from popflip.boards.devices import UP5K

__all__ = ["UPDUINO_V3", "UpduinoV3WithUart"]


class UpduinoV3WithUart(UpduinoV3Platform):
    """The board's platform with its oscillator and with the USB chip's lines as a UART."""

    default_clk = "clk12"
    resources = (
        *(r for r in UpduinoV3Platform.resources if not r.name.startswith("spi_flash")),
        Resource(
            "uart", 0,
            Subsignal("rx", Pins("15", dir="i")),
            Subsignal("tx", Pins("14", dir="o")),
            Attrs(IO_STANDARD="SB_LVCMOS"),
        ),
        Resource("flash_cs", 0, PinsN("16", dir="o"), Attrs(IO_STANDARD="SB_LVCMOS")),
    )  # fmt: skip


UPDUINO_V3 = Board(
    name="upduino-v3",
    title="tinyVision.ai UPduino v3",
    device=UP5K,
    platform=UpduinoV3WithUart,
    preset="ice40up5k",
    clock="clk12",
    clock_mhz=12,
    core_mhz=24,
    pll="core",
    leds=("rgb_led.0.g",),
    error_led="rgb_led.0.r",
    inactive=("flash_cs.0",),
    # Of no use to the design while the USB chip drives the same lines.
    flash=Flash(bytes=4 << 20, data_offset=1 << 20, resource=""),
    synthesis="-abc9 -device u",
    loader=("--board", "ice40_generic"),
    notes=(
        "Close the jumper OSC: the oscillator then reaches pin 20.",
        "The serial line shares its pins with the flash, so the board cannot read data from it.",
    ),
)
