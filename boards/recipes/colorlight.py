"""What the Colorlight modules i5 and i9 have in common, on Muse Lab's extension board."""

from amaranth.build import Attrs, Clock, Connector, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform

__all__ = ["ColorlightPlatform"]


class ColorlightPlatform(LatticeECP5Platform):
    """Pins of a module. A subclass names its ``device`` and adds the pin of its light.

    The flash's clock is no pin of the design's.
    """

    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources: tuple[Resource, ...] = (
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), Attrs(IO_TYPE="LVCMOS33")),
        Resource(
            "uart", 0,
            Subsignal("rx", Pins("H18", dir="i")),
            Subsignal("tx", Pins("J17", dir="o")),
            Attrs(IO_TYPE="LVCMOS33"),
        ),
        Resource(
            "spi_flash_2x", 0,
            Subsignal("cs", PinsN("R2", dir="o")),
            Subsignal("dq", Pins("W2 V2", dir="io")),
            Attrs(IO_TYPE="LVCMOS33"),
        ),
    )  # fmt: skip
    connectors = (Connector("pmod", 0, "C17 B18 B20 F20 - - A18 A19 B19 D20 - -"),)

    @staticmethod
    def led(pin: str) -> Resource:
        """Return the resource of the module's light, which is lit by a low level."""
        return Resource("led", 0, PinsN(pin, dir="o"), Attrs(IO_TYPE="LVCMOS33"))
