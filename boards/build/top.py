"""The design of a board: the machine, the board's clock, its serial line and its lights."""

import gc
from pathlib import Path

from amaranth.build.run import BuildPlan
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io, wiring

from popflip.boards.board import Board
from popflip.boards.build.clocking import Clocking
from popflip.boards.build.flash_pins import FlashPins
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.rtl.identity import identity
from popflip.rtl.interface import check_hardware
from popflip.rtl.top import Top

__all__ = ["BoardTop", "plan", "write_project"]


class BoardTop(wiring.Component):
    """Everything inside the FPGA, for the platform of one board.

    With a flash (``standalone.flash``) the machine trains standalone: the first light changes with
    every 1,024 samples, and is off at rest; the next ones show the eighths of the epoch. Without a
    flash
    the first light is on during a run, and there is no sample store: the host loads all samples. A
    run from the store all the same sees black images at once, and ends, where a store that never
    answers would hang it.

    Parameters
    ----------
    board : Board
    params : Params
        As :meth:`~popflip.boards.board.Board.params` returns them.
    core_mhz : float
        The machine's clock.
    """

    def __init__(self, board: Board, params: Params, core_mhz: float):
        self._board = board
        self._params = params
        self._core_mhz = core_mhz
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        board = self._board
        m.domains += ClockDomain("sync")
        m.submodules.clocking = Clocking(board, self._core_mhz)
        m.submodules.machine = machine = Top(self._params, identity(self._params))

        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [machine.rx.eq(rx.i), tx.o.eq(machine.tx)]

        shown = [machine.busy]
        if self._params.standalone.lines:
            if board.flash is None or not board.flash.resource:
                raise InputError(f"standalone.flash must be none for {board.name}: it is not wired")
            port = platform.request(board.flash.resource, 0, dir="-")
            m.submodules.flash = flash = FlashPins(
                port, self._params.standalone, board.device.family
            )
            wiring.connect(m, machine.flash, flash.flash)
            shown = [machine.standalone & ~machine.heartbeat, *reversed(machine.progress)]
        else:
            m.d.comb += [
                machine.store.request.ready.eq(1),
                machine.store.data.valid.eq(1),
                machine.store.data.payload.eq(0),
            ]

        ports = {}

        def port_of(name: str):
            """Request a resource named as in :class:`~popflip.boards.board.Board`, but once."""
            resource, number, *part = name.split(".")
            key = resource, int(number)
            if key not in ports:
                ports[key] = platform.request(*key, dir="-")
            return getattr(ports[key], part[0]) if part else ports[key]

        for number, name in enumerate(board.leds):
            m.submodules[f"led{number}"] = led = io.Buffer("o", port_of(name))
            m.d.comb += led.o.eq(shown[number] if number < len(shown) else 0)
        if board.error_led:
            m.submodules.error_led = led = io.Buffer("o", port_of(board.error_led))
            m.d.comb += led.o.eq(machine.error)
        for number, name in enumerate(board.inactive):
            m.submodules[f"inactive{number}"] = pin = io.Buffer("o", port_of(name))
            m.d.comb += pin.o.eq(Signal(len(pin.o)))
        return m


def plan(board: Board, params: Params, core_mhz: float) -> BuildPlan:
    """Elaborate a board's design for its platform.

    Parameters
    ----------
    board : Board
    params : Params
        As :meth:`~popflip.boards.board.Board.params` returns them.
    core_mhz : float

    Returns
    -------
    amaranth.build.run.BuildPlan
        Its files: RTLIL (for a maker's tools: Verilog), pins, scripts.
    """
    check_hardware(params)
    enabled = gc.isenabled()
    gc.disable()  # It would take half of the time.
    try:
        made = board.platform().prepare(BoardTop(board, params, core_mhz), "top", emit_src=False)
    finally:
        if enabled:
            gc.enable()
    family = board.device.family
    if family.constraints:
        name = f"top{family.constraints}"
        text = made.files[name]
        made.files[name] = family.fix_constraints(text if isinstance(text, str) else text.decode())
    return made


def write_project(board: Board, params: Params, core_mhz: float, folder: Path) -> list[Path]:
    """Write the whole project of a board for its maker's tools, which are not run.

    Parameters
    ----------
    board, params, core_mhz
        As for :func:`plan`.
    folder : Path
        For the Verilog, the constraints and the scripts.

    Returns
    -------
    list of Path
        What was written.
    """
    paths = []
    for name, content in plan(board, params, core_mhz).files.items():
        paths.append(folder / name)
        write_atomically(paths[-1], content if isinstance(content, bytes) else content.encode())
    return paths
