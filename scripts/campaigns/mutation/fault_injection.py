"""Netlists with faults in them, one of which can be switched on.

Yosys draws the faults (``mutate``): a bit of a cell's port that is inverted, stuck, or inverted
while another bit of the port is high, or low. All of them go into one netlist, each behind a
comparison with a number, so that it is compiled once. The number comes from the environment
variable :data:`FAULT` when a simulation begins; 0 is none of them.

The netlist keeps the hierarchy of the design, so that a fault has a place in it and lines of source
that it belongs to. The machine has no reset in it, as the virtual board ties it low: registers
begin at their initial values.
"""

import hashlib
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.boards.build.toolchain import Tool, find_tool
from popflip.boards.tools import ToolError, first_error, run_to_end
from popflip.golden.description.names import port_name
from popflip.golden.description.params import Params
from popflip.golden.support.cache import cache_folder, key_of, text_entry
from popflip.rtl.identity import identity, source_digest
from popflip.rtl.rtlil import member_name, to_rtlil
from popflip.rtl.top import Top

__all__ = ["FAULT", "Fault", "Netlist", "faulty_netlist", "is_no_fault"]

#: Environment variable: the number of the fault that is switched on.
FAULT = "POPFLIP_FAULT"

#: Faults that are drawn for each one wanted: some are dropped.
_SPARE = 2

# What nobody looks at, and what never changes, is removed first: no test could see a fault there.
_PREPARE = """\
read_rtlil design.il
hierarchy -top faulty
proc
opt
{opt_hier}
opt
{opt_hier}
wreduce
opt
{opt_hier}
opt_clean
write_rtlil netlist.il
mutate -list {count} -seed {seed} -o faults c:* t:$meminit* %d
"""

_INSERT = """\
read_rtlil netlist.il
script faults.ys
memory_collect
delete */s:0
write_verilog -noattr netlist.v
"""

# Verilator's own $c: C++ as it is.
_TOP = """\
module top ({ports});
  reg [{high}:0] fault;
  initial fault = $c32("[] {{ const char* n = std::getenv(\\"{variable}\\"); \
return n ? std::atoi(n) : 0; }}()");
{body}  faulty faulty ({pins});
endmodule
"""

# The store of a virtual board is never late, and always takes a request. Here it pauses: it holds
# back requests, and a byte until it has shown it.
_PAUSES = """\
  reg [15:0] lfsr = 16'hACE1;
  reg open = 1'b1;
  wire request_valid, data_ready, data_valid = store_data_valid & open;
  assign store_request_valid = request_valid & lfsr[3];
  assign store_data_ready = data_ready & open;
  always @(posedge clk) begin
    lfsr <= {lfsr[14:0], lfsr[15] ^ lfsr[13] ^ lfsr[12] ^ lfsr[10]};
    if (!open | data_valid & data_ready) open <= lfsr[0] | lfsr[7] | lfsr[9];
  end
"""

#: Pins of the netlist that the pauses stand before.
_PAUSED = {
    "store_request_valid": "request_valid",
    "store_request_ready": "store_request_ready & lfsr[3]",
    "store_data_valid": "data_valid",
    "store_data_ready": "data_ready",
}

# The part with and without the fault, side by side. Registers and the parts within it are opened:
# whatever they hold or say, and whatever comes in, the same goes out and into them.
_PROVE = """\
read_rtlil netlist.il
hierarchy -top {module}
copy {module} gate
rename {module} gold
{command}
select gold gate
memory
opt_dff
opt_expr
dffunmap
simplemap t:$dff
splitnets
opt_clean
select -clear
expose -dff -shared -evert -evert-dff gold gate
miter -equiv -flatten -make_assert gold gate miter
hierarchy -top miter
opt
sat -verify -prove-asserts -timeout {seconds} miter
"""


