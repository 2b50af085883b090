"""What a bus sees of a machine, in SystemRDL, and what PeakRDL makes of it: a header, a page."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from popflip.golden.description.bus import BusMap, Window
from popflip.golden.description.named import Meanings
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES, Field, Register
from popflip.golden.support.errors import InputError

__all__ = ["access_of", "c_header", "check_html", "fields_of", "html_page", "system_rdl"]

#: Words of SystemRDL that a field may be called.
_KEYWORDS = {"internal", "external", "write", "read", "signal", "default", "enum", "field", "type"}


def fields_of(register: Register) -> tuple[Field, ...]:
    """Return the fields of a register; of one that holds one number, that."""
    bits = register.bits or REGISTER_BITS
    return register.fields or (Field("value", 0, bits, register.about),)


def access_of(register: Register) -> str:
    """Return how a register is used: ``r``, ``w``, ``rw``, or ``w1c``."""
    if register.name == "events":
        return "w1c"
    if not register.writable:
        return "r"
    return "w" if register.command else "rw"


def system_rdl(params: Params, bus: str, name: str, heading: str, identity: bytes) -> str:
    """Write what a bus sees.

    Parameters
    ----------
    params : Params
    bus, name : str
        Its front end, and what the design is called.
    heading : str
        One line.
    identity : bytes
        Of the design.
    """
    bus_map = BusMap(params, bus)
    resets = {
        f"id{i // REGISTER_BYTES}": int.from_bytes(identity[i : i + REGISTER_BYTES], "little")
        for i in range(0, len(identity), REGISTER_BYTES)
    }
    lines = [f"// {heading}", "", *_enums(bus_map, params), f"addrmap {name} {{"]
    lines += [
        f"    name = {_text(name)};",
        f"    desc = {_text(heading)};",
        f"    default regwidth = {REGISTER_BITS};",
        f"    default accesswidth = {REGISTER_BITS};",
        "    littleendian;",
        "",
    ]
    for register in bus_map.registers:
        lines += _register(register, 4, resets.get(register.name, register.reset))
    for window in list(bus_map.windows)[1:]:
        lines += _window(params, window)
    return "\n".join([*lines, "};", ""])


def c_header(rdl: str, name: str) -> str:
    """Have PeakRDL make a C header of a description."""
    # Here, because nothing else needs them, and they take a moment.
    from peakrdl_cheader.c_standards import CStandard
    from peakrdl_cheader.exporter import CHeaderExporter

    with _elaborated(rdl, name) as (top, folder):
        header = folder / f"{name}_regs.h"
        CHeaderExporter().export(top, str(header), std=CStandard.gnu99)
        return header.read_text("utf-8")


def check_html() -> None:
    """See that :func:`html_page` can do its work.

    Raises
    ------
    InputError
        If its package is not installed.
    """
    # What asks git where a file is from says in an import if there is no git, which is no matter.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    try:
        import peakrdl_html.exporter  # noqa: F401
    except ImportError:
        raise InputError("--html needs a package: pip install 'popflip[html]'") from None


def html_page(rdl: str, name: str, folder: Path) -> Path:
    """Have PeakRDL make a page of a description, with all that it needs to be seen.

    Parameters
    ----------
    rdl, name : str
    folder : Path
        Made anew; it appears whole or not at all.

    Returns
    -------
    Path
        The page to begin with.
    """
    check_html()
    from peakrdl_html.exporter import HTMLExporter

    with (
        _elaborated(rdl, name) as (top, _),
        tempfile.TemporaryDirectory(prefix=".html-", dir=folder.parent) as work,
    ):
        made = Path(work, "html")
        HTMLExporter().export(top, str(made), title=name)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder / "index.html"


@contextmanager
def _elaborated(rdl: str, name: str) -> Iterator[tuple[Any, Path]]:
    """Read a description as its compiler does; the folder of its source is there meanwhile."""
    from systemrdl import RDLCompiler

    with tempfile.TemporaryDirectory(prefix="popflip-") as folder:
        source = Path(folder, f"{name}.rdl")
        source.write_text(rdl, "utf-8")
        compiler = RDLCompiler()
        compiler.compile_file(str(source))
        yield compiler.elaborate().top, Path(folder)


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _identifier(name: str) -> str:
    return f"\\{name}" if name in _KEYWORDS else name


def _enums(bus_map: BusMap, params: Params) -> Iterator[str]:
    kinds = {f.values for r in [*bus_map.registers, *params.registers] for f in r.fields}
    for kind in sorted(filter(None, kinds), key=lambda kind: kind.__name__):
        yield f"enum {_enum(kind)} {{"
        for each in kind:
            yield f"    {each.name} = {each.value} {{ desc = {_text(each.meaning)}; }};"
        yield from ("};", "")


def _enum(kind: type[Meanings]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _register(register: Register, indent: int, reset: int) -> Iterator[str]:
    """Lines of a register."""
    access = access_of(register)
    how = {
        "r": "sw = r; hw = w;",
        "w": "sw = w; hw = r;",
        "rw": "sw = rw; hw = r;",
        "w1c": "sw = rw; onwrite = woclr; hw = w;",
    }[access]
    pad = " " * indent
    yield f"{pad}reg {{"
    yield f"{pad}    desc = {_text(register.about)};"
    for field in fields_of(register):
        kind = f" encode = {_enum(field.values)};" if field.values else ""
        yield f"{pad}    field {{ {how}{kind} desc = {_text(field.meaning)}; }}"
        value = (reset & field.mask) >> field.low
        # What only the hardware writes has no value that counts, but what never changes.
        known = access == "rw" or (access == "r" and reset)
        at = f"[{field.low + field.bits - 1}:{field.low}]"
        yield f"{pad}        {_identifier(field.name)}{at}{f' = {value:#x}' if known else ''};"
    yield f"{pad}}} {_identifier(register.name)} @{REGISTER_BYTES * register.index:#x};"


def _window(params: Params, window: Window) -> Iterator[str]:
    """Lines of the window of a region."""
    yield ""
    if window.name == "registers":
        yield "    regfile {"
        yield f"        desc = {_text(window.meaning)};"
        for register in params.registers:
            yield from _register(register, 8, register.reset)
        yield f"    }} {window.name} @{window.base:#x};"
        return
    access = "rw" if window.readable and window.writable else "r" if window.readable else "w"
    lanes = f"{window.lanes} words to a word of the region" if window.lanes > 1 else "packed"
    about = window.meaning if window.lanes == 1 else f"{window.meaning}; {lanes}"
    yield "    external mem {"
    yield f"        desc = {_text(about)};"
    yield f"        mementries = {-(-window.n_bytes // REGISTER_BYTES)};"
    yield f"        memwidth = {REGISTER_BITS};"
    yield f"        sw = {access};"
    yield f"    }} {_identifier(window.name)} @{window.base:#x};"
