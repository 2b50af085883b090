"""Colorlight modules i5 (ECP5-25F) and i9 (ECP5-45F), on Muse Lab's extension board."""

from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform

from popflip.boards.board import Board, Flash
from popflip.boards.families.ecp5 import ECP5_25F, ECP5_45F
from popflip.boards.families.family import Device

__all__ = ["COLORLIGHT_I5", "COLORLIGHT_I9"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")

_RESOURCES = (
    Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _3V3),
    Resource(
        "uart", 0, Subsignal("rx", Pins("H18", dir="i")), Subsignal("tx", Pins("J17", dir="o")),
        _3V3,
    ),
    # The flash's clock is no pin of the design's.
    Resource(
        "spi_flash_2x", 0,
        Subsignal("cs", PinsN("R2", dir="o")),
        Subsignal("dq", Pins("W2 V2", dir="io")),
        _3V3,
    ),
)  # fmt: skip


class _Platform(LatticeECP5Platform):
    """What the pins of both modules have in common."""

    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    connectors = (Connector("pmod", 0, "C17 B18 B20 F20 - - A18 A19 B19 D20 - -"),)


class _I5(_Platform):
    device = "LFE5U-25F"
    resources = (*_RESOURCES, Resource("led", 0, PinsN("U16", dir="o"), _3V3))


class _I9(_Platform):
    device = "LFE5U-45F"
    resources = (*_RESOURCES, Resource("led", 0, PinsN("L2", dir="o"), _3V3))


def _board(module: str, device: Device, platform, preset: str, flash: Flash) -> Board:
    return Board(
        name=f"colorlight-{module}",
        title=f"Colorlight {module}",
        device=device,
        platform=platform,
        preset=preset,
        clock="clk25",
        clock_mhz=25,
        core_mhz=45,
        leds=("led.0",),
        flash=flash,
        placer=("--package", "CABGA381", "--speed", "6"),
        packer=("--compress",),
        loader=("--board", f"colorlight-{module}"),
        notes=("The serial line is that of the extension board's USB chip.",),
    )


COLORLIGHT_I5 = _board(
    "i5", ECP5_25F, _I5, "ecp5-25f",
    Flash(bytes=2 << 20, data_offset=0x90000, resource="spi_flash_2x"),
)  # fmt: skip
COLORLIGHT_I9 = _board(
    "i9", ECP5_45F, _I9, "ecp5-45f",
    Flash(bytes=8 << 20, data_offset=1 << 20, resource="spi_flash_2x"),
)  # fmt: skip
