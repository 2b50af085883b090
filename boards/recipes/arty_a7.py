"""Digilent Arty A7: Artix-7, in two sizes. Projects for Vivado, which nothing here runs."""

from amaranth_boards.arty_a7 import ArtyA7_35Platform, ArtyA7_100Platform

from popflip.boards.board import Board, Flash
from popflip.boards.families.family import Device
from popflip.boards.families.vivado import ARTY_35T, ARTY_100T

__all__ = ["ARTY_A7_35T", "ARTY_A7_100T"]


def _board(size: str, device: Device, platform, preset: str, data_offset: int) -> Board:
    return Board(
        name=f"arty-a7-{size}",
        title=f"Digilent Arty A7-{size.upper()}",
        device=device,
        platform=platform,
        preset=preset,
        clock="clk100",
        clock_mhz=100,
        core_mhz=50,
        leds=("led.0", "led.1", "led.2", "led.3"),
        error_led="rgb_led.0.r",
        flash=Flash(bytes=16 << 20, data_offset=data_offset, resource="spi_flash_4x", lines="quad"),
        loader=("--board", f"arty_a7_{size}"),
        notes=(
            "Written for Vivado, which is not part of popflip and has not been run on it: no "
            "open tool on PyPI makes bitstreams of Artix-7.",
        ),
    )


ARTY_A7_35T = _board("35t", ARTY_35T, ArtyA7_35Platform, "local-medium", 0x220000)
ARTY_A7_100T = _board("100t", ARTY_100T, ArtyA7_100Platform, "ecp5-85f", 0x3B0000)
