"""A parameter that a sweep varies."""

import json
import re
from dataclasses import dataclass
from typing import Any

import optuna

from popflip.golden.description.params import Params, ParamsError
from popflip.golden.support.errors import InputError

__all__ = ["Axis"]

_RANGE = re.compile(r"(?P<low>.+?)\.\.(?P<high>.+?)(?P<log>:log)?")


@dataclass(frozen=True)
class Axis:
    """A parameter that is varied.

    Parameters
    ----------
    path : tuple of str
        Section, name and, of an array, the number of an entry.
    choices : tuple
        Values to choose from; empty for a range.
    low, high : float
        Ends of a range, both included; of whole numbers if both are int.
    log : bool
        Whether the range is gone through by factors.
    """

    path: tuple[str, ...]
    choices: tuple = ()
    low: float = 0
    high: float = 0
    log: bool = False

    @classmethod
    def parse(cls, text: str) -> "Axis":
        """Read ``section.name=1,2,3`` or ``section.name=1..9`` or ``...=0.1..10.0:log``.

        Raises
        ------
        ValueError
            With one line that says what is wrong.
        """
        name, equals, values = text.partition("=")
        path = tuple(name.strip().split("."))
        if not equals or len(path) < 2 or not values:
            raise InputError(
                f"vary must be SECTION.NAME=A,B,C or SECTION.NAME=LOW..HIGH, not {text!r}"
            )
        match = _RANGE.fullmatch(values)
        if match is None:
            return cls(path, choices=_choices(values))
        low, high = _value(match["low"]), _value(match["high"])
        if not all(type(end) in (int, float) for end in (low, high)) or not low < high:
            raise InputError(f"vary must have a range of numbers LOW..HIGH, not {values!r}")
        if match["log"] and low <= 0:
            raise InputError(f"vary must have a LOW above 0 for a logarithmic range, not {low}")
        return cls(path, low=low, high=high, log=bool(match["log"]))

    @property
    def name(self) -> str:
        """What the user calls it."""
        return ".".join(self.path)

    def suggest(self, trial: optuna.Trial):
        """Value of a trial."""
        if self.choices:
            # Arrays are no choices that Optuna can write down: their text is.
            texts = [json.dumps(choice) for choice in self.choices]
            return json.loads(trial.suggest_categorical(self.name, texts))
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def put(self, tree: dict, value) -> None:
        """Set it in a tree of parameters."""
        section, *rest = self.path
        field = Params.model_fields.get(section)
        # A tree leaves out some parameters that have their defaults.
        if field and rest and rest[0] in getattr(field.annotation, "model_fields", {}):
            tree.setdefault(section, {}).setdefault(rest[0], None)
        place: Any = tree
        for step in self.path[:-1]:
            place = place[self._key(place, step)]
        place[self._key(place, self.path[-1])] = value

    def _key(self, place, step: str):
        """Key of a dict or index of a list."""
        if isinstance(place, dict) and step in place:
            return step
        if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
            return int(step)
        raise ParamsError(f"{self.name} is not a parameter")


def _choices(text: str) -> tuple:
    """Values between commas: numbers, arrays of them, or words."""
    try:
        return tuple(json.loads(f"[{text}]"))
    except (ValueError, RecursionError):
        return tuple(_value(part) for part in text.split(","))


def _value(text: str):
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
