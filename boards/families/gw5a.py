"""Gowin Arora V (GW5A): yosys, nextpnr-himbaechel-gowin, gowin_pack (Project Apicula).

To beware of:

- A block RAM is 18 bits wide at most: nextpnr makes two of each that yosys makes 36 bits wide.
- Where a design clears what a port has read, yosys takes the block RAM's ``RESET``, and a board has
  read other words then (yosys's issue 6163). Tests see that no netlist of ours does.
- Sipeed's page of the Tang Primer 25K says that version A of the GW5A-25 has no memory in its
  tables, and Apicula's processors for it do without: ``-nolutram``.
- nextpnr knows no PLL of the GW5AST-138C (``no BELs remaining to implement cell type 'PLL'``): it
  runs at the clock of its board.
- gowin_pack takes the dividers of outputs of a PLLA that are not used for numbers in base 2 where a
  netlist does not name them, and 8 is none: they are named.
- The GW5A-25A's pins ``SSPI`` and ``CPU`` are the board's clock: both are freed for the design.
"""

from dataclasses import dataclass

from amaranth.hdl import Const, Instance
from amaranth.lib import io
from amaranth.vendor import GowinPlatform

from popflip.boards.families.family import Device, Pll, closest_pll
from popflip.boards.families.gowin import GOWIN, GowinFamily
from popflip.golden.support.errors import InputError

__all__ = ["GW5A", "GW5AST_138C", "GW5A_25A", "Gw5aDevice", "Gw5aPlatform"]


class _Gw5a(GowinFamily):
    name = "gw5a"
    title = "GW5A"
    synth = "synth_gowin -family gw5a -nolutram"
    # IOBUF's model there drives its input: only tests at pins without a flash take it.
    cell_models = "read_verilog +/gowin/cells_sim.v\ndelete =SP =SPX9 =TBUF\n"
    shapes = ((1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
    distributed = 0
    # Lies between a memory that became flip-flops and one that became a block RAM.
    block_cost = 136
    weights = GOWIN.weights

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """A PLLA: ``clock * MDIV / IDIV / ODIV0``, its oscillator near 1.2 GHz if that makes it."""
        pairs = [
            (clock_mhz * m / i, i, m)
            for i in range(1, 65)
            if 10 <= clock_mhz / i <= 400
            for m in range(2, 129)
            if 800 <= clock_mhz * m / i <= 1600
        ]
        pairs.sort(key=lambda pair: abs(pair[0] - 1200))
        found = [
            Pll(mhz / o, {"IDIV_SEL": i, "MDIV_SEL": m, "ODIV0_SEL": o})
            for mhz, i, m in pairs
            for o in range(1, 129)
        ]
        return closest_pll(found, clock_mhz, core_mhz, self.title)

    def clock(self, m, board, pin, core_mhz, clk, locked):
        if not board.device.pll:
            raise InputError(
                f"core_mhz must be the {board.clock_mhz:g} MHz of the board's clock for "
                f"{board.device.part}, whose PLL the tools do not know, not {core_mhz:g}"
            )
        m.submodules.pin = buffer = io.Buffer("i", pin)
        unused = range(1, 7)
        m.submodules.pll = Instance(
            "PLLA",
            p_FCLKIN=f"{board.clock_mhz:g}",
            p_FBDIV_SEL=1,
            **self.pll(board.clock_mhz, core_mhz).parameters,
            p_CLKOUT0_EN="TRUE",
            **{f"p_ODIV{n}_SEL": 8 for n in unused},
            **{f"p_CLKOUT{n}_EN": "FALSE" for n in unused},
            p_CLKFB_SEL="INTERNAL",
            i_CLKIN=buffer.i,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_PLLPWD=Const(0),
            i_RESET_I=Const(0),
            i_RESET_O=Const(0),
            i_PSSEL=Const(0, 3),
            i_PSDIR=Const(0),
            i_PSPULSE=Const(0),
            i_SSCPOL=Const(0),
            i_SSCON=Const(0),
            i_SSCMDSEL=Const(0, 7),
            i_SSCMDSEL_FRAC=Const(0, 3),
            i_MDCLK=Const(0),
            i_MDOPC=Const(0, 2),
            i_MDAINC=Const(0),
            i_MDWDI=Const(0, 8),
            o_CLKOUT0=clk,
            o_LOCK=locked,
        )


GW5A = _Gw5a()


class Gw5aPlatform(GowinPlatform):
    """A platform for parts whose names Amaranth does not take apart."""

    def parse_part(self):
        """Set what the platform's files name the device by."""
        self.series = "GW5A"


@dataclass(frozen=True, kw_only=True)
class Gw5aDevice(Device):
    """A part of Arora V.

    Parameters
    ----------
    pll : bool
        Whether the tools know its PLL.
    """

    pll: bool


GW5A_25A = Gw5aDevice(
    part="GW5A-LV25MG121NC1/I0",
    family=GW5A,
    options=("--device", "GW5A-LV25MG121NC1/I0", "--vopt", "sspi_as_gpio"),
    luts=23040,
    ffs=23040,
    blocks=56,
    dsps=28,
    pll=True,
)
GW5AST_138C = Gw5aDevice(
    part="GW5AST-LV138PG484AC1/I0",
    family=GW5A,
    options=("--device", "GW5AST-LV138PG484AC1/I0"),
    luts=138240,
    ffs=138240,
    blocks=340,
    dsps=298,
    pll=False,
)
