"""tinyVision.ai UPduino v3: iCE40UP5K, in two ways to use four of its pins.

They are the lines of the flash and of the USB chip as well: either the USB chip is the serial line,
and the flash is kept quiet, or the flash is the design's, and the serial line an adapter's.
"""

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.upduino_v3 import UpduinoV3Platform

from popflip.boards.board import Board, Flash
from popflip.boards.families.ice40 import UP5K

__all__ = ["UPDUINO_V3", "UPDUINO_V3_STANDALONE", "UpduinoV3WithFlash", "UpduinoV3WithUart"]

_CMOS = Attrs(IO_STANDARD="SB_LVCMOS")

# The platform has no serial line, and a flash that takes the oscillator's pin as well.
_OTHERS = tuple(r for r in UpduinoV3Platform.resources if not r.name.startswith("spi_flash"))


def _uart(rx: str, tx: str) -> Resource:
    return Resource(
        "uart", 0, Subsignal("rx", Pins(rx, dir="i")), Subsignal("tx", Pins(tx, dir="o")), _CMOS
    )


class UpduinoV3WithUart(UpduinoV3Platform):
    """The board's platform with its oscillator and with the USB chip's lines as a UART."""

    default_clk = "clk12"
    resources = (
        *_OTHERS,
        _uart("15", "14"),
        Resource("flash_cs", 0, PinsN("16", dir="o"), _CMOS),
    )


class UpduinoV3WithFlash(UpduinoV3Platform):
    """The board's platform with its oscillator, its flash, and a UART at two pins of its header."""

    default_clk = "clk12"
    resources = (
        *_OTHERS,
        _uart("23", "25"),
        Resource(
            "spi_flash_2x", 0,
            Subsignal("cs", PinsN("16", dir="o")),
            Subsignal("clk", Pins("15", dir="o")),
            Subsignal("dq", Pins("14 17", dir="io")),
            _CMOS,
        ),
    )  # fmt: skip


def _board(name: str, title: str, platform, resource: str, inactive, notes, former=()) -> Board:
    return Board(
        name=name,
        title=title,
        device=UP5K,
        platform=platform,
        preset="ice40up5k",
        clock="clk12",
        clock_mhz=12,
        core_mhz=24.375,
        pll="core",
        leds=("rgb_led.0.g",),
        error_led="rgb_led.0.r",
        inactive=inactive,
        flash=Flash(bytes=4 << 20, data_offset=0x20000, resource=resource),
        synthesis="-abc9 -device u",
        loader=("--board", "ice40_generic"),
        former=former,
        notes=("Close the jumper OSC: the oscillator then reaches pin 20.", *notes),
    )


UPDUINO_V3 = _board(
    "upduino-v3",
    "tinyVision.ai UPduino v3",
    UpduinoV3WithUart,
    # Of no use to the design while the USB chip drives the same lines.
    resource="",
    inactive=("flash_cs.0",),
    notes=(
        "The serial line shares its pins with the flash, so the board cannot read data from it.",
    ),
)

UPDUINO_V3_STANDALONE = _board(
    "upduino-v3-standalone",
    "tinyVision.ai UPduino v3, standalone",
    UpduinoV3WithFlash,
    resource="spi_flash_2x",
    inactive=(),
    notes=(
        "Wire an adapter to pins 23 (into the FPGA) and 25 for the serial line.",
        "The USB chip shares the flash's lines: open no port of it once the board is configured.",
    ),
    former=("upduino-v3-alone",),
)
