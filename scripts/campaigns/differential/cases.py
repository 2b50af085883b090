"""One case of the differential test: a machine and samples, computed in every way there is.

The golden model says what is right. The fast engine, the core in Amaranth's simulator and, if
asked for, the generated Verilog under Icarus and Verilator, behind a front end, have to agree with
it: every weight, latent, prediction and counter, and the hardware on every cycle.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from popflip.cocotb_tests.cosim import (
    differences,
    initial,
    play_training,
    train_golden,
    train_steps,
)
from popflip.cocotb_tests.simulators import BenchError
from popflip.golden.description.bus import BUSES
from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState
from popflip.golden.training.state import differences as state_differences
from popflip.rtl.simulation import play_core
from popflip.scripts.campaigns.differential import strategies

__all__ = [
    "VARIANTS", "Case", "cases", "compare", "compare_hardware", "compare_software", "front_end",
]  # fmt: skip

#: Cycles that a sample of the small machines never takes.
_CYCLES = 100_000

#: Seconds that a simulator has for a case; a serial line takes a minute or two.
_SECONDS = 900

#: What software computes besides what hardware does, by name.
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "leaky": {"dynamics": {"kind": "leaky"}},
    "pixels": {
        "network": {"pixel_bits": 8, "thresholds": [127]},
        "dynamics": {"code": "heaviside"},
        "learning": {"latent_bits": 16},
    },
}


@dataclass(frozen=True)
class Case:
    """What is computed.

    Parameters
    ----------
    params : Params
    seed : int
        Of the network to begin with and of the samples.
    samples : int
    internal : bool
        Whether the samples lie in the machine's slots, of which there are as many then at least;
        else in the store.
    variant : str
        One of :data:`VARIANTS`: what the fast engine is asked for besides.
    bus : str
        The front end of the Verilog.
    """

    params: Params
    seed: int = 0
    samples: int = 4
    internal: bool = False
    variant: str = "none"
    bus: str = "none"

    def to_json(self) -> str:
        """Return one line that :meth:`from_json` takes."""
        tree = self.params.model_dump(mode="json", exclude_defaults=True)
        return json.dumps({**vars(self), "params": tree}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Case":
        """Undo :meth:`to_json`.

        Raises
        ------
        ValueError
            If it is no case.
        """
        try:
            tree = json.loads(text)
            case = cls(**{**tree, "params": Params.build(tree["params"])})
        except (ValueError, RecursionError, TypeError, KeyError) as error:
            raise InputError(f"replay must be a case as it was printed, not {text!r}") from error
        if case.variant not in VARIANTS or case.samples < 1 or case.bus not in BUSES:
            raise InputError(f"replay must be a case as it was printed, not {text!r}")
        return case

    def data(self):
        """Input bits and labels of the samples."""
        rng = np.random.default_rng([self.seed, 1])
        x = rng.random((self.samples, self.params.n_in)) < 0.4
        return x, rng.integers(0, self.params.network.classes, self.samples)


@st.composite
def cases(draw) -> Case:
    """Draw cases, for Hypothesis."""
    drawn, samples = draw(strategies.params()), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 999))
    return Case(
        drawn, seed, samples,
        internal=draw(st.booleans()) and drawn.machine.sample_slots >= samples,
        variant=draw(st.sampled_from(list(VARIANTS))),
        bus=front_end(seed),
    )  # fmt: skip


def front_end(seed: int) -> str:
    """Draw the front end of a case.

    From the case's own seed: it matters to the Verilog alone, and Hypothesis draws the cases that
    it drew before there were front ends.
    """
    return list(BUSES)[np.random.default_rng([seed, 3]).integers(len(BUSES))]


def compare(case: Case, simulators: tuple[str, ...] = ()) -> list[str]:
    """Compute a case in every way, and say what differs from the golden model.

    Parameters
    ----------
    case : Case
    simulators : tuple of str
        Which of the Verilog's to ask too.

    Returns
    -------
    list of str
        A line for each difference; empty if all agree.
    """
    return compare_software(case) + compare_hardware(case, ("amaranth", *simulators))


def compare_software(case: Case) -> list[str]:
    """Compare the fast engine with the golden model, on the case and on its variant."""
    params, (x, labels) = case.params, case.data()
    found = [f"fast engine: {line}" for line in _software(params, case.seed, x, labels)]
    if case.variant != "none":
        other = _variant(params, VARIANTS[case.variant])
        seen = x[:, : other.n_in]
        if other.network.pixel_bits == 8:
            # Of any value where there would be ones.
            values = np.random.default_rng([case.seed, 2]).integers(0, 256, seen.shape, np.uint8)
            seen = seen * values
        lines = _software(other, case.seed, seen, labels)
        found += [f"fast engine, {case.variant}: {line}" for line in lines]
    return found


def compare_hardware(case: Case, simulators: tuple[str, ...]) -> list[str]:
    """Compare hardware with the golden model: in ``amaranth``, ``icarus`` or ``verilator``.

    In the first of these the core alone, in the others what is behind the case's front end.
    """
    params, (x, labels) = case.params, case.data()
    if case.bus == "uart":
        params = params.replace(machine={"uart_divisor": 4})  # the fastest line
    begin, model = initial(params, case.seed), initial(params, case.seed)
    expected, found = train_golden(model, x, labels), []
    for name in simulators:
        try:
            if name == "amaranth":
                steps = train_steps(begin, x, labels, internal=case.internal)
                results = play_core(params, steps[1:], 200_000 + _CYCLES * case.samples)
            else:
                results = play_training(
                    params, name, case.bus, begin, x, labels, internal=case.internal,
                    pauses=bool(case.seed % 2), seconds=_SECONDS,
                )  # fmt: skip
            lines = differences(params, results, expected)
        except (AssertionError, BenchError) as error:  # it hung, or refused
            lines = [(str(error).splitlines() or ["it failed"])[0]]
        found += [f"{name}: {line}" for line in lines]
    return found


def _variant(params: Params, changes: dict[str, Any]) -> Params:
    """Change a network to one that only software computes, with the plainest machine."""
    plain = {
        "shared_update": False, "serial_windows": False, "neuron_lanes": 1, "row_lanes": 1,
        "latent_lanes": [1] * params.depth,
    }  # fmt: skip
    if "learning" in changes:
        tau = [40, *params.learning.tau[1:]]
        changes = changes | {"learning": changes["learning"] | {"tau": tau}}
    return params.replace(**changes, machine=plain)


def _software(params: Params, seed: int, x, labels) -> list[str]:
    """Train the golden model and the fast engine; say in what they differ."""
    model = initial(params, seed)
    state = NetworkState(model.weights, model.latents, model.signs.state)
    golden, fast = GoldenMachine(params), FastMachine(params, 1)
    reports = []
    for machine in (golden, fast):
        machine.write_state(state)
        machine.load(x, labels)
        reports.append(machine.train(0, len(x), flush=True))
    found = state_differences(golden.read_state(), fast.read_state())
    if reports[0] != reports[1]:
        found.append(f"{reports[1]}, not {reports[0]}")
    (_, wanted), (_, got) = golden.infer(0, len(x)), fast.infer(0, len(x))
    if got.tolist() != wanted.tolist():
        found.append(f"predictions {got.tolist()}, not {wanted.tolist()}")
    return found
