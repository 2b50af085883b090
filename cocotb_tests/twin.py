"""A bench of one's own: a generated machine with its drivers, and its golden twin.

A file that pytest runs, and whose cocotb tests run in the simulator::

    import cocotb
    from popflip.cocotb_tests.twin import attach, simulate

    @cocotb.test()
    async def learns(dut):
        machine, twin = await attach(dut, seed=1)
        x, labels = twin.random_samples(20)
        await machine.train(x, labels)
        twin.train(x, labels)
        assert await machine.differences() == []

    def test_learns():
        simulate(__file__, "digits")

``digits`` is a folder of ``popflip verilog``. There is no plug-in to install: one that pytest finds
by itself would be loaded, with its assertions rewritten, by every pytest beside popflip.
"""

import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from popflip.cocotb_tests.cosim import (
    BENCHES,
    differences,
    initial,
    load_steps,
    read_steps,
    train_golden,
)
from popflip.cocotb_tests.simulators import build, end_after, play_steps, run_module
from popflip.golden.cycles.model import CycleModel
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_json, read_text

__all__ = ["Machine", "Twin", "attach", "simulate"]

# Environment variables: the folder of the design, and when a simulation has to end.
_DESIGN = "POPFLIP_DESIGN"
_SECONDS = "POPFLIP_BENCH_SECONDS"


#: Counters that add up over runs, besides cycles and flips. (The clock adds restarts up itself.)
_COUNTED = {"samples", "correct", "changed"}


class Twin:
    """The golden model of a machine, and what its counters must be.

    Parameters
    ----------
    params : Params
    seed : int
        Of its weights and latents to begin with, and of :meth:`random_samples`.

    Attributes
    ----------
    model : popflip.golden.model.Model
    """

    def __init__(self, params: Params, seed: int):
        self.params = params
        self.model = initial(params, seed)
        self._rng = np.random.default_rng([seed, 2])
        self.loaded()

    def loaded(self) -> None:
        """Count anew: the machine was loaded with all that the twin holds."""
        self._clock = CycleModel(self.params, self.model.batch)
        self._expected: dict = {}

    def random_samples(self, count: int):
        """Draw input bits and labels.

        Returns
        -------
        x : ndarray of bool, shape (count, n_in)
        labels : ndarray of int, shape (count,)
        """
        x = self._rng.random((count, self.params.n_in)) < 0.4
        return x, self._rng.integers(0, self.params.network.classes, count)

    def train(self, x, labels) -> list[int]:
        """Learn samples, one run of the machine; return the predictions."""
        before = self._expected
        now = train_golden(self.model, x, labels, clock=self._clock)
        for name in now:
            if name.startswith(("cycles_", "flips")) or name in _COUNTED:
                now[name] += before.get(name, 0)
        self._expected = now
        return list(now["results"])

    def infer(self, x) -> list[int]:
        """Return predictions of samples."""
        return self.model.relax(x).prediction.tolist()

    def expected(self) -> dict:
        """What the machine must hold; empty before the first :meth:`train`."""
        return dict(self._expected)


