"""A first test of a design, in Verilog: the machine answers with its identity.

The core alone has none, and answers with its settings.
"""

from popflip.boards.host.frames import encode_frame
from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTIFY_ANSWER, MAX_PAYLOAD, Status, Verb
from popflip.golden.description.registers import REGISTER_BYTES
from popflip.scripts.verbs.hardware.verilog.ports import Port

__all__ = ["bench"]

_BENCH = """\
// {heading}
//
// A first test: reset the machine, and see that it answers {said}.
`timescale 1ns / 1ps
module {name}_tb;
  reg clk = 0;
  reg rst = 1;
  always #5 clk = ~clk;

{declared}
  {name} machine (
{joined}
  );

  task fail(input string what);
    begin
      $display("{name}: %s", what);
      $fatal(1);
    end
  endtask
{tasks}
  initial begin
    repeat (4) @(negedge clk);
    rst = 0;
    repeat (4) @(negedge clk);
{steps}
    $display("{name}: the machine answers {said}");
    $finish;
  end

  initial begin
    #{limit} fail("no answer");
  end
endmodule
"""

#: How a 32-bit word at a byte address is read, by bus.
_READ = {
    "axi": """
  task check(input [31:0] address, input [31:0] wanted);
    begin
      s_axi_araddr = address;
      s_axi_arvalid = 1;
      s_axi_rready = 1;
      do @(posedge clk); while (!s_axi_arready);
      @(negedge clk) s_axi_arvalid = 0;
      while (!s_axi_rvalid) @(negedge clk);
      if (s_axi_rresp != 0 || s_axi_rdata != wanted) fail("another identity");
      @(negedge clk) s_axi_rready = 0;
    end
  endtask
""",
    "wishbone": """
  task check(input [31:0] address, input [31:0] wanted);
    begin
      wb_adr = address >> 2;
      wb_sel = 15;
      wb_cyc = 1;
      wb_stb = 1;
      do @(negedge clk); while (!wb_ack && !wb_err);
      if (wb_err || wb_dat_r != wanted) fail("another identity");
      wb_cyc = 0;
      wb_stb = 0;
      @(negedge clk);
    end
  endtask
""",
}

#: A byte to the machine, and one from it.
_SERIAL = """
  task send(input [7:0] value);
    integer i;
    begin
      rx = 0;
      repeat ({divisor}) @(negedge clk);
      for (i = 0; i < 8; i = i + 1) begin
        rx = value[i];
        repeat ({divisor}) @(negedge clk);
      end
      rx = 1;
      repeat ({divisor}) @(negedge clk);
    end
  endtask

  task check(input [7:0] wanted);
    integer i;
    reg [7:0] value;
    begin
      while (tx) @(negedge clk);
      repeat ({divisor} / 2) @(negedge clk);
      for (i = 0; i < 8; i = i + 1) begin
        repeat ({divisor}) @(negedge clk);
        value[i] = tx;
      end
      repeat ({divisor}) @(negedge clk);
      if (value != wanted) fail("another identity");
    end
  endtask
"""


#: Of the core alone: bit 0 of a command says that it writes, then come region and address.
_COMMANDS = """
  task check(input [23:0] address, input [31:0] wanted);
    begin
      host_command_payload = {address, 5'd0};
      host_command_valid = 1;
      #1 while (!host_command_ready) @(negedge clk);
      @(negedge clk) host_command_valid = 0;
      while (!host_reply_valid) @(negedge clk);
      if (host_reply_payload[31:0] !== wanted) fail("another setting");
    end
  endtask
"""


def bench(
    params: Params, bus: str, name: str, heading: str, ports: list[Port], identity: bytes
) -> str:
    """Write the test.

    Parameters
    ----------
    params, bus, name, heading, ports, identity
        The design, its front end, its name, a line of comment, its ports, its id.
    """
    said, cycles = "with its identity", 10_000
    if bus in _READ:
        tasks, registers = _READ[bus], BusMap(params, bus).registers
        words = [
            int.from_bytes(identity[at : at + REGISTER_BYTES], "little")
            for at in range(0, len(identity), REGISTER_BYTES)
        ]
        values = {f"id{i}": word for i, word in enumerate(words)}
        values["layout"] = registers["layout"].reset
        steps = [
            f"check(32'h{REGISTER_BYTES * registers[register].index:x}, 32'h{value:08x});"
            for register, value in values.items()
        ]
    elif bus == "uart":
        divisor = params.machine.uart_divisor
        tasks = _SERIAL.format(divisor=divisor)
        asked = encode_frame(1, Verb.IDENTIFY)
        answer = encode_frame(1, Status.OK, IDENTIFY_ANSWER.pack(identity, MAX_PAYLOAD))
        steps = [f"send(8'h{byte:02x});" for byte in b"\0" + asked]
        steps += [f"check(8'h{byte:02x});" for byte in answer]
        cycles += 20 * divisor * (len(asked) + len(answer))
    else:
        tasks, said = _COMMANDS, "with its settings"
        steps = ['if (host_busy !== 0 || host_run_ready !== 1) fail("it is not at rest");']
        steps += [
            f"check({register.index}, {register.reset});"
            for register in params.registers
            if register.writable and not register.command
        ]
    declared, joined = [], []
    for port in ports:
        width = f"[{port.width - 1}:0] " if port.width > 1 else ""
        if port.direction == "output":
            declared.append(f"  wire {width}{port.name};")
        elif port.name not in ("clk", "rst"):
            declared.append(f"  reg {width}{port.name} = {int(port.name == 'rx')};")
        joined.append(f"    .{port.name}({port.name}){'' if port is ports[-1] else ','}")
    return _BENCH.format(
        heading=heading,
        name=name,
        said=said,
        declared="\n".join(declared),
        joined="\n".join(joined),
        tasks=tasks,
        steps="\n".join(f"    {step}" for step in steps),
        limit=10 * cycles,
    )
