"""Sipeed Tang Nano 20K: GW2AR-18."""

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import GowinPlatform

from popflip.boards.board import Board, Flash
from popflip.boards.families.gowin import GW2AR_18

__all__ = ["TANG_NANO_20K", "TangNano20kPlatform"]


class TangNano20kPlatform(GowinPlatform):
    """Pins of the board, as far as they are needed here."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = (
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), Attrs(IO_TYPE="LVCMOS33")),
        *(
            Resource("led", number, PinsN(str(15 + number), dir="o"), Attrs(IO_TYPE="LVCMOS33"))
            for number in range(6)
        ),
        Resource(
            "uart", 0,
            Subsignal("rx", Pins("70", dir="i")),
            Subsignal("tx", Pins("69", dir="o")),
            Attrs(IO_TYPE="LVCMOS33"),
        ),
        Resource(
            "spi_flash_2x", 0,
            Subsignal("cs", PinsN("60", dir="o")),
            Subsignal("clk", Pins("59", dir="o")),
            Subsignal("dq", Pins("61 62", dir="io")),
            Attrs(IO_TYPE="LVCMOS33"),
        ),
    )  # fmt: skip
    connectors = ()


TANG_NANO_20K = Board(
    name="tang-nano-20k",
    title="Sipeed Tang Nano 20K",
    device=GW2AR_18,
    platform=TangNano20kPlatform,
    preset="gw2ar-18",
    clock="clk27",
    clock_mhz=27,
    core_mhz=99,
    leds=("led.0", "led.1", "led.2", "led.3"),
    error_led="led.5",
    flash=Flash(bytes=8 << 20, data_offset=0xE0000, resource="spi_flash_2x"),
    packer=("-d", "GW2A-18C", "--sspi_as_gpio", "--mspi_as_gpio"),
    loader=("--board", "tangnano20k"),
)
