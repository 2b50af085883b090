"""Our model of ECP5's block RAM against the memories that yosys makes such blocks of."""

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


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{1 << shape[0]}x{shape[1]}")
def test_the_block_ram_of_ecp5(shape, tmp_path):
    board = BOARDS["ulx3s-12f"]
    address, width, part = shape
    words = {"address": address, "width": width, "part": part, "enables": width // part}
    memory = MEMORY.format(name="ram", **words)
    (tmp_path / "ram.v").write_text(memory)
    (tmp_path / "ram.ys").write_text(
        # As the flow has it: a read of what is written at once means nothing.
        "read_verilog ram.v\nproc\nopt\nmemory_dff\nsetparam -set COLLISION_X_MASK "
        f"{width // part}'b{'1' * (width // part)} t:$memrd_v2\n"
        "synth_ecp5 -top ram -json top.json\nselect -assert-count 1 t:DP16KD\n"
        "select -assert-count 0 t:TRELLIS_DPR16X4\n"
    )
    yosys = toolchain(board.device.family)[0]
    subprocess.run([yosys.path, "-q", "ram.ys"], cwd=tmp_path, check=True)
    netlist = flatten(board, tmp_path, "ram").replace("module ram(", "module ram_netlist(")
    (tmp_path / "bench.v").write_text(memory + netlist + BENCH.format(name="ram", **words))
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v"], cwd=tmp_path, check=True)
    run = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, capture_output=True, text=True)
    wrong, _, reads = run.stdout.split("\n")[0].split()
    assert int(reads) > 15000
    assert wrong == "0"
