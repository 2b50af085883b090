"""The generated machine in a simulator, against the golden model: every bit, every cycle."""

from importlib import metadata

import numpy as np

from popflip.boards.host.machine import cached_verilog
from popflip.boards.tools import ToolError
from popflip.cocotb_tests.simulators import Design, build, play, require_simulators
from popflip.golden.cycles.model import CycleModel
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.bus import MAPPED
from popflip.golden.description.layout import RESULTS
from popflip.golden.description.packing import (
    latents_from_bytes,
    latents_to_bytes,
    pack_samples,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError
from popflip.rtl.designs import check_design

__all__ = [
    "BENCHES", "build_design", "check_benches", "cosim", "differences", "initial", "load_steps",
    "play_training", "read_steps", "train_golden", "train_steps",
]  # fmt: skip

#: By front end: its bench, and the package with models of its ports that are not ours.
BENCHES = {
    "none": ("tb_core", ""),
    "uart": ("tb_uart", "cocotbext-uart"),
    "axi": ("tb_axi", "cocotbext-axi"),
    "wishbone": ("tb_wishbone", "cocotbext-wishbone"),
}

#: By front end with addresses: how its bench is told to behave, and how if it is to pause.
_MANNERS = {"axi": (0, 0.3), "wishbone": (False, True)}


def build_design(params: Params, simulator: str, bus: str = "none") -> Design:
    """Build a machine in a simulator, by default its core alone; see :func:`simulators.build`."""
    require_simulators(simulator)
    return build(simulator, "top", cached_verilog(params, bus))


def check_benches(params: Params, bus: str) -> None:
    """See that a machine behind a front end can be built, and be played with.

    Raises
    ------
    InputError
        If not.
    ToolError
        If the models of its ports are not installed.
    """
    check_design(params, bus)
    if bus == "uart" and params.standalone.lines:
        raise InputError("bus must be none for a machine with a flash (standalone), not 'uart'")
    package = BENCHES[bus][1]
    if package:
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            raise ToolError(f"missing package: {package} (pip install 'popflip[sim]')") from None


def initial(params: Params, seed: int) -> Model:
    """Weights and latents drawn from a seed, some of them due to flip at the first flush."""
    model = Model.initial(params, seed)
    rng = np.random.default_rng([seed, 1])
    latents = [
        rng.integers(-tau, tau + 1, weights.shape, np.int16)
        for tau, weights in zip(params.learning.tau, model.weights, strict=True)
    ]
    return Model(params, model.weights, latents, sign_seed=model.signs.state)


def load_steps(model: Model) -> list:
    """Steps that load a model."""
    params, steps = model.params, []
    for layer in range(params.depth):
        shape = params.synapses(layer)
        steps += [
            ("write", f"weights{layer}", 0, weights_to_bytes(shape, model.weights[layer])),
            ("write", f"latents{layer}", 0, latents_to_bytes(shape, model.latents[layer])),
        ]
    for name, value in (("seed", model.signs.state), ("batch", model.batch)):
        word = np.frombuffer(value.to_bytes(4, "little"), np.uint8)
        steps.append(("write", "registers", params.registers[name].index, word[None]))
    return steps


def read_steps(params: Params, n: int) -> list:
    """Steps that read everything back, after a run of so many samples."""
    return [
        ("read", name, 0, min(n, RESULTS) if name == "results" else params.regions[name].depth)
        for name in _read_back(params)
    ]


def train_steps(model: Model, x, labels, internal: bool = False) -> list:
    """Steps that load a model and samples, train on them, and read everything back."""
    params = model.params
    packed = pack_samples(params, x, labels)
    steps = [("params", params), *load_steps(model)]
    run = {"train": 1, "internal": internal, "flush": 1, "first": 0, "count": len(x)}
    if internal:
        steps.append(("write", "samples", 0, packed.reshape(-1, 1)))
    else:
        steps.append(("samples", packed))
    return [*steps, ("run", run), *read_steps(params, len(x))]


def _read_back(params):
    layers = range(params.depth)
    return [
        "registers", "results",
        *(f"weights{layer}" for layer in layers), *(f"latents{layer}" for layer in layers),
    ]  # fmt: skip


def train_golden(
    model: Model, x, labels, flush: bool = True, clock: CycleModel | None = None
) -> dict:
    """Train the golden model as :func:`train_steps` trains the core; return what to expect.

    Without ``flush`` the last batch may be left half done, as after a stop. ``clock`` is that of
    earlier runs, if the machine was not loaded since.
    """
    params, batch = model.params, model.batch
    clock, cycles = clock or CycleModel(params, batch), StageCycles()
    predictions, changed, flips = [], 0, np.zeros(params.depth, int)
    for start in range(0, len(x), batch):
        chunk = slice(start, start + batch)
        report, relaxation = model.train(x[chunk], labels[chunk], keep_history=True)
        for i in range(report.samples):
            cycles = cycles.plus(clock.sample(relaxation, i, last=start + i + 1 == len(x)))
        predictions += relaxation.prediction.tolist()
        changed += report.changed
        flips += report.flips
    if flush and model.pending:
        flips += model.flush()
        cycles = cycles.plus(clock.flush())
    expected = {
        "results": predictions,
        "batch": batch,
        "samples": len(x),
        "correct": int((np.array(predictions) == labels).sum()),
        "prediction": predictions[-1],
        "pending": model.pending,
        "changed": changed,
        "restarts": clock.restarts,
        "seed": model.signs.state,
        **{f"cycles_{stage}": count for stage, count in cycles._asdict().items()},
    }
    for layer in range(params.depth):
        expected |= {
            f"flips{layer}": int(flips[layer]),
            f"tau{layer}": model.tau[layer],
            f"weights{layer}": model.weights[layer].copy(),
            f"latents{layer}": model.latents[layer].copy(),
        }
    return expected


def play_training(
    params: Params,
    simulator: str,
    bus: str,
    model: Model,
    x,
    labels,
    *,
    internal: bool = False,
    pauses: bool = False,
    seconds: float = 240,
) -> list:
    """Train a machine in a simulator, by whatever front end it has.

    Parameters
    ----------
    params : Params
    simulator : {"icarus", "verilator"}
    bus : str
        A name of :data:`popflip.golden.description.bus.BUSES`.
    model : Model
        To begin with; stays as it is.
    x, labels : ndarray
    internal : bool
        Whether samples come from the slots.
    pauses : bool
        Whether models of a bus pause now and then; of Wishbone: whether it is pipelined.
    seconds : float
        Wall-clock time that it may take.

    Returns
    -------
    list
        What :func:`differences` compares.
    """
    steps = train_steps(model, x, labels, internal=internal)
    if bus in MAPPED:
        steps.insert(1, ("manner", _MANNERS[bus][pauses]))
    return play(build_design(params, simulator, bus), BENCHES[bus][0], steps, seconds=seconds)


def _decode(params: Params, results, n) -> dict:
    """Turn what :func:`train_steps` reads back into the form of :func:`train_golden`."""
    raw = dict(zip(_read_back(params), results, strict=True))
    words = [int.from_bytes(word.tobytes(), "little") for word in raw["registers"]]
    got: dict = params.registers.decode(words)
    order = np.arange(max(0, n - RESULTS), n)  # a ring: later predictions replace earlier ones
    kept = raw["results"][order % RESULTS, 0]
    got["results"] = dict(zip(order.tolist(), kept.tolist(), strict=True))
    for layer in range(params.depth):
        shape = params.synapses(layer)
        got[f"weights{layer}"] = weights_from_bytes(shape, raw[f"weights{layer}"])
        got[f"latents{layer}"] = latents_from_bytes(shape, raw[f"latents{layer}"])
    return got


def differences(params: Params, results: list, expected: dict) -> list[str]:
    """Compare results of :func:`train_steps` with the golden model's.

    Returns
    -------
    list of str
        One line for each memory or counter that differs; empty if all bits and cycles agree.
    """
    predictions = expected["results"]
    got = _decode(params, results, len(predictions))
    found = []
    for name, wanted in expected.items():
        value = got[name]
        if name == "results":
            wrong = [i for i, prediction in value.items() if prediction != predictions[i]]
            if wrong:
                found.append(f"{len(wrong)} predictions, the first of sample {wrong[0]}")
        elif isinstance(wanted, np.ndarray):
            where = np.argwhere(value != wanted)
            if len(where):
                row, column = where[0]
                found.append(
                    f"{len(where)} of {name}, the first at row {row}, column {column}: "
                    f"{value[row, column]}, not {wanted[row, column]}"
                )
        elif value != wanted:
            found.append(f"{name}: {value}, not {wanted}")
    return found


def cosim(
    params: Params,
    simulator: str,
    x,
    labels,
    *,
    bus: str = "none",
    seed: int = 1,
    batch: int | None = None,
    seconds: float = 240,
) -> dict:
    """Train the generated machine in a simulator and compare it with the golden model.

    Parameters
    ----------
    params : Params
        Whose machine trains.
    simulator : {"icarus", "verilator"}
    x : ndarray of bool, shape (n, n_in)
        Input bits of the samples.
    labels : ndarray of int, shape (n,)
    bus : str
        Its front end: a name of :data:`popflip.golden.description.bus.BUSES`.
    seed : int
        Of the weights and latents to begin with.
    batch : int, optional
        Samples between flips; the parameters' own if left out.
    seconds : float
        Wall-clock time that the simulator may take.

    Returns
    -------
    dict
        ``agree``, whether every weight, latent, prediction, counter and cycle does;
        ``differences``, a line for each that does not; and of the golden model ``samples``,
        ``correct``, ``changed``, ``restarts``, ``flips`` (per weight layer) and ``cycles``.

    Raises
    ------
    InputError
        If there is no such machine.
    ToolError
        If a program or a package is missing.
    BenchError
        If the simulation does not come to its end.
    """
    require_simulators(simulator)
    check_benches(params, bus)
    model = initial(params, seed)
    if batch is not None:
        model.batch = batch
    results = play_training(params, simulator, bus, model, x, labels, seconds=seconds)
    expected = train_golden(model, x, labels)
    found = differences(params, results, expected)
    return {
        "agree": not found,
        "differences": found,
        **{name: expected[name] for name in ("samples", "correct", "changed", "restarts")},
        "flips": [expected[f"flips{layer}"] for layer in range(params.depth)],
        "cycles": sum(expected[f"cycles_{stage}"] for stage in StageCycles._fields),
    }
