"""Lattice iCE40-HX8K Breakout Board."""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from popflip.boards.board import Board, Flash
from popflip.boards.families.ice40 import HX8K

__all__ = ["HX8K_B_EVN"]

HX8K_B_EVN = Board(
    name="hx8k-b-evn",
    title="Lattice iCE40-HX8K Breakout Board",
    device=HX8K,
    platform=ICE40HX8KBEVNPlatform,
    preset="ice40hx8k",
    clock="clk12",
    clock_mhz=12,
    core_mhz=48,
    pll="core",
    leds=("led.0", "led.1", "led.2", "led.3"),
    error_led="led.7",
    flash=Flash(bytes=4 << 20, data_offset=0x30000, resource="spi_flash_2x"),
    synthesis="-abc9 -device hx",
    # The default router has been seen to go on without an end here, and this one with seed 1.
    placer=("--router", "router2"),
    seed=2,
    loader=("--board", "ice40_generic"),
    notes=(
        "Jumpers J6 and J7 choose between flash and volatile memory: see the guide of the board.",
    ),
)
