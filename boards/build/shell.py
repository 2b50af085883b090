"""A machine behind any front end in a device, to see what it takes and how fast it is.

Buses have more ports than many a device has pins, so a shell of shift registers stands around the
machine: every input comes from a flip-flop, every output goes to one.
"""

import re
from typing import NamedTuple

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Module, ResetSignal, Signal, Value
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In

from popflip.boards.board import Board
from popflip.boards.build.placement import place
from popflip.boards.build.step import BuildError, Progress, family_of, silent
from popflip.boards.build.synthesis import netlist_of, synthesis_script
from popflip.boards.build.toolchain import toolchain
from popflip.boards.tools import Jobs
from popflip.golden.description.params import Params
from popflip.rtl.designs import check_design, design
from popflip.rtl.identity import identity

__all__ = ["Measured", "Shell", "measure_front_end"]

#: Placements that are tried until one can be routed.
_SEEDS = 4


class Measured(NamedTuple):
    """What a machine takes of a device, without the shell.

    Attributes
    ----------
    lut : int
        Look-up tables; of iCE40 logic cells.
    block : int
        Block RAMs.
    fmax_mhz : float
        An estimate after placing and routing.
    """

    lut: int
    block: int
    fmax_mhz: float


class Shell(wiring.Component):
    """A machine whose ports are joined to shift registers, from one pin and to one pin.

    Parameters
    ----------
    board : Board
        Whose clock and serial line are used.
    machine : wiring.Component
    core : bool
        Whether it is the trainer core alone.

    Attributes
    ----------
    n_in, n_out : int
        Bits of the shift registers.
    """

    def __init__(self, board: Board, machine: wiring.Component, core: bool):
        self._board, self._machine, self._core = board, machine, core
        self._ports: dict[bool, list[Value]] = {True: [], False: []}
        for _, member, value in machine.signature.flatten(machine):
            port = Value.cast(value)
            if not isinstance(port, Const):
                self._ports[member.flow is In].append(port)
        self.n_in = 1 + sum(map(len, self._ports[True]))  # with the reset
        self.n_out = sum(map(len, self._ports[False]))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        clock, uart = (
            platform.request(self._board.clock, dir="-"),
            platform.request("uart", dir="-"),
        )
        m.submodules.clock = clk = io.Buffer("i", clock)
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.domains += [ClockDomain("sync"), ClockDomain("shell", reset_less=True)]
        m.d.comb += [ClockSignal("sync").eq(clk.i), ClockSignal("shell").eq(clk.i)]

        if self._core:  # Synthesis knows the core's memories by their place in a machine.
            m.submodules.machine = holder = Module()
            holder.submodules.core = self._machine
        else:
            m.submodules.machine = self._machine
        inputs, outputs = Signal(self.n_in), Signal(self.n_out)
        m.d.shell += [
            inputs.eq(Cat(rx.i, inputs)),
            outputs.eq(Cat(inputs[-1], outputs) ^ Cat(self._ports[False])),
        ]
        m.d.comb += [
            Cat(ResetSignal("sync"), self._ports[True]).eq(inputs),
            tx.o.eq(outputs[-1]),
        ]
        return m


def measure_front_end(
    board: Board,
    params: Params,
    bus: str,
    core_mhz: float,
    *,
    tools: str | None = None,
    progress: Progress = silent,
) -> Measured:
    """Synthesize, place and route a machine in a shell, or find that in the cache.

    Parameters
    ----------
    board : Board
        Whose device it is for.
    params : Params
    bus : str
        A name of :data:`popflip.golden.description.bus.BUSES`.
    core_mhz : float
        The clock that is asked for; a slower result is one too.
    tools, progress
        As for :func:`popflip.boards.build.bitstream.build`.

    Raises
    ------
    BuildError
        If it does not fit, or cannot be routed.
    """
    family = family_of(board)
    check_design(params, bus)
    yosys, placer, _ = toolchain(family, tools)
    shell = Shell(board, design(params, bus, identity(params, bus)), bus == "none")
    plan = board.platform().prepare(shell, "top", emit_src=False)
    pins = f"top{family.constraints}"
    texts = {name: plan.files[name] for name in ("top.il", pins)}
    files = {k: v if isinstance(v, str) else v.decode() for k, v in texts.items()}
    # The clock that counts is the one that is asked for, not the oscillator's.
    slower = re.compile(r"^(?:set_frequency|FREQUENCY) .*\n", re.MULTILINE)
    files[pins] = slower.sub("", family.fix_constraints(files[pins]))
    files["top.ys"] = synthesis_script(board, params)
    with Jobs() as jobs:
        netlist = netlist_of(files, yosys, jobs, progress)
        progress("placement", 0, 1)
        # Some seeds the router finds no end for.
        tries = (
            place(board, core_mhz, netlist, seed, placer, jobs)
            for seed in range(board.seed, board.seed + _SEEDS)
        )
        placed = next(filter(None, tries), None)
    if placed is None:
        raise BuildError(f"the router found no end for bus {bus} on {board.title}")
    progress("placement", 1, 1)

    def used(kind: str) -> int:
        sites = placed.report["utilization"]
        return sum(sites[cell]["used"] for cell in family.cells[kind] if cell in sites)

    # An exclusive-or and a flip-flop for each output; a flip-flop for each input, which takes a
    # logic cell where these are all there is.
    own = shell.n_out + (0 if "ff" in family.cells else shell.n_in)
    return Measured(used("lut") - own, used("block"), placed.worst_clock[0])
