"""Sipeed Tang Nano 9K: GW1NR-9."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from popflip.boards.board import Board, Flash
from popflip.boards.families.gowin import GW1NR_9

__all__ = ["TANG_NANO_9K"]

TANG_NANO_9K = Board(
    name="tang-nano-9k",
    title="Sipeed Tang Nano 9K",
    device=GW1NR_9,
    platform=TangNano9kPlatform,
    preset="gw1nr-9",
    clock="clk27",
    clock_mhz=27,
    core_mhz=45,
    leds=("led.0", "led.1", "led.2", "led.3"),
    error_led="led.5",
    # The FPGA is configured from flash of its own: all of the other one is for data.
    flash=Flash(bytes=4 << 20, data_offset=1 << 16, resource="spi_flash_2x"),
    packer=("-d", "GW1N-9C", "--sspi_as_gpio", "--mspi_as_gpio"),
    loader=("--board", "tangnano9k"),
)
