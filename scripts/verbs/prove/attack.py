"""``popflip attack``: damaged frames for both ends of the host link."""

import time
from dataclasses import asdict
from typing import Annotated, TypedDict

import typer

from popflip.boards.tools import require
from popflip.golden.support.errors import InputError
from popflip.scripts.campaigns.attack.board_end import attack_board
from popflip.scripts.campaigns.attack.groups import GROUP, TARGET
from popflip.scripts.campaigns.attack.host_end import attack_host
from popflip.scripts.console import Display
from popflip.scripts.options import Json
from popflip.scripts.tables import add_verdict, in_words, pairs, put
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB", "AttackReport", "run_attacks"]


class AttackReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    target: str
    seed: int
    ends: dict[str, dict]
    verified: bool
    differences: list[str]


def attack(
    host_frames: Annotated[
        int, typer.Option(help="Damaged frames for the host's end of the link.", min=0)
    ] = 1_000_000,
    board_frames: Annotated[
        int,
        typer.Option(
            help="Damaged frames for the board's end: the RTL, as a virtual board.", min=0
        ),
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of all that is sent.", min=0)] = 1,
    end: Annotated[
        str | None, typer.Option(help="Attack only this end: host or board.", metavar="END")
    ] = None,
    group: Annotated[
        int | None, typer.Option(help="Send only this group of that end's frames.", min=0)
    ] = None,
    as_json: Json = False,
) -> None:
    """Attack the host link with damaged frames, lies, replays, resets and vanishing hosts.

    Nothing may hang, nothing change but by a good request that is answered, all memories be as
    they were, and the next good frame be heard. A group that fails is sent again by its number.
    """
    report = run_attacks(host_frames, board_frames, seed, end, group)
    print_json(report) if as_json else show(report)
    fail_unless_verified(report)


VERB = Verb(
    attack,
    examples=(
        "popflip attack",
        "popflip attack --host-frames 0 --board-frames 2000 --seed 7 --json",
        "popflip attack --end board --group 17",
    ),
)


_ENDS = {"host": attack_host, "board": attack_board}


def run_attacks(
    host_frames: int, board_frames: int, seed: int, end: str | None = None, group: int | None = None
) -> AttackReport:
    """Attack both ends of the link, or one group of one end.

    Parameters
    ----------
    host_frames, board_frames : int
        At the host's end, and at the board's; 0 for none.
    seed : int
    end : {"host", "board"}, optional
        Only this end.
    group : int, optional
        Only this group of its frames.

    Returns
    -------
    dict
        The report that ``--json`` prints.
    """
    if end not in (None, *_ENDS):
        raise InputError(f"end must be host or board, not {end!r}")
    if group is not None and end is None:
        raise InputError("a group is one of an end: name it with --end")
    frames = {"host": host_frames, "board": board_frames}
    ends = [name for name in _ENDS if frames[name] and end in (None, name)]
    if not ends:
        raise InputError("frames must be at least 1 for one end of the link, not 0")
    if "board" in ends:
        require("verilator")
    reports, found = {}, []
    with Display() as display:
        for name in ends:
            started = time.perf_counter()
            total = GROUP if group is not None else frames[name]

            def on_progress(done, name=name, total=total):
                display.show(f"{name}'s end", min(done, total), total, "frames")

            outcome = _ENDS[name](total, seed, only=group, on_progress=on_progress)
            found += [f"{name}: {line}" for line in outcome.found]
            reports[name] = {
                **asdict(outcome),
                "kinds": dict(sorted(outcome.kinds.items())),
                "answers": dict(sorted(outcome.answers.items())),
                "seconds": round(time.perf_counter() - started, 1),
            }
    return {
        "verb": "attack",
        "target": TARGET.name,
        "seed": seed,
        "ends": reports,
        "verified": not found,
        "differences": found,
    }


def show(report: AttackReport) -> None:
    """Print the report of an attack."""
    table = pairs(f"The host link under attack, seed {report['seed']}")
    for end, one in report["ends"].items():
        text = f"{one['frames']:,} frames in {one['groups']:,} groups, {one['seconds']:,.1f} s"
        table.add_row(f"{end}'s end", text)
        table.add_row("  what was sent", in_words(one["kinds"]))
        table.add_row("  outcome", in_words(one["answers"]))
    add_verdict(table, report, "nothing hung, nothing changed that must not", "NOT as it should be")
    put(table)
