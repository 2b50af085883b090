"""``popflip fit``: whether a network fits a board, before any synthesis."""

from typing import Annotated, TypedDict

import typer

from popflip.boards.board import Board
from popflip.boards.build.estimate import Estimate, estimate, largest
from popflip.boards.build.inventory import inventory
from popflip.boards.registry import find_board
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts.console import Display, say
from popflip.scripts.cycle_counts import counted_cycles
from popflip.scripts.flash_budget import flash_budget, mean_record
from popflip.scripts.options import Config, Data, Freq, Json, NamedBoard, Preset
from popflip.scripts.resources import KINDS, add_resources
from popflip.scripts.session import choose_data, named_network
from popflip.scripts.tables import pairs, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "FitReport", "fit_board"]


class Numbers(TypedDict):
    """What a network takes of a device."""

    preset: str
    sizes: list[int]
    synapses: int
    memory_bits: int
    used: dict[str, int]
    available: dict[str, int]
    fits: bool


class LargestReport(Numbers):
    """The largest network of the family that fits."""

    size: int


class FitReport(Numbers):
    """What ``--json`` prints."""

    verb: str
    board: str
    title: str
    device: str
    limiting: str
    lacking: str
    memories: list[dict]
    core_mhz: float
    cycles: dict | None
    samples_per_s: float | None
    inferences_per_s: float | None
    standalone: dict
    largest: LargestReport | None


def fit(
    board: NamedBoard,
    preset: Preset = None,
    config: Config = None,
    freq: Freq = None,
    search: Annotated[
        bool, typer.Option(help="Look for the largest network of the family.")
    ] = True,
    cycles: Annotated[
        bool, typer.Option(help="Count cycles, on real images after some training.")
    ] = True,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say whether a network fits a board, before any synthesis, and what limits it.

    Memories are counted exactly, logic by a model of routed designs. Without --preset or --config
    the network is the board's own.
    """
    chosen = find_board(board)
    params = named_network(preset, config, chosen.preset)
    dataset = choose_data(data, params=params)[0] if cycles else None
    report = fit_board(chosen, params, dataset, core_mhz=freq, search=search)
    print_json(report) if as_json else show(report)
    if not report["fits"]:
        say(f"popflip: {params.name} does not fit {chosen.title}: too few {report['lacking']}")
        raise typer.Exit(1)


VERB = Verb(
    fit,
    examples=(
        "popflip fit --board icebreaker",
        "popflip fit --board ulx3s-85f --config mine.toml --json",
    ),
)


def fit_board(
    board: Board,
    params: Params,
    dataset: Dataset | None,
    *,
    core_mhz: float | None = None,
    search: bool = True,
) -> FitReport:
    """Estimate what a network takes of a board; nothing is synthesized.

    Parameters
    ----------
    board : Board
    params : Params
    dataset : Dataset, optional
        On whose images cycles are counted, after some training; they are left out without it.
    core_mhz : float, optional
        The machine's clock; the board's own if left out.
    search : bool
        Whether to look for the largest network of the family.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    core_mhz = board.core_mhz if core_mhz is None else core_mhz
    net = board.params(params, core_mhz)
    found = inventory(net)
    guess = estimate(board.device, found)
    best = None
    with Display() as display:
        if search:
            tried = [0]

            def progress(size, fits):
                tried[0] += 1
                display.show("networks tried", tried[0], tried[0] + 1, f"{size}: {_word(fits)}")

            best = largest(board, net, progress)
        cycles = None
        if dataset is not None and params.machine.training:
            display.show("cycles", 0, 1, "the fast engine trains for a while")
            cycles = counted_cycles(params, dataset)
            display.show("cycles", 1, 1)
    return {
        "verb": "fit",
        "board": board.name,
        "title": board.title,
        "device": board.device.part,
        **_numbers(params, guess),
        "limiting": guess.limiting,
        "lacking": ", ".join(KINDS[kind] for kind, share in guess.shares.items() if share > 1),
        "memories": [
            {
                "memory": memory.name,
                "words": memory.depth,
                "bits": memory.width,
                "blocks": board.device.blocks_for(memory.depth, memory.width),
            }
            for memory in found.memories
        ],
        "core_mhz": core_mhz,
        "cycles": cycles,
        "samples_per_s": round(core_mhz * 1e6 / cycles["train"], 1) if cycles else None,
        "inferences_per_s": round(core_mhz * 1e6 / cycles["infer"], 1) if cycles else None,
        "standalone": flash_budget(
            board,
            params,
            core_mhz,
            cycles["train"] if cycles else None,
            mean_record(params, dataset) if dataset is not None else None,
        ),
        "largest": {**_numbers(best[0], best[1]), "size": best[0].first_layer.block}
        if best
        else None,
    }


def _word(fits: bool) -> str:
    return "fits" if fits else "does not"


def _numbers(params: Params, guess: Estimate) -> Numbers:
    return {
        "preset": params.name,
        "sizes": list(params.sizes),
        "synapses": params.n_synapses,
        "memory_bits": guess.memory_bits,
        "used": guess.used,
        "available": guess.available,
        "fits": guess.fits,
    }


def show(report: FitReport) -> None:
    """Print whether a network fits a board."""
    verdict = "fits" if report["fits"] else "does NOT fit"
    table = pairs(f"{report['preset']} {verdict} {report['title']} ({report['device']})")
    table.add_row(
        "network", f"{'-'.join(map(str, report['sizes']))}, {report['synapses']:,} synapses"
    )
    table.add_row("memory", f"{report['memory_bits']:,} bits")
    add_resources(table, report)
    table.add_row("limit", KINDS[report["limiting"]])
    if report["cycles"]:
        cycles = report["cycles"]
        table.add_row(
            "training",
            f"{cycles['train']:,.0f} cycles per sample, {report['samples_per_s']:,.0f} samples/s "
            f"at {report['core_mhz']:g} MHz, if that clock is reached",
        )
    table.add_row("standalone", _in_a_sentence(report["standalone"]))
    if report["largest"]:
        best = report["largest"]
        table.add_row(
            "largest",
            f"{best['size']} neurons per window or layer: "
            f"{'-'.join(map(str, best['sizes']))}, {best['synapses']:,} synapses",
        )
    else:
        table.add_row("largest", "no network of this family and with these lanes fits")
    put(table)


def _in_a_sentence(budget: dict) -> str:
    """Say in a sentence what a standalone machine takes of its flash."""
    if budget["obstacle"]:
        return f"not without a host: {budget['obstacle']}"
    text = (
        f"by {budget['flash']} output at {budget['flash_mhz']:g} MHz, {budget['flash_cycles']:,} "
        f"cycles per sample of {budget['sample_bytes']} bytes"
    )
    if budget["bound"] is not None:
        text += ", which the core waits for" if budget["bound"] else ": the core does not wait"
    return f"{text}; the flash holds {budget['room']:,} samples"
