"""What the sections share: their base class, their kinds of numbers, their error."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from popflip.golden.support.errors import InputError

__all__ = ["Natural", "ParamsError", "Positive", "Section", "Side"]

Positive = Annotated[int, Field(ge=1, le=1 << 20)]
Natural = Annotated[int, Field(ge=0, le=1 << 20)]
#: Pixels along one side of an image.
Side = Annotated[int, Field(ge=1, le=1024)]


class ParamsError(InputError):
    """Parameters that describe no machine; the message is one line for the user."""


class Section(BaseModel):
    """Parameters that belong together: frozen, strict, none besides those that are declared.

    The numpydoc section ``Parameters`` of a subclass documents its keys: the reference pages and
    commented TOML files take their text from there
    (:mod:`popflip.golden.description.reference`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
