"""Attacks on the host link as the command makes them: both ends, one report."""

import time
from dataclasses import asdict

from popflip.boards.attack import GROUP, TARGET, attack_board, attack_host
from popflip.boards.tools import require
from popflip.golden.support.errors import InputError
from popflip.scripts.console import Display

__all__ = ["run_attacks"]

_ENDS = {"host": attack_host, "board": attack_board}


def run_attacks(
    host_frames: int, board_frames: int, seed: int, end: str | None = None, group: int | None = None
) -> dict:
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
