"""Colorlight i5: ECP5-25F, on Muse Lab's extension board."""

from popflip.boards.board import Board, Flash
from popflip.boards.families.devices import ECP5_25F
from popflip.boards.recipes.colorlight import ColorlightPlatform

__all__ = ["COLORLIGHT_I5"]


class _Platform(ColorlightPlatform):
    device = "LFE5U-25F"
    resources = (*ColorlightPlatform.resources, ColorlightPlatform.led("U16"))


COLORLIGHT_I5 = Board(
    name="colorlight-i5",
    title="Colorlight i5",
    device=ECP5_25F,
    platform=_Platform,
    preset="ecp5-25f",
    clock="clk25",
    clock_mhz=25,
    core_mhz=45,
    pll="ehxplll",
    leds=("led.0",),
    flash=Flash(bytes=2 << 20, data_offset=0x90000, resource="spi_flash_2x"),
    placer=("--package", "CABGA381", "--speed", "6"),
    packer=("--compress",),
    loader=("--board", "colorlight-i5"),
    notes=("The serial line is that of the extension board's USB chip.",),
)
