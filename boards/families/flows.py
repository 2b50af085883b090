"""From RTLIL to a bitstream, one flow for each family of FPGAs: which tools, with which words.

Each flow is yosys, nextpnr and a packer. Names of files are relative to the folder that a step runs
in, which WebAssembly builds of the tools need: they see no other way into ``/tmp``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from popflip.boards.board import Board

__all__ = ["FLOWS", "SINGLE_PORT", "UNSHARED", "Flow"]

#: Modules, by the end of their names, whose memories never read and write one address in the same
#: cycle: tests watch their ports. Yosys then adds no logic that makes such a read return the old
#: word. The other memories are the host's results and sample slots, which it may read while the
#: machine writes them.
UNSHARED = (
    "core.memory*",  # weights and latents
    "core.latents*",
    "core.path.sample*",
    "core.path.lists",
    "core.path.items",
    "core.*.relax.queue",
    "core.counters.bank",
    "core.update*",
    "link.server.receiver",
    "link.server.encoder",
)

#: Yosys ties the carry input that begins a chain to a constant, which nextpnr refuses: a techmap
#: that leaves it open.
_OPEN_CARRY = """
(* techmap_celltype = "CCU2" *)
module open_carry(A0, B0, C0, D0, A1, B1, C1, D1, CIN, S0, S1, COUT);
parameter INJECT = "YES", INIT0 = "0x0000", INIT1 = "0x0000", _TECHMAP_CONSTMSK_CIN_ = 0;
input A0, B0, C0, D0, A1, B1, C1, D1, CIN;
output S0, S1, COUT;
wire _TECHMAP_FAIL_ = !_TECHMAP_CONSTMSK_CIN_;
CCU2 #(.INJECT(INJECT), .INIT0(INIT0), .INIT1(INIT1)) _TECHMAP_REPLACE_ (
    .A0(A0), .B0(B0), .C0(C0), .D0(D0), .A1(A1), .B1(B1), .C1(C1), .D1(D1),
    .S0(S0), .S1(S1), .COUT(COUT));
endmodule
"""

#: Modules whose memories have one port, and no content at the start, as single-port RAM has none.
SINGLE_PORT = "core.latents*"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The steps of one family.

    Parameters
    ----------
    name : str
    synth : str
        Yosys's pass, without its options.
    placer : str
        The nextpnr program.
    packer : str
        What turns a routed design into a bitstream.
    constraints : str
        Suffix of the platform's file of pins.
    suffix : str
        Of the bitstream.
    cells : mapping of str to tuple of str
        Kinds of cells in nextpnr's report, by what they are to us: ``lut``, ``ff``, ``block``,
        ``spram``, ``dsp``. Several share the sites of the first.
    memories : tuple of str
        Yosys's cells that are block RAMs.
    table_memories : bool
        Whether look-up tables can be memories: shallow ones are put there.
    mapping : str
        Of the scripts that yosys has for ABC9, the one that maps to look-up tables; its own choice
        if empty. ``flow2`` needs 2% fewer for iCE40 than that.
    techmap : str
        Verilog that replaces cells before yosys maps the last ones to the device's; none if empty.
    """

    name: str
    synth: str
    placer: str
    packer: str
    constraints: str
    suffix: str
    cells: Mapping[str, tuple[str, ...]]
    memories: tuple[str, ...]
    table_memories: bool = False
    mapping: str = ""
    techmap: str = ""

    @property
    def tools(self) -> tuple[str, str, str]:
        """Programs in the order of their use."""
        return "yosys", self.placer, self.packer

    def script(self, board: Board, top: str = "top", machine: str = "top.machine.") -> str:
        """Yosys's script: ``top.il`` to ``top.json``, with its statistics in ``stat.json``.

        Parameters
        ----------
        board : Board
        top : str
            Name of the top module.
        machine : str
            What stands before the names of the machine's modules.
        """
        masks = "\n".join(
            f"setparam -set COLLISION_X_MASK 1'b1 {machine}{name}/t:$memrd_v2" for name in UNSHARED
        )
        # ABC9 numbers the bits of a wire like Amaranth the elements of an array: where both are
        # called `old[36]` they would become one net.
        hidden = r"w:*\[*\]"
        json = " -json top.json" if self.name == "gowin" else ""
        last = "" if json else "write_json top.json\n"
        spram = board.device.spram
        tables = 'setattr -set ram_style "distributed" a:shallow\n' if self.table_memories else ""
        mapping = self.mapping
        choose = f"scratchpad -copy abc9.script.{mapping} abc9.script\n" if mapping else ""
        forget = f"delete {machine}{SINGLE_PORT}/t:$meminit_v2\n" if spram else ""
        options = [board.synthesis, "-spram" if spram else "", f"-top {top}{json}"]
        synth = " ".join([self.synth, *filter(None, options)])
        replacements = ""
        if self.techmap:
            replacements = f"read_verilog <<END{self.techmap}END\ndesign -stash replacements\n"
            replace = "techmap -max_iter 1 -map %replacements"
            synth = f"{synth} -run begin:map_cells\n{replace}\n{synth} -run map_cells:"
        return (
            f"{replacements}"
            f"read_rtlil top.il\n"
            f"delete w:$verilog_initial_trigger\n"
            f"rename -hide {hidden}\n"
            f"{masks}\n"
            f"{forget}"
            f"{tables}"
            f"{choose}"
            f"{synth}\n"
            f"check -assert\n"
            f"tee -q -o stat.json stat -json -top {top}\n"
            f"{last}"
        )

    def place(self, board: Board, seed: int, core_mhz: float) -> list[str]:
        """Arguments of the placer: ``top.json`` to ``top.routed``, with ``report.json``."""
        return [
            *board.device.options,
            *board.placer,
            *("--json", "top.json", "--report", "report.json", "--log", "place.log", "--quiet"),
            *("--seed", str(seed), "--freq", f"{core_mhz:g}", "--timing-allow-fail"),
            *{
                "ice40": ("--pcf", "top.pcf", "--asc", "top.routed"),
                # The default router does not come to an end on a device whose block RAMs are full.
                "ecp5": ("--lpf", "top.lpf", "--textcfg", "top.routed", "--router", "router2"),
                "gowin": ("--vopt", "cst=top.cst", "--write", "top.routed"),
                # The default router finds no way from a clock's pin.
                "nexus": ("--pdc", "top.pdc", "--fasm", "top.routed", "--router", "router1"),
            }[self.name],
        ]

    def pack(self, board: Board) -> list[str]:
        """Arguments of the packer: ``top.routed`` to the bitstream ``top`` + :attr:`suffix`."""
        out = f"top{self.suffix}"
        return {
            "ice40": [*board.packer, "top.routed", out],
            "ecp5": [*board.packer, "--input", "top.routed", "--bit", out],
            "gowin": [*board.packer, "-o", out, "top.routed"],
            "nexus": ["pack", *board.packer, "top.routed", out],
        }[self.name]


