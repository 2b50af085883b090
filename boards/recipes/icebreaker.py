"""1BitSquared iCEBreaker: iCE40UP5K."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from popflip.boards.board import Board, Flash
from popflip.boards.families.ice40 import UP5K

__all__ = ["ICEBREAKER"]

ICEBREAKER = Board(
    name="icebreaker",
    title="1BitSquared iCEBreaker",
    device=UP5K,
    platform=ICEBreakerPlatform,
    preset="ice40up5k",
    clock="clk12",
    clock_mhz=12,
    core_mhz=24.375,
    pll="pad",
    leds=("led_g.0",),
    error_led="led_r.0",
    flash=Flash(bytes=16 << 20, data_offset=1 << 20, resource="spi_flash_4x", lines="quad"),
    synthesis="-abc9 -device u",
    loader=("--board", "ice40_generic"),
)
