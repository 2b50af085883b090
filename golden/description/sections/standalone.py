"""Section ``standalone``: standalone training, from its own SPI flash."""

import hashlib
from typing import Annotated, Literal

from pydantic import Field, model_validator

from popflip.golden.description.sections.common import Section
from popflip.golden.support.errors import InputError

__all__ = ["FLASH_ADDRESS_BITS", "FLASH_BYTES", "SECTOR", "Standalone"]

#: Bytes that a flash erases at a time.
SECTOR = 4096

#: Bits of the address that a read command of the flash carries.
FLASH_ADDRESS_BITS = 24

#: Bytes that such a command can reach.
FLASH_BYTES = 1 << FLASH_ADDRESS_BITS


class Standalone(Section):
    """Standalone training, on the data set in its own SPI flash.

    Parameters
    ----------
    flash : {"auto", "none", "single", "dual", "quad"}
        Data lines by which the flash is read. With ``none`` the machine has no reader, and takes
        its samples from a store beside it or from a host. ``auto`` is what the board has that the
        machine is built for, and ``none`` without a board.
    flash_divider : int
        Clock cycles per clock of the flash: an even number; or 1, for which the clock's pin needs
        a register of double data rate.
    flash_delay : int
        Registers on the way from the machine to the flash and back; at least 1 with a divider
        of 1.
    flash_base : int
        Byte address at which the image of the data set begins.
    record_bytes : int, optional
        Samples lie in the flash without their zero bytes, in records of so many bytes
        (:func:`popflip.golden.description.flash_image.records`): what the longest sample takes.
        They are read faster so. If left out, samples lie there as they are.
    order_bits : int
        The image may hold up to ``2 ** order_bits`` training samples, and as many to test with.
    epochs : int
        How often the machine goes through the training samples.
    seed : int
        Decides the initial weights, the order of the samples and their shifts.
    autostart : bool
        Whether training begins as soon as the machine is configured; else with its start button
        or when a host says so.
    """

    flash: Literal["auto", "none", "single", "dual", "quad"] = "auto"
    flash_divider: Annotated[int, Field(ge=1, le=64)] = 2
    flash_delay: Annotated[int, Field(ge=0, le=3)] = 0
    flash_base: Annotated[int, Field(ge=0, lt=FLASH_BYTES, multiple_of=2 * SECTOR)] = 1 << 20
    record_bytes: Annotated[int, Field(ge=8, le=256)] | None = None
    order_bits: Annotated[int, Field(ge=3, le=20)] = 16
    epochs: Annotated[int, Field(ge=1, le=65535)] = 20
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1
    autostart: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> "Standalone":
        if self.flash_divider > 1 and self.flash_divider % 2:
            raise InputError(f"flash_divider must be 1 or an even number, not {self.flash_divider}")
        if self.flash_divider == 1 and not self.flash_delay:
            raise InputError("flash_delay must be at least 1 for a flash_divider of 1, not 0")
        return self

    @property
    def lines(self) -> int:
        """Data lines from the flash; 0 if there is none."""
        return {"auto": 0, "none": 0, "single": 1, "dual": 2, "quad": 4}[self.flash]

    @property
    def state(self) -> int:
        """Where the generator of all random choices starts; a mixture of ``seed``, never 0."""
        digest = hashlib.sha256(self.seed.to_bytes(4, "little")).digest()
        return int.from_bytes(digest[:4], "little") or 1