def _flow(**values) -> Flow:
    return Flow(**values | {"cells": MappingProxyType(values["cells"])})


#: By the name that :class:`~popflip.boards.board.Device` gives.
FLOWS = {
    flow.name: flow
    for flow in (
        _flow(
            name="ice40",
            synth="synth_ice40",
            placer="nextpnr-ice40",
            packer="icepack",
            constraints=".pcf",
            suffix=".bin",
            cells={
                "lut": ("ICESTORM_LC",), "block": ("ICESTORM_RAM",), "spram": ("ICESTORM_SPRAM",),
                "dsp": ("ICESTORM_DSP",),
            },
            memories=("SB_RAM40_4K",),
            mapping="flow2",
        ),
        _flow(
            name="ecp5",
            synth="synth_ecp5",
            placer="nextpnr-ecp5",
            packer="ecppack",
            constraints=".lpf",
            suffix=".bit",
            cells={
                "lut": ("TRELLIS_COMB",), "ff": ("TRELLIS_FF",), "block": ("DP16KD",),
                "dsp": ("MULT18X18D",),
            },
            memories=("DP16KD", "PDPW16KD"),
            table_memories=True,
        ),
        _flow(
            name="gowin",
            synth="synth_gowin",
            placer="nextpnr-himbaechel-gowin",
            packer="gowin_pack",
            constraints=".cst",
            suffix=".fs",
            cells={"lut": ("LUT4", "ALU"), "ff": ("DFF",), "block": ("BSRAM",)},
            memories=("SDPB", "SDPX9B", "DPB", "DPX9B", "SPX9", "SP"),
        ),
        _flow(
            name="nexus",
            synth="synth_nexus",
            placer="nextpnr-nexus",
            packer="prjoxide",
            constraints=".pdc",
            suffix=".bit",
            cells={"lut": ("OXIDE_COMB",), "ff": ("OXIDE_FF",), "block": ("OXIDE_EBR",)},
            memories=("PDPSC16K", "PDP16K", "DP16K"),
            table_memories=True,
            techmap=_OPEN_CARRY,
        ),
    )
}  # fmt: skip
