"""The virtual board's compiled model: a wrapper around the Verilog, the harness, one library.

The harness is ``harness.cpp``. Models are kept in the cache.
"""

import logging
import os
import platform
import re
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path

from popflip.boards.tools import (
    ToolError,
    compiler,
    first_error,
    plain_folder,
    require,
    run_to_end,
    verilator,
)
from popflip.golden.support.cache import cache_folder, entry, is_whole, key_of

__all__ = ["build_model", "model_path"]

log = logging.getLogger(__name__)

_HARNESS = Path(__file__).with_name("harness.cpp")

# Registering the inputs leaves no combinational logic behind the ports of the Verilated model, so
# that it is evaluated once per cycle (see harness.cpp). A constant reset goes further: Amaranth
# multiplexes it into the next state of every register, and all of that would hang on a port.
# Registers start at their initial values, as after the configuration of an FPGA.
_WRAPPER = """\
module popflip_bench (
  input clk, input rx, output tx,
  output [31:0] request_payload, output request_valid, input request_ready,
  input [7:0] data_payload, input data_valid, output data_ready
);
  reg rx_q = 1'b1, request_ready_q = 1'b0, data_valid_q = 1'b0;
  reg [7:0] data_payload_q = 8'd0;
  always @(posedge clk) begin
    rx_q <= rx;
    request_ready_q <= request_ready;
    data_valid_q <= data_valid;
    data_payload_q <= data_payload;
  end
  {top} dut (
    .clk(clk), .rst(1'b0), .rx(rx_q), .tx(tx),
    .store_request_payload(request_payload), .store_request_valid(request_valid),
    .store_request_ready(request_ready_q),
    .store_data_payload(data_payload_q), .store_data_valid(data_valid_q),
    .store_data_ready(data_ready)
  );
endmodule
"""

# A machine that reads a flash has its pins instead of a store. Their registers are those that
# ``standalone.flash_delay`` counts; where that is 0, one does no harm: the divider is at least 2.
_FLASH_WRAPPER = """\
module popflip_bench (
  input clk, input rx, output tx,
  output cs_n, output [1:0] sck, output [3:0] o, output [3:0] oe, input [3:0] i
);
  reg rx_q = 1'b1;
  reg [4*{delay}-1:0] i_q = 0;
  always @(posedge clk) begin
    rx_q <= rx;
    i_q <= {chain};
  end
  {top} dut (
    .clk(clk), .rst(1'b0), .rx(rx_q), .tx(tx), .start(1'b0),
    .flash_cs_n(cs_n), .flash_sck(sck), .flash_o(o), .flash_oe(oe),
    .flash_i(i_q[4*{delay}-1:4*{delay}-4])
  );
endmodule
"""

