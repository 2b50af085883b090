"""OrangeCrab r0.2: ECP5, in two sizes."""

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth_boards.orangecrab_r0_2 import (
    OrangeCrabR0_2_25FPlatform,
    OrangeCrabR0_2_85FPlatform,
)

from popflip.boards.board import Board, Flash
from popflip.boards.families.ecp5 import ECP5_25F, ECP5_85F
from popflip.boards.families.family import Device

__all__ = ["ORANGECRAB_25F", "ORANGECRAB_85F"]

# The board has no serial chip: its USB is wired to the FPGA itself.
_UART = Resource(
    "uart", 0,
    Subsignal("rx", Pins("0", dir="i", conn=("io", 0))),
    Subsignal("tx", Pins("1", dir="o", conn=("io", 0))),
    Attrs(IO_TYPE="LVCMOS33"),
)  # fmt: skip

# Instead of the platform's, which name the flash's clock, no pin of the design's.
_FLASH = Resource(
    "spi_flash_4x", 0,
    Subsignal("cs", PinsN("U17", dir="o")),
    Subsignal("dq", Pins("U18 T18 R18 N18", dir="io")),
    Attrs(IO_TYPE="LVCMOS33"),
)  # fmt: skip


def _resources(platform) -> tuple[Resource, ...]:
    return (*(r for r in platform.resources if r.name != _FLASH.name), _UART, _FLASH)


class _25F(OrangeCrabR0_2_25FPlatform):
    resources = _resources(OrangeCrabR0_2_25FPlatform)


class _85F(OrangeCrabR0_2_85FPlatform):
    resources = _resources(OrangeCrabR0_2_85FPlatform)


def _board(size: str, device: Device, platform, preset: str, core_mhz: float) -> Board:
    return Board(
        name=f"orangecrab-{size}",
        title=f"OrangeCrab r0.2 {size.upper()}",
        device=device,
        platform=platform,
        preset=preset,
        clock="clk",
        clock_mhz=48,
        core_mhz=core_mhz,
        leds=("rgb_led.0.g",),
        error_led="rgb_led.0.r",
        # The bootloader keeps the bitstream at 512 KiB.
        flash=Flash(bytes=16 << 20, data_offset=0x280000, resource="spi_flash_4x", lines="quad"),
        placer=("--package", "CSFBGA285", "--speed", "8"),
        packer=("--compress", "--freq", "38.8"),
        loader=("--board", "orangeCrab"),
        bootloader=True,
        notes=(
            "Its USB is not a serial port: wire an adapter to pins 0 (into the FPGA) and 1.",
            "In volatile memory it is configured by a JTAG cable; through USB only the flash is.",
        ),
    )


ORANGECRAB_25F = _board("25f", ECP5_25F, _25F, "ecp5-25f", 48)
ORANGECRAB_85F = _board("85f", ECP5_85F, _85F, "ecp5-85f", 48)
