"""The differential test as the command does it: many cases, and the smallest that fails."""

import shlex
import time
from collections import Counter

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from popflip.cocotb_tests.simulators import SIMULATORS, require_simulators
from popflip.golden.support.errors import InputError
from popflip.scripts.campaigns.differential.cases import Case, cases, compare, compare_hardware
from popflip.scripts.console import Display

__all__ = ["replay_case", "run_differential"]


class _Differs(AssertionError):
    """A case whose ways of computing it do not agree."""


def replay_case(text: str) -> dict:
    """Compute one case, as an earlier run has printed it, in every way.

    Parameters
    ----------
    text : str
        Of :meth:`popflip.scripts.campaigns.differential.cases.Case.to_json`.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    started = time.perf_counter()
    case = Case.from_json(text)
    require_simulators(*SIMULATORS)
    found = compare(case, tuple(SIMULATORS))
    return _report(None, [case], [case], found, case if found else None, started)


def run_differential(count: int, verilog: int, seed: int) -> dict:
    """Draw cases and compute each in software and in Amaranth's simulator, some as Verilog too.

    Parameters
    ----------
    count : int
        Cases.
    verilog : int
        How many of them are also computed by the Verilog, under each simulator.
    seed : int

    Returns
    -------
    dict
        The report that ``--json`` prints; ``replay`` is a command that computes the failing case
        again, the smallest that was found.
    """
    if not 0 <= verilog <= count:
        raise InputError(f"verilog must be 0 to {count}, as many as there are cases, not {verilog}")
    if seed < 0:
        raise InputError(f"seed must be at least 0, not {seed}")
    if verilog:
        require_simulators(*SIMULATORS)
    started = time.perf_counter()
    done: list[Case] = []
    failed: tuple[Case, list[str]] | None = None

    with Display() as display:

        @hypothesis.seed(seed)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            print_blob=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(cases())
        def check(case):
            nonlocal failed
            found = compare(case)
            if found:
                # The last that fails is the smallest.
                failed = case, found
                raise _Differs(found[0])
            if failed is None:
                done.append(case)
                display.show("cases", len(done), count, case.params.name)

        try:
            check()
        except _Differs:
            assert failed is not None
        checked = []
        for number in range(verilog if failed is None else 0):
            case = done[number * len(done) // verilog]
            lines = compare_hardware(case, tuple(SIMULATORS))
            checked.append(case)
            display.show("Verilog", len(checked), verilog, case.params.name)
            if lines:
                failed = case, lines
                break
    if failed is None:
        return _report(seed, done, checked, [], None, started)
    return _report(seed, done, checked, failed[1], failed[0], started)


def _report(seed, done, checked, found, case, started) -> dict:
    kinds: dict[str, int] = {}
    for one in done:
        p = one.params
        for kind in (
            p.network.first, p.dynamics.code, p.learning.nudging, f"{p.depth} weight layers",
            "batches" if p.learning.batch > 1 else "batches of 1",
            "shared update" if p.machine.shared_update else "an engine per layer",
            *(["serial windows"] if p.machine.serial_windows else []),
            *(["variant " + one.variant] if one.variant != "none" else []),
        ):  # fmt: skip
            kinds[kind] = kinds.get(kind, 0) + 1
    command = (
        None if case is None else f"popflip differential --replay {shlex.quote(case.to_json())}"
    )
    return {
        "verb": "differential",
        "seed": seed,
        "cases": len(done),
        "verilog_cases": len(checked),
        "simulators": list(SIMULATORS) if checked else [],
        "front_ends": dict(sorted(Counter(one.bus for one in checked).items())),
        "kinds": dict(sorted(kinds.items())),
        "verified": not found,
        "differences": found,
        "replay": command,
        "seconds": round(time.perf_counter() - started, 1),
    }
