"""Radiona ULX3S: ECP5, in four sizes."""

from amaranth_boards.ulx3s import (
    ULX3S_12F_Platform,
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from popflip.boards.board import Board, Device, Flash
from popflip.boards.devices import ECP5_12F, ECP5_25F, ECP5_45F, ECP5_85F

__all__ = ["ULX3S_12F", "ULX3S_25F", "ULX3S_45F", "ULX3S_85F"]


def _board(size: str, device: Device, platform, preset: str, core_mhz: float) -> Board:
    return Board(
        name=f"ulx3s-{size}",
        title=f"Radiona ULX3S {size.upper()}",
        device=device,
        platform=platform,
        preset=preset,
        clock="clk25",
        clock_mhz=25,
        core_mhz=core_mhz,
        pll="ehxplll",
        leds=("led.0", "led.1", "led.2", "led.3"),
        flash=Flash(bytes=16 << 20, data_offset=2 << 20, resource="spi_flash"),
        placer=("--package", "CABGA381", "--speed", "6"),
        packer=("--compress",),
        loader=("--board", "ulx3s"),
    )


ULX3S_12F = _board("12f", ECP5_12F, ULX3S_12F_Platform, "ecp5-25f", 60)
ULX3S_25F = _board("25f", ECP5_25F, ULX3S_25F_Platform, "ecp5-25f", 60)
ULX3S_45F = _board("45f", ECP5_45F, ULX3S_45F_Platform, "ecp5-45f", 60)
ULX3S_85F = _board("85f", ECP5_85F, ULX3S_85F_Platform, "ecp5-85f", 50)
