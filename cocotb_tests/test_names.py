"""Two different networks, and one of them twice, in one design."""

import subprocess

import pytest

from popflip.boards.build.toolchain import find_tool
from popflip.boards.host.machine import cached_verilog
from popflip.cocotb_tests.cosim import differences, initial, train_golden, train_steps
from popflip.cocotb_tests.simulators import build, play
from popflip.cocotb_tests.test_buses import TINY
from popflip.cocotb_tests.test_core import random_samples
from popflip.golden.description.bus import BusMap

OTHER = TINY.replace(network={"hidden": [4]}, learning={"tau": [1, 2]})

# Long enough for two busy cores.
pytestmark = pytest.mark.timeout(900)

#: Each machine's module, and its network.
MACHINES = (("left", TINY), ("right", OTHER), ("left", TINY))

BITS = max(BusMap(params, "wishbone").address_bits for _, params in MACHINES)

_INSTANCE = """
  wire cyc{i} = wb_cyc & wb_adr[{high}:{low}] == {i};
  wire ack{i}, err{i}, stall{i}, irq{i};
  wire [31:0] dat_r{i};
  {module} machine{i} (
    .clk(clk), .rst(rst), .wb_cyc(cyc{i}), .wb_stb(wb_stb), .wb_we(wb_we),
    .wb_adr(wb_adr[{top}:0]), .wb_sel(wb_sel), .wb_dat_w(wb_dat_w), .wb_dat_r(dat_r{i}),
    .wb_ack(ack{i}), .wb_err(err{i}), .wb_stall(stall{i}), .irq(irq{i})
  );
"""

_SOC = """
module soc(clk, rst, wb_cyc, wb_stb, wb_we, wb_adr, wb_sel, wb_dat_w, wb_dat_r, wb_ack, wb_err, \
wb_stall, irq);
  input clk, rst, wb_cyc, wb_stb, wb_we;
  input [{high}:0] wb_adr;
  input [3:0] wb_sel;
  input [31:0] wb_dat_w;
  output [31:0] wb_dat_r;
  output wb_ack, wb_err, wb_stall, irq;
{instances}
  assign wb_dat_r = ack0 ? dat_r0 : ack1 ? dat_r1 : dat_r2;
  assign wb_ack = ack0 | ack1 | ack2;
  assign wb_err = err0 | err1 | err2;
  assign wb_stall = stall0 | stall1 | stall2;
  assign irq = irq0 | irq1 | irq2;
endmodule
"""


def verilog():
    """A design with three machines, each at addresses of its own."""
    low = BITS - 2
    instances = "".join(
        _INSTANCE.format(
            i=i,
            module=module,
            low=low,
            high=low + 1,
            top=BusMap(params, "wishbone").address_bits - 3,
        )
        for i, (module, params) in enumerate(MACHINES)
    )
    texts = {name: cached_verilog(params, "wishbone", name) for name, params in MACHINES}
    return "".join(texts.values()) + _SOC.format(instances=instances, high=low + 1)


@pytest.mark.parametrize(
    "simulator",
    ["icarus", pytest.param("verilator", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])],
)
def test_each_learns_by_itself(simulator):
    steps: list = [("params", TINY), ("manner", True)]
    wanted = []
    for i, (_, params) in enumerate(MACHINES):
        samples = random_samples(params, i, 2)
        model = initial(params, i)
        steps += [("design", params, i << BITS), *train_steps(model, *samples)[1:]]
        wanted.append(train_golden(model, *samples))
    results = play(build(simulator, "soc", verilog()), "tb_wishbone", steps, seconds=800)
    each = len(results) // len(MACHINES)
    for i, (_, params) in enumerate(MACHINES):
        assert differences(params, results[i * each : (i + 1) * each], wanted[i]) == []


def test_yosys_takes_them_together(tmp_path):
    (tmp_path / "soc.v").write_text(verilog())
    script = "read_verilog soc.v; hierarchy -check -top soc; proc; check -assert"
    run = subprocess.run(
        [find_tool("yosys", "yowasp").path, "-q", "-p", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert run.returncode == 0, run.stderr
