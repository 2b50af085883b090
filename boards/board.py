"""What a board is: the device on it, its pins, its clock, how it is programmed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from popflip.boards.build.flash_pins import PINS_DELAY
from popflip.boards.families.family import Device
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.rtl.interface import check_hardware

__all__ = ["Board", "Flash"]

#: How far the serial line's rate may be from what its name says, in percent.
BAUD_TOLERANCE = 2.0


@dataclass(frozen=True, kw_only=True)
class Flash:
    """The SPI flash that configures a board, and that data may lie in behind the bitstream.

    Parameters
    ----------
    bytes : int
        Its size.
    data_offset : int
        Where data begin: a multiple of 64 KiB, the largest block that is erased at once, behind
        the longest bitstream of the device.
    resource : str
        The platform's resource with its pins, as :class:`popflip.boards.build.flash_pins.FlashPins`
        takes them; empty if they are not wired to the design.
    lines : {"dual", "quad"}
        Data lines that the board wires.
    mhz : float
        The fastest clock that the flash is read at. There and back it takes the FPGA's output, the
        flash's answer (6 to 8 ns) and the FPGA's input, which no tool adds up.
    """

    bytes: int
    data_offset: int
    resource: str
    lines: Literal["dual", "quad"] = "dual"
    mhz: float = 50

    def __post_init__(self):
        if self.data_offset % 0x10000:
            raise InputError(
                f"data_offset must be a multiple of 65536, not {self.data_offset}"
            )  # fmt: skip
        if not 0 < self.data_offset < self.bytes:
            raise InputError(
                f"data_offset must be 1 to {self.bytes - 1}, within the flash, "
                f"not {self.data_offset}"
            )

    def divider(self, core_mhz: float, *, registers: bool = True) -> int:
        """Return the clock cycles of a machine per clock of the flash: 1, or the least even number.

        Parameters
        ----------
        core_mhz : float
            The machine's clock.
        registers : bool
            Whether there are registers in the pins, without which 1 is too fast.
        """
        least = max(1 if registers else 2, math.ceil(core_mhz / self.mhz))
        return least if least == 1 else least + least % 2


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board that the machine can run on.

    Parameters
    ----------
    name : str
        What the commands call it.
    title : str
        What its maker calls it.
    device : Device
    platform : callable
        Without arguments; returns a new Amaranth platform with the resources named here.
    preset : str
        The network that it is meant for.
    clock : str
        The platform's resource of the board's oscillator.
    clock_mhz : float
        Its frequency.
    core_mhz : float
        The machine's. Made by a PLL, unless it is ``clock_mhz``.
    pll : str
        Which of :attr:`~popflip.boards.families.family.Family.plls` it is; the usual one if empty.
    baud : int
        Bits per second of the host link.
    leds : tuple of str
        Resources, such as ``led.0`` or ``rgb_led.0.g``: the first is lit while a run is on. Of a
        standalone machine it blinks then, and the next ones count its eighths.
    error_led : str
        Likewise: lit after a host's request that failed, and if the flash holds no data set.
    inactive : tuple of str
        Outputs that have to be driven, and to their inactive level.
    flash : Flash, optional
    synthesis : str
        Further options of yosys's pass for the device.
    placer : tuple of str
        Further options of the placer.
    seed : int
        Of its random numbers, in the first placement that is tried.
    packer : tuple of str
        Further options of the packer.
    loader : tuple of str
        Options by which openFPGALoader knows the board; empty if it does not.
    bootloader : bool
        Whether a USB bootloader in the FPGA itself configures the board: there is no cable to look
        for, and it takes bitstreams only, no data.
    former : tuple of str
        Names that the board had in the last version. They still find it, with a notice.
    notes : tuple of str
        What a user has to know, one sentence each.

    Raises
    ------
    ValueError
        If the UART's rate cannot be made from the clock, or the family has no such PLL.
    """

    name: str
    title: str
    device: Device
    platform: Callable
    preset: str
    clock: str
    clock_mhz: float
    core_mhz: float
    pll: str = ""
    baud: int = 1_000_000
    leds: tuple[str, ...] = ()
    error_led: str = ""
    inactive: tuple[str, ...] = ()
    flash: Flash | None = None
    synthesis: str = ""
    placer: tuple[str, ...] = ()
    seed: int = 1
    packer: tuple[str, ...] = ()
    loader: tuple[str, ...] = ()
    bootloader: bool = False
    former: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        self.uart_divisor(self.core_mhz)
        plls = self.device.family.plls
        if self.pll and self.pll not in plls:
            raise InputError(
                f"pll must be {' or '.join(plls) or 'empty'} for {self.device.part}, "
                f"not {self.pll!r}"
            )

    def uart_divisor(self, core_mhz: float) -> int:
        """Clock cycles per bit of the host link.

        Parameters
        ----------
        core_mhz : float
            The machine's clock.

        Raises
        ------
        ValueError
            If the rate would be off by more than :data:`BAUD_TOLERANCE` percent.
        """
        exact = core_mhz * 1e6 / self.baud
        divisor = round(exact)
        if divisor < 4 or abs(divisor / exact - 1) * 100 > BAUD_TOLERANCE:
            near = max(4, math.ceil(exact)) * self.baud / 1e6
            raise InputError(
                f"core_mhz must be near a multiple of {self.baud / 1e6:g} for {self.baud} baud "
                f"(and at least 4 of it), such as {near:g}, not {core_mhz:g}"
            )
        return divisor

    def line_rate(self, core_mhz: float) -> int:
        """Bits per second that the host link really has, of a machine's clock."""
        return round(core_mhz * 1e6 / self.uart_divisor(core_mhz))

    def params(self, params: Params, core_mhz: float | None = None) -> Params:
        """Return parameters as this board runs them: its serial line, and its flash.

        With ``standalone.flash`` of ``auto`` the machine is a standalone one wherever
        :meth:`obstacle` finds nothing against it, at the fastest clock of the flash; named lines
        keep their divider.
        Where the data begin, and the registers in the pins, are the board's in any case.

        Parameters
        ----------
        params : Params
        core_mhz : float, optional
            The machine's clock, if not the board's own.

        Raises
        ------
        ValueError
            If ``standalone.flash`` names lines that the board does not wire to the design.
        """
        core_mhz = self.core_mhz if core_mhz is None else core_mhz
        params = params.replace(machine={"uart_divisor": self.uart_divisor(core_mhz)})
        flash, wanted = self.flash, params.standalone.flash
        if wanted == "none" or (wanted == "auto" and self.obstacle(params)):
            return params.replace(standalone={"flash": "none"})
        if flash is None or not flash.resource:
            raise InputError(
                f"standalone.flash must be auto or none for {self.name}, whose flash is not wired "
                f"to the design, not {wanted}"
            )
        if wanted == "quad" and flash.lines != "quad":
            raise InputError(
                f"standalone.flash must be auto, none, single or dual for {self.name}, which wires "
                "two lines, not quad"
            )
        auto, registers = wanted == "auto", self.device.family.pin_registers
        divider = params.standalone.flash_divider
        if auto:
            divider = flash.divider(core_mhz, registers=registers)
        elif divider == 1 and not registers:
            raise InputError(
                f"standalone.flash_divider must be at least 2 for {self.name}, whose tools put no "
                "registers into pins, not 1"
            )
        return params.replace(
            standalone={
                "flash": flash.lines if auto else wanted,
                "flash_divider": divider,
                "flash_delay": PINS_DELAY if divider == 1 else 0,
                "flash_base": flash.data_offset,
            }
        )

    def obstacle(self, params: Params) -> str | None:
        """Why a network's machine cannot be standalone here, one clause; None if it can.

        Parameters
        ----------
        params : Params
        """
        if params.standalone.flash == "none":
            return "standalone.flash is none"
        if self.flash is None or not self.flash.resource:
            return "the board's flash is not wired to the design"
        try:
            check_hardware(params.replace(standalone={"flash": self.flash.lines}))
        except ValueError as error:
            return str(error)
        return None
