"""Colorlight i9: ECP5-45F, on Muse Lab's extension board."""

from popflip.boards.board import Board, Flash
from popflip.boards.families.devices import ECP5_45F
from popflip.boards.recipes.colorlight import ColorlightPlatform

__all__ = ["COLORLIGHT_I9"]


class _Platform(ColorlightPlatform):
    device = "LFE5U-45F"
    resources = (*ColorlightPlatform.resources, ColorlightPlatform.led("L2"))


COLORLIGHT_I9 = Board(
    name="colorlight-i9",
    title="Colorlight i9",
    device=ECP5_45F,
    platform=_Platform,
    preset="ecp5-45f",
    clock="clk25",
    clock_mhz=25,
    core_mhz=45,
    pll="ehxplll",
    leds=("led.0",),
    flash=Flash(bytes=8 << 20, data_offset=1 << 20, resource="spi_flash_2x"),
    placer=("--package", "CABGA381", "--speed", "6"),
    packer=("--compress",),
    loader=("--board", "colorlight-i9"),
    notes=("The serial line is that of the extension board's USB chip.",),
)