@dataclass(frozen=True)
class Fault:
    """A fault in a netlist.

    Parameters
    ----------
    number : int
        That switches it on, at least 1.
    module : str
        Path of the part of the design, such as ``core.update0``.
    file : str
        Source file of that part, such as ``rtl/layers/update.py``.
    what : str
        What is wrong: yosys's mode, the cell, its port and the bit.
    source : str
        Lines of source that the place belongs to, as far as they are known.
    command : str
        Yosys's command that inserts it.
    """

    number: int
    module: str
    file: str
    what: str
    source: str
    command: str


@dataclass(frozen=True)
class Netlist:
    """A machine with faults that can be switched on.

    Parameters
    ----------
    verilog : str
        For the virtual board.
    faults : tuple of Fault
        Numbered from 1 on.
    rtlil : str
        The netlist before any fault.
    """

    verilog: str
    faults: tuple[Fault, ...]
    rtlil: str

    @property
    def digest(self) -> str:
        """Digest of the hardware before any fault, wherever its source lies."""
        lines = self.rtlil.splitlines()
        kept = [line for line in lines if not line.lstrip().startswith(("attribute ", "#"))]
        return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


class _Unreset(wiring.Component):
    """A machine that is never reset."""

    def __init__(self, top: Top):
        self._top = top
        super().__init__({"clk": In(1), "pins": Out(top.signature)})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.submodules.top = self._top
        connect(m, self._top, flipped(self.pins))
        m.d.comb += sync.clk.eq(self.clk)
        return m


def faulty_netlist(params: Params, count: int, seed: int) -> Netlist:
    """Draw faults in the netlist of a machine, or find those drawn earlier.

    Parameters
    ----------
    params : Params
    count : int
        Faults to draw, spread over modules, cells and lines of source by yosys.
    seed : int

    Raises
    ------
    ToolError
        If there is no yosys, or it fails.
    """
    yosys = _yosys()
    # Faults belong to lines of source: the sources count, not only the netlist.
    made_from = source_digest(), params.digest
    parts = [*made_from, str(count), str(seed), str(yosys), _PREPARE, _INSERT, _TOP]
    key = key_of(*parts, Path(__file__).read_bytes())
    folder = cache_folder() / "faults" / key
    kept = json.loads(
        text_entry(folder, lambda: json.dumps(asdict(_draw(params, count, seed, yosys))))
    )
    faults = tuple(Fault(**fault) for fault in kept["faults"])
    return Netlist(kept["verilog"], faults, kept["rtlil"])


def is_no_fault(netlist: Netlist, fault: Fault, seconds: int = 20) -> bool:
    """Try to prove that a fault changes nothing that leaves its part of the design.

    Parameters
    ----------
    netlist : Netlist
    fault : Fault
        One of its faults.
    seconds : int
        That the solver has.

    Returns
    -------
    bool
        False if it does, or if no proof was found: the part is taken by itself, whatever its
        neighbours would never do.
    """
    with tempfile.TemporaryDirectory(prefix="popflip-") as name:
        work = Path(name)
        (work / "netlist.il").write_text(netlist.rtlil)
        module = _options(fault.command)["module"]
        command = fault.command.partition(" -src")[0].replace(
            f" -module {module} ", " -module gate "
        )
        script = _PROVE.format(module=module, command=command, seconds=seconds)
        try:
            _run(_yosys(), script, work)
        except ToolError:
            return False
        return True


def _yosys() -> Tool:
    found = [find_tool("yosys", source) for source in ("yowasp", "native")]
    for tool in found:
        if isinstance(tool, Tool):
            return tool
    raise ToolError(f"missing programs: {found[0]}")


