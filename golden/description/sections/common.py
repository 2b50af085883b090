"""What the sections share: their base class, their kinds of numbers, their error."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from popflip.golden.support.errors import InputError

__all__ = ["Natural", "ParamsError", "Positive", "Section", "Side", "both_ways", "number_or_pair"]

Positive = Annotated[int, Field(ge=1, le=1 << 20)]
Natural = Annotated[int, Field(ge=0, le=1 << 20)]
#: Pixels along one side of an image.
Side = Annotated[int, Field(ge=1, le=1024)]


def number_or_pair(least: int, most: int) -> Any:
    """Return the type of a key that is one number for both directions, or two: down and across.

    Two equal numbers become one, so that what is the same has one form, and one digest.

    Parameters
    ----------
    least, most : int
        What each number may be.
    """

    def checked(value):
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        if isinstance(value, list | tuple) and len(value) != 2:
            raise PydanticCustomError("pair", "must be one number, or two: down and across")
        for number in numbers:
            if type(number) is not int:
                raise PydanticCustomError("pair", "must be a whole number, or two of them")
            if number < least:
                raise PydanticCustomError("pair", f"must be at least {least}")
            if number > most:
                raise PydanticCustomError("pair", f"must be at most {most}")
        return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)

    schema = WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})
    return Annotated[Any, PlainValidator(checked), schema]


def both_ways(value: int | Sequence[int]) -> tuple[int, int]:
    """Return the two numbers, down and across, of a key of :func:`number_or_pair`."""
    down, across = (value, value) if isinstance(value, int) else value
    return down, across


class ParamsError(InputError):
    """Parameters that describe no machine; the message is one line for the user."""


class Section(BaseModel):
    """Parameters that belong together: frozen, strict, none besides those that are declared.

    The numpydoc section ``Parameters`` of a subclass documents its keys: the reference pages and
    commented TOML files take their text from there
    (:mod:`popflip.golden.description.reference`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