# Waves excepted, everything here is for speed: two-state values, no assertions, and no symbol but
# the harness's own visible from outside, or the compiler could not inline across functions.
# (With -fno-expand as well, a cycle of local-small took 8% less time, but one of local-large-wide
# 40% more, that one measured at the compiler's -O2.)
# The peephole pass turns `if (en) x = a + b; else x = 0;` into masks, computed in every cycle:
# without it, a cycle of local-small or of local-large-wide takes 8% less time.
_VERILATOR_FLAGS = [
    *("--cc", "--exe", "--build", "-j", "2"),
    *("-O3", "-fno-dfg-peephole", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("-Wno-fatal", "--prefix", "Vbench", "--top-module", "popflip_bench"),
    *("--Mdir", "obj", "-o", "model.so"),
]
_COMPILER_FLAGS = "-fPIC -fvisibility=hidden"

# For the evaluation of the design; for what runs once, such as initial values, which is most of
# the text, and takes 24 s more of a processor if optimised; and for Verilator's library.
# Stages that rest are skipped by branches: passes that compute ahead of a branch what lies behind
# it undo that. Without them a cycle of local-small takes 11% less time, of local-large-wide 6%.
_HOT_FLAGS = "-O3 -fno-tree-pre -fno-code-hoisting -fno-gcse -fno-schedule-insns2"
_COLD_FLAGS = "-O0"
_LIBRARY_FLAGS = "-O1"

# Lines of a failed build's log that go into the message.
_TAIL = 25


@cache
def _machine() -> str:
    """Name the kind of this CPU, which ``-march=native`` compiles for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    # The first block of lines describes the first core. `flags` (`Features` on ARM) says what
    # the compiler may use, the model what it tunes for; the rest changes from minute to minute.
    wanted = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    first = lines[: lines.index("")] if "" in lines else lines
    kept = [line for line in first if line.split(":")[0].strip() in wanted]
    return "\n".join([platform.machine(), *kept])


def _wrapper(top: str, flash_delay: int | None, resettable: bool, error_pin: bool) -> str:
    if flash_delay is None:
        text = _WRAPPER.replace("{top}", top)
    else:
        delay = max(1, flash_delay)
        chain = "i" if delay == 1 else f"{{i_q[{4 * delay - 5}:0], i}}"
        text = _FLASH_WRAPPER.replace("{top}", top).replace("{delay}", str(delay))
        text = text.replace("{chain}", chain)
    if resettable:
        text = text.replace("input clk,", "input clk, input rst,")
        text = text.replace("  reg rx_q", "  reg rst_q = 1'b0;\n  reg rx_q")
        text = text.replace("    rx_q <= rx;", "    rst_q <= rst;\n    rx_q <= rx;")
        text = text.replace(".rst(1'b0)", ".rst(rst_q)")
    if error_pin:
        text = text.replace("output tx,", "output tx, output error,")
        text = text.replace(".tx(tx),", ".tx(tx), .error(error),")
    return text


def model_path(
    verilog: str,
    *,
    top: str = "top",
    flash_delay: int | None = None,
    resettable: bool = False,
    error_pin: bool = False,
    trace: bool = False,
    folder: Path | None = None,
) -> Path:
    """Return where the compiled model of some Verilog is kept, whether it is there or not.

    Parameters
    ----------
    verilog, top, flash_delay, resettable, error_pin, trace, folder
        As for :func:`build_model`.
    """
    key = key_of(
        verilog,
        _wrapper(top, flash_delay, resettable, error_pin),
        _HARNESS.read_text("utf-8"),
        " ".join([*_VERILATOR_FLAGS, _COMPILER_FLAGS, _HOT_FLAGS, _COLD_FLAGS, _LIBRARY_FLAGS]),
        f"trace={trace}",
        verilator().version,
        _machine(),
    )
    return (folder if folder is not None else cache_folder() / "models") / key / "model.so"


def build_model(
    verilog: str,
    *,
    top: str = "top",
    flash_delay: int | None = None,
    resettable: bool = False,
    error_pin: bool = False,
    trace: bool = False,
    folder: Path | None = None,
) -> Path:
    """Compile Verilog and the harness to a shared library, or find the one made earlier.

    Builders of the same model wait for each other, and one that is interrupted leaves nothing.

    Parameters
    ----------
    verilog : str
        Text of the Verilog, complete.
    top : str
        Name of its top module, with the ports named in :class:`VirtualBoard`.
    flash_delay : int, optional
        If it has a flash: ``standalone.flash_delay`` of its parameters.
    resettable : bool
        Whether its reset can be pulled. It is slower then.
    error_pin : bool
        Whether its pin ``error`` can be looked at.
    trace : bool
        Whether the model can write waves. It is slower then.
    folder : Path, optional
        Where models are kept; the default is ``models`` in the cache folder.

    Returns
    -------
    Path
        The library.

    Raises
    ------
    ToolError
        If a program is missing, or the Verilog does not compile. The first line of the message
        has the first error, the others the end of the log.
    """
    # Only Verilator's version is needed for a model that is there; all the rest to make one.
    require("verilator")
    path = model_path(
        verilog, top=top, flash_delay=flash_delay, resettable=resettable, error_pin=error_pin,
        trace=trace, folder=folder,
    )  # fmt: skip
    if is_whole(path.parent):
        return path
    require("verilator", "perl", "make", "g++")
    wrapper = _wrapper(top, flash_delay, resettable, error_pin)

    def make(content: Path) -> None:
        log.info("compiling the virtual board (once for this design)")
        start = time.monotonic()
        with plain_folder() as work:
            _compile(verilog, wrapper, trace, work, content / path.name)
        log.info("compiled in %.1f s", time.monotonic() - start)

    entry(path.parent, make)
    return path


def _known(flags: str) -> str:
    """Return those of some flags that the compiler knows, as not every one is GCC."""

    def knows(flag):
        probe = [compiler(), flag, "-x", "c++", "-E", os.devnull]
        quiet = subprocess.DEVNULL
        return subprocess.run(probe, stdout=quiet, stderr=quiet).returncode == 0

    return " ".join(filter(knows, flags.split()))


def _defines(wrapper: str) -> str:
    """Tell the harness what the wrapper has."""
    has = {"FLASH": "cs_n", "RESET": "rst_q", "ERROR_PIN": "output error"}
    return " ".join(f"-D{name}={int(text in wrapper)}" for name, text in has.items())


def _compile(verilog: str, wrapper: str, trace: bool, work: Path, path: Path) -> None:
    sources = {"top.v": verilog, "bench.v": wrapper}
    for name, source in sources.items():
        (work / name).write_text(source if trace else _every_edge(source))
    shutil.copy(_HARNESS, work)
    tool = verilator().plain(work)
    hot = _known(f"{_HOT_FLAGS} -march=native")
    command = [
        str(tool.program),
        *_VERILATOR_FLAGS,
        *(["--trace"] if trace else []),
        *("-CFLAGS", f"{_COMPILER_FLAGS} {_defines(wrapper)}"),
        *("-LDFLAGS", "-shared"),
        *("-MAKEFLAGS", f"OPT_FAST='{hot}' OPT_SLOW={_COLD_FLAGS} OPT_GLOBAL={_LIBRARY_FLAGS}"),
        *("bench.v", "top.v", _HARNESS.name),
    ]
    # Names are relative and files small in number, so that ccache knows the library again.
    text = run_to_end(command, work, tool.environment())
    built = work / "obj" / "model.so"
    if text is None and not built.exists():
        text = "no library came out"
    if text is not None:
        tail = "\n".join(text.splitlines()[-_TAIL:])
        raise ToolError(f"the virtual board's model does not compile: {first_error(text)}\n{tail}")
    shutil.copy(built, path)


def _every_edge(text: str) -> str:
    """Have each edge of the clock do what the rising one does; see harness.cpp.

    An evaluation for falling edges would find nothing to do, but the search takes 5% of the time.
    """
    text = text.replace("posedge clk", "edge clk")
    if re.search(r"\b(pos|neg)edge\b", text):
        raise ToolError("the virtual board's design must have one clock, clk, and its rising edge")
    return text