def _draw(params: Params, count: int, seed: int, yosys: Tool) -> Netlist:
    top = Top(params, identity(params))
    design = _marked(to_rtlil(_Unreset(top), "faulty", sources=True, port_names=member_name))
    with tempfile.TemporaryDirectory(prefix="popflip-") as name:
        work = Path(name)
        (work / "design.il").write_text(design)
        script = _PREPARE.format(opt_hier=_opt_hier(design), count=_SPARE * count, seed=seed)
        _run(yosys, script, work)
        netlist = _Netlist((work / "netlist.il").read_text())
        drawn = (work / "faults").read_text().splitlines()
        commands = [line for line in drawn if not _unwanted(line, netlist)][:count]
        width = len(commands).bit_length()
        lines = [
            f"{line.partition(' -src')[0]} -ctrl chosen_fault {width} {number}"
            for number, line in enumerate(commands, 1)
        ]
        (work / "faults.ys").write_text("\n".join([*lines, ""]))
        _run(yosys, _INSERT, work)
        verilog = (work / "netlist.v").read_text()
        rtlil = (work / "netlist.il").read_text()
    files = _files(design)
    faults = [_fault(number, line, files) for number, line in enumerate(commands, 1)]
    return Netlist(verilog + _shell(top, width), tuple(faults), rtlil)


def _opt_hier(design: str) -> str:
    """Return a script that removes what nobody looks at beyond the bounds of a module.

    Yosys's ``opt_hier`` parts bits of an output that nobody reads from the output, and from its
    initial value: Verilator then begins at 0. So it keeps away from modules in which a register
    that begins otherwise is an output.
    """
    modules = re.findall(r"^module (\S+)\n(.*?)^end$", design, re.M | re.S)
    begins = r"^  attribute \\init \d+'[01]*1.*\n(?:  attribute .*\n)*  wire .*\boutput\b"
    spared = [f"select -del {name[1:]}" for name, body in modules if re.search(begins, body, re.M)]
    return "\n".join(["select *", *spared, "opt_hier", "select -clear"])


def _run(yosys: Tool, script: str, work: Path) -> None:
    (work / "script.ys").write_text(script)
    # Relative names: YoWASP has a /tmp of its own.
    command = [str(yosys.path), "-q", "-l", "log", "-s", "script.ys"]
    failed = run_to_end(command, work, dict(os.environ))
    if failed is not None:
        log = work / "log"
        text = failed or (log.read_text() if log.exists() else "")
        raise ToolError("\n".join([f"yosys failed: {first_error(text)}", *text.splitlines()[-5:]]))


def _marked(design: str) -> str:
    """Give each ``switch`` the lines of the signal that its process assigns."""
    lines, attribute = [], None
    for line in design.splitlines():
        stripped = line.strip()
        if stripped.startswith("attribute \\src"):
            last = stripped
        elif stripped.startswith("process "):
            attribute = last
        elif stripped.startswith("switch ") and attribute:
            lines.append(attribute)
        lines.append(line)
    return "\n".join([*lines, ""])


def _options(command: str) -> dict[str, str]:
    """Read what a command of yosys says of a fault."""
    names = "mode|module|cell|port|portbit|ctrlbit"
    return dict(re.findall(rf" -({names}) \\?(\S+)", command))


def _unwanted(command: str, netlist: "_Netlist") -> bool:
    """Tell whether a fault is none that is wanted.

    Those are in the shell around the machine, at a pin of the clock, or at the output of a
    register, which yosys would part from its initial value: a fault of its input is much the same.
    Nor is it a fault if a constant is stuck at what it is, or is one that does not matter.
    """
    pin = r" -module faulty | -port \\?(CLK|clk|Q)\b| -wire \\?clk\b"
    if re.search(pin, command):
        return True
    option = _options(command)
    bits = netlist.bits(option["module"], option["cell"], option["port"])
    mode, bit = option["mode"], bits[int(option["portbit"])]
    by = bits[int(option["ctrlbit"])] if "ctrlbit" in option else None
    return bit == "x" or (mode, bit) in (("const0", "0"), ("const1", "1")) or (
        (mode, by) in (("cnot0", "1"), ("cnot1", "0"))
    )  # fmt: skip


