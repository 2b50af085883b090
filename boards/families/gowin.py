"""Gowin LittleBee and Arora: yosys, nextpnr-himbaechel-gowin, gowin_pack (Project Apicula).

Arora V is in ``gw5a.py``.

To beware of:

- The PLL and the packer have names of their own for a part: ``series`` of a device here, and
  ``-d`` among a recipe's ``packer``.
- The flash's pins are the configuration's: the packer frees them with ``--mspi_as_gpio`` and
  ``--sspi_as_gpio``, which a recipe names.
- Data go to the flash outside: some parts have another one inside, which openFPGALoader would take.
"""

from dataclasses import dataclass
from types import MappingProxyType

from amaranth.hdl import Instance, Signal
from amaranth.lib import io

from popflip.boards.families.family import (
    BLOCK_18K,
    Device,
    Family,
    Pll,
    Program,
    Weights,
    closest_pll,
)

__all__ = ["GOWIN", "GW1NR_9", "GW2AR_18", "GowinDevice", "GowinFamily"]


class GowinFamily(Family):
    """LittleBee and Arora, and what later families of Gowin have in common with them."""

    name = "gowin"
    title = "Gowin"
    programs = (
        Program("nextpnr-himbaechel-gowin"),
        Program("gowin_pack", "apycula", portable=True),
    )
    synth = "synth_gowin"
    pass_writes_netlist = True
    constraints = ".cst"
    place_options = ("--vopt", "cst=top.cst", "--write", "top.routed")
    suffix = ".fs"
    cells = MappingProxyType({"lut": ("LUT4", "ALU"), "ff": ("DFF",), "block": ("BSRAM",)})
    memories = ("SDPB", "SDPX9B", "DPB", "DPX9B", "SPX9", "SP")
    shapes = BLOCK_18K
    distributed = 24
    # Lies between memories that became block RAMs and memories that did not.
    block_cost = 1536
    # Least squares over six networks, synthesized and packed; then scaled by 0.93 to the presets
    # that are routed.
    weights = Weights(
        base=0, arithmetic=0.91, compared=0.56, logic=0.465, shifted=0.68, multiplexed=0.237
    )
    data_options = ("--external-flash",)

    def pack(self, board):
        return [*board.packer, "-o", f"top{self.suffix}", "top.routed"]

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """An rPLL: ``clock * (FBDIV + 1) / (IDIV + 1)``."""
        found = []
        for i in range(64):
            if not 3 <= clock_mhz / (i + 1) <= 400:
                continue
            for fb in range(64):
                mhz = clock_mhz * (fb + 1) / (i + 1)
                for o in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                    if 500 <= mhz * o <= 1000:
                        found.append(Pll(mhz, {"IDIV_SEL": i, "FBDIV_SEL": fb, "ODIV_SEL": o}))
                        break
        return closest_pll(found, clock_mhz, core_mhz, self.title)

    def clock(self, m, board, pin, core_mhz, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        pll = self.pll(board.clock_mhz, core_mhz)
        m.submodules.pll = Instance(
            "rPLL",
            p_FCLKIN=f"{board.clock_mhz:g}",
            p_DEVICE=board.device.series,
            **pll.parameters,
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_SDIV_SEL=2,
            p_DYN_DA_EN="false",
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_CLKOUT_FT_DIR=1,
            p_CLKOUTP_FT_DIR=1,
            p_CLKOUT_DLY_STEP=0,
            p_CLKOUTP_DLY_STEP=0,
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            p_CLKOUTD_SRC="CLKOUT",
            p_CLKOUTD3_SRC="CLKOUT",
            i_CLKIN=buffer.i,
            i_CLKFB=0,
            i_RESET=0,
            i_RESET_P=0,
            i_FBDSEL=Signal(6),
            i_IDSEL=Signal(6),
            i_ODSEL=Signal(6),
            i_PSDA=Signal(4),
            i_DUTYDA=Signal(4),
            i_FDLY=Signal(4),
            o_CLKOUT=clk,
            o_LOCK=locked,
        )


GOWIN = GowinFamily()


@dataclass(frozen=True, kw_only=True)
class GowinDevice(Device):
    """A Gowin part.

    Parameters
    ----------
    series : str
        What the PLL is told that the part is.
    """

    series: str


GW1NR_9 = GowinDevice(
    part="GW1NR-LV9QN88PC6/I5",
    family=GOWIN,
    series="GW1NR-9C",
    options=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
    luts=8640,
    ffs=6480,
    blocks=26,
    dsps=20,
)
GW2AR_18 = GowinDevice(
    part="GW2AR-LV18QN88C8/I7",
    family=GOWIN,
    series="GW2AR-18C",
    options=("--device", "GW2AR-LV18QN88C8/I7", "--vopt", "family=GW2A-18C"),
    luts=20736,
    ffs=15552,
    blocks=46,
    dsps=48,
)
