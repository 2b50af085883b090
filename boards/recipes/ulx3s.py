"""Radiona ULX3S: ECP5, in four sizes."""

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.ulx3s import (
    ULX3S_12F_Platform,
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from popflip.boards.board import Board, Flash
from popflip.boards.families.ecp5 import ECP5_12F, ECP5_25F, ECP5_45F, ECP5_85F
from popflip.boards.families.family import Device

__all__ = ["ULX3S_12F", "ULX3S_25F", "ULX3S_45F", "ULX3S_85F"]

# The flash's clock is no pin of the design's.
_FLASH = Resource(
    "spi_flash_4x", 0,
    Subsignal("cs", PinsN("R2", dir="o")),
    Subsignal("dq", Pins("W2 V2 Y2 W1", dir="io")),
    Attrs(PULLMODE="NONE", DRIVE="4", IO_TYPE="LVCMOS33"),
)  # fmt: skip


def _board(size: str, device: Device, platform, preset: str, core_mhz: float, seed=1) -> Board:
    return Board(
        name=f"ulx3s-{size}",
        title=f"Radiona ULX3S {size.upper()}",
        device=device,
        platform=platform,
        preset=preset,
        clock="clk25",
        clock_mhz=25,
        core_mhz=core_mhz,
        leds=("led.0", "led.1", "led.2", "led.3"),
        error_led="led.7",
        flash=Flash(bytes=16 << 20, data_offset=2 << 20, resource="spi_flash_4x", lines="quad"),
        placer=("--package", "CABGA381", "--speed", "6"),
        seed=seed,
        packer=("--compress",),
        loader=("--board", "ulx3s"),
    )


class _12F(ULX3S_12F_Platform):
    resources = (*ULX3S_12F_Platform.resources, _FLASH)


class _25F(ULX3S_25F_Platform):
    resources = (*ULX3S_25F_Platform.resources, _FLASH)


class _45F(ULX3S_45F_Platform):
    resources = (*ULX3S_45F_Platform.resources, _FLASH)


class _85F(ULX3S_85F_Platform):
    resources = (*ULX3S_85F_Platform.resources, _FLASH)


ULX3S_12F = _board("12f", ECP5_12F, _12F, "ecp5-25f", 45)
ULX3S_25F = _board("25f", ECP5_25F, _25F, "ecp5-25f", 45)
ULX3S_45F = _board("45f", ECP5_45F, _45F, "ecp5-45f", 45)
ULX3S_85F = _board("85f", ECP5_85F, _85F, "ecp5-85f", 41.667, seed=2)