class _Netlist:
    """What is at the ports of the cells of a netlist, as RTLIL has it."""

    def __init__(self, text: str):
        self._modules = {}
        for name, body in re.findall(r"^module \\(\S+)\n(.*?)^end$", text, re.M | re.S):
            wires = re.findall(r"^  wire (.*)$", body, re.M)
            widths = {}
            for wire in wires:
                width = re.search(r"\bwidth (\d+)", wire)
                widths[wire.split()[-1]] = int(width[1]) if width else 1
            cells = {}
            for cell, inside in re.findall(r"^  cell \S+ (\S+)\n(.*?)^  end$", body, re.M | re.S):
                ports = re.findall(r"^    connect (\S+) (.*)$", inside, re.M)
                cells[cell.removeprefix("\\")] = {p.removeprefix("\\"): at for p, at in ports}
            self._modules[name] = widths, cells

    def bits(self, module: str, cell: str, port: str) -> list[str]:
        """Return the bits at a port, the lowest first: ``0``, ``1``, ``x``, or empty for a wire."""
        widths, cells = self._modules[module]
        bits: list[str] = []  # the highest first
        width = 0
        token = r"(\d+)'(\S+)|\[(\d+)(?::(\d+))?\]|([\\$]\S+)|(-?\d+)"
        for size, digits, high, low, wire, number in re.findall(token, cells[cell][port]):
            if digits:
                rest = "x" if digits[0] == "x" else "0"
                bits += digits.rjust(int(size), rest)
            elif high:  # of the wire before it
                del bits[len(bits) - width :]
                width = int(high) - int(low or high) + 1
                bits += [""] * width
            elif wire:
                width = widths[wire]
                bits += [""] * width
            else:
                bits += f"{int(number) & 0xFFFFFFFF:032b}"
        return bits[::-1]


def _files(design: str) -> dict[str, str]:
    """Name the source file of each module, that of its parent for one of a library."""
    files: dict[str, str] = {}
    for path, name in re.findall(
        r'attribute \\src "([^"]*):\d+"\n(?:attribute .*\n)*module \\(\S+)', design
    ):
        files[name] = _short(path) or files.get(name.rpartition(".")[0], "")
    return files


def _short(path: str) -> str:
    """Shorten a path of ours to room and name; a library's is nothing."""
    found = re.search(r"popflip/((?:golden|rtl|cocotb_tests)/[\w/]+\.py(?::\d+)?)$", path)
    return found[1] if found else ""


def _fault(number: int, command: str, files: dict[str, str]) -> Fault:
    option = _options(command)
    sources = [_short(path) for path in re.findall(r" -src (\S+)", command)]
    wire = re.search(r" -wire \\?(\S+) -wirebit (\d+)", command)
    what = f"{option['mode']} of {option['cell']}.{option['port']}[{option['portbit']}]"
    if "ctrlbit" in option:
        what += f" by bit {option['ctrlbit']}"
    if wire:
        what += f" ({wire[1]}[{wire[2]}])"
    return Fault(
        number,
        option["module"].removeprefix("faulty").removeprefix(".top").removeprefix(".") or "top",
        files[option["module"]],
        what,
        ", ".join(sorted(set(filter(None, sources)))),
        command,
    )


def _shell(top: Top, width: int) -> str:
    """Write a top with the ports of the generated Verilog, which chooses the fault."""
    ports, pins = ["input clk", "input rst"], [".clk(clk)", ".chosen_fault(fault)"]
    body = ""
    for path, member, value in top.signature.flatten(top):
        name = port_name(path)
        size = len(Value.cast(value))
        ports.append(f"{'input' if member.flow == In else 'output'} [{size - 1}:0] {name}")
        pins.append(f".pins__{member_name(path)}({_PAUSED.get(name, name)})")
        if name in _PAUSED:
            body = _PAUSES
    return _TOP.format(
        ports=", ".join(ports), pins=", ".join(pins), high=width - 1, variable=FAULT, body=body
    )