class Machine:
    """A machine in the simulator, with its drivers.

    Made by :func:`attach`. It begins as its twin does.

    Attributes
    ----------
    dut : cocotb handle
    params : Params
    host : object
        Its driver: ``await host.write(region, address, words)``, ``await host.read(region, address,
        count)`` and ``await host.run(request)``, whatever the front end. Behind a bus also
        ``await host.exchange(address, data)``, one access, and ``host.master``, the model of the
        bus (of ``cocotbext-axi`` or ``cocotbext-wishbone``); of AXI ``host.source`` and
        ``host.sink``, its streams.
    twin : Twin
    """

    def __init__(self, dut, host, twin: Twin):
        self.dut, self.host, self.twin, self.params = dut, host, twin, twin.params
        self._inferred = False

    async def load(self) -> None:
        """Write what the twin holds: weights, latents, seed and batch; counters become 0."""
        await play_steps(self.host, load_steps(self.twin.model))
        clear = self.params.registers["clear"].index
        await self.host.write("registers", clear, np.ones((1, 4), np.uint8))
        self.twin.loaded()
        self._inferred = False

    async def train(self, x, labels) -> list[int]:
        """Learn samples in one run, then flush; return the predictions."""
        return await self._run(x, labels, train=1)

    async def infer(self, x) -> list[int]:
        """Return predictions of samples; counters no longer are what the twin says."""
        self._inferred = True
        return await self._run(x, np.zeros(len(x), int), train=0)

    async def _run(self, x, labels, train):
        if not 0 < len(x) <= self.params.regions["results"].depth:
            most = self.params.regions["results"].depth
            raise InputError(f"samples of a run must be 1 to {most}, not {len(x)}")
        self.host.packed = pack_samples(self.params, np.asarray(x, bool), np.asarray(labels))
        run = {"train": train, "internal": 0, "flush": train, "first": 0, "count": len(x)}
        await self.host.run(run)
        return (await self.host.read("results", 0, len(x)))[:, 0].tolist()

    async def differences(self) -> list[str]:
        """Compare all that the machine holds with the twin.

        Returns
        -------
        list of str
            A line for each memory, prediction or counter that differs. After :meth:`infer`
            counters and predictions are not compared.
        """
        expected = self.twin.expected()
        if not expected:
            raise InputError("the twin must train before it is compared")
        n = len(expected["results"])
        if self._inferred:
            kept = ("weights", "latents", "tau", "batch", "pending", "seed")
            expected = {k: v for k, v in expected.items() if k.startswith(kept)}
            expected["results"] = []
        got = await play_steps(self.host, read_steps(self.params, n))
        return differences(self.params, got, expected)


async def attach(dut, design: str | Path | None = None, *, seed: int = 1):
    """Start the clock, reset a machine, and join its drivers and its golden twin to it.

    Parameters
    ----------
    dut : cocotb handle
        With the ports of the machine, under their names.
    design : path, optional
        The folder that ``popflip verilog`` wrote, for who starts the simulator without
        :func:`simulate`.
    seed : int
        Of the weights and latents that both begin with.

    Returns
    -------
    Machine
    Twin

    Raises
    ------
    InputError
        If the folder holds no design of this version that trains.
    """
    if _SECONDS in os.environ:
        end_after(float(os.environ[_SECONDS]))
    folder = os.environ.get(_DESIGN) if design is None else design
    if folder is None:
        raise InputError("design must be the folder of a design, where simulate() has named none")
    params, bus, _ = _described(Path(folder))
    host = await import_module(f"popflip.cocotb_tests.{BENCHES[bus][0]}").connect(dut, params)
    twin = Twin(params, seed)
    machine = Machine(dut, host, twin)
    await machine.load()
    return machine, twin


def simulate(
    bench: str | Path, design: str | Path, simulator: str = "icarus", *, seconds: float = 600
) -> None:
    """Run the cocotb tests of a file on a design, in a simulator.

    Parameters
    ----------
    bench : path
        The file; of a file that calls this, ``__file__``.
    design : path
        A folder that ``popflip verilog`` wrote.
    simulator : {"icarus", "verilator"}
    seconds : float
        Wall-clock time after which the simulator is ended.

    Raises
    ------
    BenchError
        If a test fails; with the end of the simulator's log.
    ToolError
        If the simulator is missing, or the Verilog does not compile.
    InputError
        If the folder holds no design of this version that trains.
    """
    bench, folder = Path(bench).resolve(), Path(design).resolve()
    _, _, verilog = _described(folder)
    text = read_text(folder / verilog["file"], "Verilog")
    built = build(simulator, verilog["module"], text)
    variables = {_DESIGN: str(folder), _SECONDS: str(seconds)}
    sys.path.insert(0, str(bench.parent))
    try:
        with tempfile.TemporaryDirectory(prefix="popflip-") as work:
            run_module(built, bench.stem, Path(work), variables, seconds=seconds)
    finally:
        sys.path.remove(str(bench.parent))


def _described(folder: Path) -> tuple[Params, str, dict]:
    """Read a manifest: the parameters, the front end, and what it says of the Verilog."""
    path = folder / "manifest.json"
    manifest = read_json(path, "a manifest of popflip")
    try:
        params = Params.build({**manifest["parameters"], "name": manifest["name"]})
        verilog = manifest["verilog"]
        bus, digest = verilog["bus"], manifest["digest"]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} must be a manifest that popflip verilog wrote") from None
    if digest != params.digest or bus not in BENCHES:
        raise InputError(f"{path} is of another version of popflip: write the design anew")
    if not params.machine.training:
        raise InputError("machine.training must be true for a golden twin, not false")
    return params, bus, verilog
