"""What the live page costs: learning on show beside ``popflip train``, and how fast it answers."""

import asyncio
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from popflip.golden.support.errors import InputError
from popflip.scripts.console import Display
from popflip.scripts.session import Failure
from popflip.scripts.tables import pairs, put

__all__ = ["ROUNDS", "bench_live", "show_live"]

#: How often each of the two learns the samples, by turns.
ROUNDS = 3

#: Seconds between two questions to a page that learns, and between two times that it is opened.
ASK_S, OPEN_S = 0.2, 2.0

#: Seconds that one round may take.
LONG_S = 3600.0


def bench_live(network: list[str], data: str | None, samples: int, rounds: int = ROUNDS) -> dict:
    """Learn the same samples by turns with ``popflip train`` and through a page.

    Each turn begins with the same network. Both have golden beside them. The page has one client,
    which takes in all updates and draws nothing, and which asks it for something all the while. Its
    time is from the press of a button until the client sees that all samples are learned; tests by
    the way and comparisons are in it.

    Parameters
    ----------
    network : list of str
        Options that name a network and what learns it; the virtual board's default if empty.
    data : str, optional
    samples : int
        That are learned in each turn, at least 1.
    rounds : int

    Returns
    -------
    dict
        A row of what ``--json`` prints: ``samples`` and ``rounds``; ``train_samples_per_s`` and
        ``live_samples_per_s``, medians; ``cost_percent``, the median of the rounds' ratios;
        ``answers``, and ``answer_ms``, ``answer_ms_95``, ``answer_ms_99`` and ``answer_ms_most``
        (median, percentiles and greatest time of an answer); ``opened_ms`` (median time until the
        page has come).
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, not {samples}")
    words = [*network, "--samples", str(samples)]
    if data is not None:
        path = Path(data)
        words += ["--data", str(path.resolve()) if path.exists() else data]
    with tempfile.TemporaryDirectory() as folder, Display() as display:
        return asyncio.run(_by_turns(words, samples, rounds, Path(folder), display))


async def _by_turns(
    words: list[str], samples: int, rounds: int, folder: Path, display: Display
) -> dict:
    # Here: the extra `live` need not be there for other benches.
    from popflip.scripts.live.visitor import Visitor, served

    trained, shown = [], []
    answers: list[float] = []
    opened: list[float] = []
    with served(folder, *words) as (address, _):
        for number in range(rounds):
            turns = [True, False] if number % 2 else [False, True]
            for on_show in turns:
                done = 2 * number + (on_show == turns[1])
                display.show("turns", done, 2 * rounds, "live" if on_show else "train")
                if on_show:
                    async with Visitor(address) as visitor:
                        rate = await _shown(visitor, samples, answers, opened)
                    shown.append(rate)
                else:
                    trained.append(await asyncio.to_thread(_trained, words, folder))
        display.show("turns", 2 * rounds, 2 * rounds)
    ratios = [b / a for a, b in zip(trained, shown, strict=True)]
    return {
        "samples": samples,
        "rounds": rounds,
        "train_samples_per_s": round(statistics.median(trained), 1),
        "live_samples_per_s": round(statistics.median(shown), 1),
        "cost_percent": round(100 * (1 - statistics.median(ratios)), 1),
        "answers": len(answers),
        "answer_ms": _ms(answers, 0.5),
        "answer_ms_95": _ms(answers, 0.95),
        "answer_ms_99": _ms(answers, 0.99),
        "answer_ms_most": _ms(answers, 1.0),
        "opened_ms": _ms(opened, 0.5),
    }


def _ms(seconds: list[float], share: float) -> float:
    """Return the least time, in milliseconds, that so many of the times do not exceed."""
    ordered = sorted(seconds)
    return round(1e3 * ordered[math.ceil(share * len(ordered)) - 1], 1)


def _trained(words: list[str], folder: Path) -> float:
    """Return samples per second of ``popflip train``, of training alone."""
    command = [sys.executable, "-m", "popflip", "train", *words]
    command += ["--epochs", "1", "--test-samples", "10", "--verify", "--out", "train", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    # It may well not learn much of so few samples, which the status says.
    if not done.stdout:
        raise Failure(f"popflip train failed: {done.stderr.strip().splitlines()[-1]}")
    report = json.loads(done.stdout)
    if not report["verified"]:
        raise Failure(f"popflip train is not golden's: {report['differences'][0]}")
    return float(report["history"][-1]["samples_per_s"])


async def _shown(visitor, samples: int, answers: list[float], opened: list[float]) -> float:
    """Return samples per second of a page, and add the times of its answers."""
    await visitor.until(lambda: "paused" in visitor.text("state"), LONG_S)
    await visitor.press("reset")
    await visitor.until(lambda: visitor.text("samples") == "0")

    learned = asyncio.Event()

    async def ask() -> None:
        last = -math.inf
        while not learned.is_set():
            answers.append(await visitor.answered())
            if time.monotonic() - last > OPEN_S:
                opened.append(await visitor.opened())
                last = time.monotonic()
            await asyncio.sleep(ASK_S)

    async with asyncio.TaskGroup() as tasks:
        began = time.perf_counter()
        await visitor.press("epoch")
        tasks.create_task(ask())
        await visitor.until(lambda: visitor.text("samples") == f"{samples:,}", LONG_S)
        took = time.perf_counter() - began
        learned.set()
    await visitor.until(lambda: "paused" in visitor.text("state"))
    await visitor.press("compare")
    await visitor.until(lambda: f"all bits compared at {samples:,}" in visitor.text("lamp"), LONG_S)
    if "equal to golden" not in visitor.text("lamp"):
        raise Failure(f"the page's board is not golden's: {visitor.text('lamp')}")
    return samples / took


def show_live(row: dict) -> None:
    """Print what the page costs."""
    table = pairs(f"{row['samples']:,} samples, {row['rounds']} times by turns")
    table.add_row("popflip train", f"{row['train_samples_per_s']:,.0f} samples/s")
    table.add_row("popflip live", f"{row['live_samples_per_s']:,.0f} samples/s")
    table.add_row("the page costs", f"{row['cost_percent']:.1f} %, median of the rounds")
    table.add_row(
        "the page answers",
        f"within {row['answer_ms']:.1f} ms (median), {row['answer_ms_95']:.1f} ms (95 %), "
        f"{row['answer_ms_99']:.1f} ms (99 %), {row['answer_ms_most']:.1f} ms (all "
        f"{row['answers']:,})",
    )
    table.add_row("the page opens", f"within {row['opened_ms']:.1f} ms (median)")
    put(table)
