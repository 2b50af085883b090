"""Netlists as Verilog that a bench takes: what yosys made of a design, and what a bitstream holds.

The cells of a netlist are replaced by the models that come with yosys, or by ours where those have
none (``ecp5_cells.v``, ``gw5a_cells.v``, ``ice40_cells.v``), and all is flattened into one module.
It has the ports of the generated Verilog, so that a bench cannot tell the two apart.

What has pins gets a wrapper around them. A PLL is a wire in it: the bench's clock is the machine's.
"""

import re
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.build.bitstream import build
from popflip.boards.build.synthesis import synthesize, synthesize_core
from popflip.boards.build.toolchain import toolchain
from popflip.boards.families.ice40 import ICE40
from popflip.boards.tools import ToolError, first_error
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError

__all__ = ["ICESTORM", "bitstream_verilog", "board_verilog", "core_verilog", "flatten"]

#: What turns a bitstream of iCE40 back into Verilog: Debian's package fpga-icestorm.
ICESTORM = ("iceunpack", "icebox_vlog")

# Its JSON also has the cells that are used, as black boxes; its Verilog has not.
_SYNTHESIZED = """\
read_json top.json
delete */t:$scopeinfo
write_verilog -noattr netlist.v
design -reset
"""

_FLATTEN = """\
{models}read_verilog cells.v
read_verilog netlist.v
hierarchy -top {top} -check
proc
flatten
opt_clean -purge
write_verilog -noattr flat.v
"""

# The ports of a machine with a store, which boards have not, and a reset, which they make.
_PINS = """
module pins(
  input clk, input rst, input rx, output tx, input store_request_ready,
  input store_data_valid, input [7:0] store_data_payload
);
  {chip} chip (.{clock}_0__io(clk), .uart_0__rx__io(rx), .uart_0__tx__io(tx));
endmodule
"""


def core_verilog(board: Board, params: Params) -> str:
    """Synthesize the trainer core with a board's script, and return its netlist.

    Parameters
    ----------
    board : Board
        With an iCE40, an ECP5 or a GW5A.
    params : Params

    Returns
    -------
    str
        Verilog of one module, ``core``.

    Raises
    ------
    ToolError
        If there are no tools, or a cell has no model.
    BuildError
        If synthesis fails.
    """
    _check_family(board)
    return _flattened(board, synthesize_core(board, params)[0], "core")


def board_verilog(board: Board, params: Params) -> str:
    """Synthesize a board's whole design, and return its netlist behind its pins.

    This netlist is the one that is placed and routed.

    Parameters
    ----------
    board : Board
        With an iCE40, an ECP5 or a GW5A.
    params : Params
        Of a machine without a flash.

    Returns
    -------
    str
        Verilog of one module, ``pins``, with the ports of the generated top. It keeps itself in
        reset for :data:`popflip.boards.build.clocking.RESET_CYCLES` cycles and a few more.

    Raises
    ------
    ToolError
        If there are no tools, or a cell has no model.
    BuildError
        If synthesis fails.
    """
    _check_family(board)
    return _flattened(board, synthesize(board, params)[0], "pins", chip="top")


def bitstream_verilog(board: Board, params: Params) -> str:
    """Build a board's bitstream, turn it back into Verilog, and return that behind its pins.

    Parameters
    ----------
    board : Board
        With an iCE40, and without a PLL (``core_mhz`` is ``clock_mhz``): the way back knows none.
    params : Params
        Of a machine without a flash, and without SPRAM: the way back drops it without a word.

    Returns
    -------
    str
        As from :func:`board_verilog`.

    Raises
    ------
    ToolError
        If there are no tools.
    BuildError
        If there is no bitstream.
    ValueError
        If not everything would come back.
    """
    if board.device.family is not ICE40:
        raise InputError(f"the device must be an iCE40, not {board.device.part}")
    if board.core_mhz != board.clock_mhz:
        raise InputError(
            f"core_mhz must be {board.clock_mhz:g}, for a clock without a PLL, "
            f"not {board.core_mhz:g}"
        )
    missing = [name for name in ICESTORM if shutil.which(name) is None]
    if missing:
        raise ToolError(f"missing programs: {', '.join(missing)} (apt-get install fpga-icestorm)")
    built = build(board, params)
    used = built.facts["used"]
    if used.get("spram"):
        raise InputError(f"the design must have no SPRAM, not {used['spram']}")
    netlist, _ = synthesize(board, params)
    with tempfile.TemporaryDirectory(prefix="popflip-") as name:
        work = Path(name)
        shutil.copy(built.bitstream, work / "top.bin")
        shutil.copy(netlist / "top.pcf", work)
        _run(["iceunpack", "top.bin", "top.asc"], work)
        # With the names of the pins, and without a remark on each tile.
        routed = _run(["icebox_vlog", "-s", "-l", "-n", "routed", "-p", "top.pcf", "top.asc"], work)
        (work / "netlist.v").write_text(routed)
        blocks = len(re.findall(r"^SB_RAM40_4K #", routed, re.MULTILINE))
        if blocks != used["block"]:
            raise InputError(f"the bitstream must hold {used['block']} block RAMs, not {blocks}")
        return flatten(board, work, "pins", chip="routed", synthesized=False)


def _check_family(board: Board) -> None:
    if not board.device.family.cell_models:
        raise InputError(f"the device must be an iCE40, an ECP5 or a GW5A, not {board.device.part}")


def _flattened(board: Board, folder: Path, top: str, chip: str = "") -> str:
    """Flatten the netlist of a folder in the cache, which stays as it is."""
    with tempfile.TemporaryDirectory(prefix="popflip-") as work:
        shutil.copy(folder / "top.json", work)
        return flatten(board, Path(work), top, chip=chip)


def flatten(board: Board, work: Path, top: str, *, chip: str = "", synthesized: bool = True) -> str:
    """Put the models of the cells in the place of the cells, all of it into one module.

    Parameters
    ----------
    board : Board
        With an iCE40, an ECP5 or a GW5A.
    work : Path
        A folder with yosys's netlist ``top.json``; left full of files.
    top : str
        The module. ``pins`` is a wrapper with the ports of the generated top.
    chip : str
        What the wrapper is around, if there is one.
    synthesized : bool
        Else the netlist is in ``netlist.v``.

    Returns
    -------
    str
        Verilog.
    """
    family = board.device.family
    models = resources.files("popflip.cocotb_tests") / f"{family.name}_cells.v"
    cells = models.read_text("utf-8")
    if chip:
        cells += _PINS.format(chip=chip, clock=board.clock)
    (work / "cells.v").write_text(cells)
    script = _SYNTHESIZED * synthesized + _FLATTEN
    (work / "flat.ys").write_text(script.format(models=family.cell_models, top=top))
    yosys = toolchain(family)[0]
    _run([str(yosys.path), "-q", "-l", "flat.log", "flat.ys"], work)
    return (work / "flat.v").read_text()


def _run(command: list[str], work: Path) -> str:
    """Run a program in a folder, and return what it wrote to its standard output."""
    run = subprocess.run(
        command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if run.returncode:
        text = run.stdout + run.stderr
        raise ToolError(f"{Path(command[0]).name} failed: {first_error(text)}\n{text}")
    return run.stdout
