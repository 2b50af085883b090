"""What attacks on both ends of the link share: the target, groups of frames, their outcome."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from popflip.boards.host.link import LinkError
from popflip.golden.description.params import Params

__all__ = ["GROUP", "TARGET", "Found", "Outcome", "attack_groups", "expect"]

#: A network small enough that all its memories are read every few frames, at the fastest line.
TARGET = Params.build({
    "name": "target",
    "network": {"image": [8, 8], "hidden": [12], "classes": 3},
    "dynamics": {"gains": [40, 30]},
    "learning": {"beta": 4, "tau": [3, 2]},
    "machine": {
        "row_lanes": 16, "neuron_lanes": 3, "relax_lanes": 3, "latent_lanes": [4, 3],
        "weight_slice": 9, "sample_slots": 2, "uart_divisor": 4,
    },
})  # fmt: skip

#: Frames in a group.
GROUP = 16

#: Findings after which nobody wants more.
_ENOUGH = 20


@dataclass
class Outcome:
    """The outcome of an attack.

    Attributes
    ----------
    frames, groups : int
        Frames that were sent damaged, lying or out of turn, and groups of them.
    kinds : Counter
        Frames by what was done to them.
    answers : Counter
        What became of them, or of the requests behind them.
    found : list of str
        What should not have happened, group by group; empty if all went well.
    """

    frames: int = 0
    groups: int = 0
    kinds: Counter = field(default_factory=Counter)
    answers: Counter = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)


class Found(Exception):
    """Something happened that must not."""


def expect(right: bool, text: str) -> None:
    """Raise :class:`Found` with a text unless something is right."""
    if not right:
        raise Found(text)


def attack_groups(
    outcome: Outcome,
    attack: Callable[[int], None],
    frames: int,
    only: int | None,
    on_progress: Callable[[int], None] | None,
    again: Callable[[], None],
) -> Outcome:
    """Attack group by group until there were so many frames, or once if only one is wanted."""
    number = 0 if only is None else only
    while outcome.frames < frames and len(outcome.found) < _ENOUGH:
        try:
            attack(number)
        except (Found, LinkError) as error:
            outcome.found.append(f"group {number}: {error}")
            again()
        outcome.groups += 1
        number += 1
        if on_progress:
            on_progress(min(outcome.frames, frames))
        if only is not None:
            break
    return outcome
