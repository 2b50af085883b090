"""One way to run a component in Amaranth's simulator, for the unit tests."""

import os
import re
from contextlib import nullcontext
from pathlib import Path

from amaranth.sim import Simulator

__all__ = ["simulate"]


def simulate(dut, *benches, background=(), deadline=10_000):
    """Run ``dut`` until every bench has returned.

    With ``WAVES=1`` in the environment the waveforms go to ``build/waves/<test>.vcd`` under the
    current folder.

    Parameters
    ----------
    dut : amaranth.lib.wiring.Component
    *benches : async function of a simulator context
        Run side by side, clocked by the ``sync`` domain.
    background : sequence of async function of a simulator context
        Run beside them, and are not waited for.
    deadline : int
        Cycles after which the run fails.

    Raises
    ------
    AssertionError
        From a bench, or at the deadline.
    """

    async def watchdog(ctx):
        cycles = 0
        async for _ in ctx.tick():
            cycles += 1
            if cycles > deadline:
                raise AssertionError(f"{type(dut).__name__}: not done after {deadline} cycles")

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    for bench in (*background, watchdog):
        simulator.add_testbench(bench, background=True)
    with simulator.write_vcd(_wave_file()) if os.environ.get("WAVES") == "1" else nullcontext():
        simulator.run()


def _wave_file() -> str:
    """Name a waveform file after the test that pytest is in."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "run").rsplit("::", 1)[-1].removesuffix(" (call)")
    folder = Path("build", "waves")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', test).strip('-')}.vcd")
