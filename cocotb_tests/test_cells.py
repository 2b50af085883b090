"""Our models of block RAMs against the memories that yosys makes such blocks of."""

import subprocess

import pytest

from popflip.boards.build.toolchain import toolchain
from popflip.boards.registry import BOARDS
from popflip.cocotb_tests.netlist import flatten

# A first call of yosys compiles it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

#: Bits of an address and of a word, and how many of these a write enable is for: all widths that
#: the block has.
SHAPES = [(9, 36, 9), (10, 18, 9), (11, 9, 9), (12, 4, 4), (13, 2, 2), (14, 1, 1)]

MEMORY = """
module {name} (
  input clock, read, input [{enables}-1:0] write, input [{address}-1:0] from, to,
  input [{width}-1:0] data, output reg [{width}-1:0] out
);
  reg [{width}-1:0] memory [0:(1<<{address})-1];
  integer i;
  initial for (i = 0; i < 1 << {address}; i = i + 1) memory[i] = (i + 1) * 36'h9e3779b97 >> 13;
  always @(posedge clock) begin
    for (i = 0; i < {enables}; i = i + 1)
      if (write[i]) memory[to][i*{part} +: {part}] <= data[i*{part} +: {part}];
    if (read) out <= memory[from];
  end
endmodule
"""

BENCH = """
module bench;
  reg clock = 0, read = 0, was_read = 0;
  reg [{enables}-1:0] write = 0;
  reg [{address}-1:0] from = 0, to = 0;
  reg [{width}-1:0] data = 0;
  wire [{width}-1:0] wanted, got;
  integer wrong = 0, reads = 0;
  {name} memory (clock, read, write, from, to, data, wanted);
  {name}_netlist netlist (clock, read, write, from, to, data, got);
  always #5 clock = ~clock;
  always @(negedge clock) begin
    if (was_read) begin
      reads = reads + 1;
      if (got !== wanted) wrong = wrong + 1;
    end
    read = $urandom; write = $urandom; from = $urandom; to = $urandom;
    data = {{$urandom, $urandom}};
    // Few enough addresses to meet again; both ports at one have no meaning.
    if ($urandom & 1) begin from = from % 8; to = to % 8; end
    if (from == to) read = 0;
    was_read = read;
  end
  initial #400000 begin $display("%0d of %0d", wrong, reads); $finish; end
endmodule
"""


#: Reads by a port that is cleared while it reads nothing.
CLEARED = MEMORY.replace("if (read) out <=", "out <= 0;\n    if (read) out <=")


def wrong_reads(board, memory, words, cells, folder, bench=BENCH):
    """Count what the netlist of a memory reads otherwise than the memory, and all reads.

    ``cells`` are yosys's names for one block RAM, which the netlist must consist of.
    """
    (folder / "ram.v").write_text(memory)
    enables = words["enables"]
    (folder / "ram.ys").write_text(
        # As the flow has it: a read of what is written at once means nothing.
        "read_verilog ram.v\nproc\nopt\nmemory_dff\nsetparam -set COLLISION_X_MASK "
        f"{enables}'b{'1' * enables} t:$memrd_v2\n"
        f"{board.device.family.synth} -top ram -json top.json\n"
        f"select -assert-count 1 {' '.join(f't:{cell}' for cell in cells)}\n"
        "select -assert-count 0 t:TRELLIS_DPR16X4 t:RAM16*\n"
    )
    yosys = toolchain(board.device.family)[0]
    subprocess.run([yosys.path, "-q", "ram.ys"], cwd=folder, check=True)
    netlist = flatten(board, folder, "ram").replace("module ram(", "module ram_netlist(")
    (folder / "bench.v").write_text(memory + netlist + bench.format(name="ram", **words))
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v"], cwd=folder, check=True)
    run = subprocess.run(["vvp", "bench"], cwd=folder, check=True, capture_output=True, text=True)
    wrong, _, reads = run.stdout.split("\n")[0].split()
    return int(wrong), int(reads)


def words_of(address, width, part):
    return {"address": address, "width": width, "part": part, "enables": width // part}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{1 << shape[0]}x{shape[1]}")
@pytest.mark.parametrize(
    ("name", "cells"),
    [("ulx3s-12f", ["DP16KD"]), ("tang-primer-25k", ["SDPX9B", "SDPB", "DPX9B", "DPB"])],
    ids=["ecp5", "gw5a"],
)
def test_the_block_ram(name, cells, shape, tmp_path):
    words = words_of(*shape)
    memory = MEMORY.format(name="ram", **words)
    wrong, reads = wrong_reads(BOARDS[name], memory, words, cells, tmp_path)
    assert reads > 15000
    assert wrong == 0


def test_a_port_that_the_block_ram_clears_is_noticed(tmp_path):
    """Yosys's issue 6163: boards read other words then, and so does our model.

    Each cycle is looked at, as the port shows something in each.
    """
    words = words_of(9, 36, 36)
    memory = CLEARED.format(name="ram", **words)
    board = BOARDS["tang-primer-25k"]
    always = BENCH.replace("if (was_read)", "if (1)")
    wrong, cycles = wrong_reads(board, memory, words, ["SDPX9B"], tmp_path, always)
    assert wrong > cycles // 4
