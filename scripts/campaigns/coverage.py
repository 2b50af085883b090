"""Coverage of the generated Verilog: lines and bits that the benches reach, counted by Verilator.

The networks are those of :mod:`popflip.scripts.campaigns.networks`. Each one's core trains from a
store; the top of one trains and refuses bad frames over its pins, that of another is standalone.
"""

import re
import time
from collections.abc import Callable

from popflip.boards.host.machine import cached_verilog
from popflip.cocotb_tests.cosim import differences, initial, train_golden, train_steps
from popflip.cocotb_tests.simulators import Design, build, play, require_simulators
from popflip.scripts.campaigns.networks import NETWORKS
from popflip.scripts.campaigns.scenarios import draw, refuses, trains, trains_standalone
from popflip.scripts.console import Display

__all__ = ["BENCHES", "KINDS", "count_coverage", "read_counts", "run_coverage"]

#: Kinds of points: blocks and branches of the text, and bits that go up and down.
KINDS = ("line", "toggle")

#: What is run, in order: the network, and what of it.
BENCHES = tuple((name, "core") for name in NETWORKS if name != "standalone") + (
    ("narrow", "top"),
    ("standalone", "top"),
)

# Samples that a core learns.
_SAMPLES = 40


def count_coverage(
    benches=BENCHES, on_bench: Callable[[int, str], None] = lambda done, what: None
) -> dict[str, dict[str, list[int]]]:
    """Run benches and count the points of the Verilog that they reach.

    Parameters
    ----------
    benches : sequence of (str, str)
        Of :data:`BENCHES`.
    on_bench : callable
        Told the number of benches that are done, and the next.

    Returns
    -------
    dict
        For each part of the design, by kind, ``[reached, all]``. Parts of the same make, such as
        ``update0`` and ``update1``, count together, and so do those of all networks.

    Raises
    ------
    AssertionError
        If a machine does not as golden says.
    """
    parts: dict[str, dict[str, list[int]]] = {}
    for done, (name, what) in enumerate(benches):
        on_bench(done, f"{what} of {name}")
        params = NETWORKS[name]
        counts: list[str] = []
        design = build("verilator", what, _verilog(params, what), coverage=True)
        (_play_core if what == "core" else _play_top)(params, design, counts)
        points: dict[tuple[str, str, str], int] = {}
        for text in counts:
            for point, count in read_counts(text).items():
                points[point] = points.get(point, 0) + count
        for (part, kind, _), count in points.items():
            row = parts.setdefault(part, {kind: [0, 0] for kind in KINDS})[kind]
            row[0] += count > 0
            row[1] += 1
    return dict(sorted(parts.items()))


def _verilog(params, what: str) -> str:
    return cached_verilog(params, "none" if what == "core" else "uart", what)


def _play_core(params, design: Design, counts: list[str]) -> None:
    x, labels = draw(params, _SAMPLES, 2)
    model = initial(params, 2)
    steps = train_steps(model, x, labels)
    results = play(design, "tb_core", steps, counts=counts)
    found = differences(params, results, train_golden(model, x, labels))
    assert not found, "; ".join(found)


def _play_top(params, design: Design, counts: list[str]) -> None:
    makers = (trains_standalone,) if params.standalone.lines else (trains, refuses)
    for scenario in (make(params) for make in makers):
        scenario.judge(scenario.stimulus.play(design, counts=counts))


def read_counts(text: str) -> dict[tuple[str, str, str], int]:
    """Read what Verilator counted.

    Parameters
    ----------
    text : str
        Of its file ``coverage.dat``.

    Returns
    -------
    dict
        From part, kind and the point itself to how often it was reached.
    """
    counts: dict[tuple[str, str, str], int] = {}
    for point, count in re.findall(r"^C '(.*)' (\d+)$", text, re.MULTILINE):
        fields = dict(field.split("\x02", 1) for field in point.split("\x01") if field)
        kind, _, module = fields["page"].removeprefix("v_").partition("/")
        # Of a part that there is several times, or a part of it: update0, count1, crc$29.
        part = re.sub(r"\$?\d+\b", "", module.removeprefix("top.")) or module
        key = part, "toggle" if kind == "toggle" else "line", point
        counts[key] = counts.get(key, 0) + int(count)
    return counts


def run_coverage(benches=BENCHES) -> dict:
    """Count what the benches reach of the Verilog; return the report that ``--json`` prints.

    Parameters
    ----------
    benches : sequence of (str, str)
        Of :data:`BENCHES`.
    """
    require_simulators("verilator")
    started = time.perf_counter()
    with Display() as display:
        parts = count_coverage(
            benches, lambda done, what: display.show("benches", done, len(benches), what)
        )
        display.show("benches", len(benches), len(benches))
    total = {
        kind: [sum(part[kind][i] for part in parts.values()) for i in (0, 1)] for kind in KINDS
    }
    return {
        "verb": "coverage",
        "benches": [f"{what} of {network}" for network, what in benches],
        "parts": parts,
        "total": total,
        "seconds": round(time.perf_counter() - started, 1),
    }
