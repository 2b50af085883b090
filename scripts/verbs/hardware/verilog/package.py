"""The Verilog package: the generated file, and what an engineer needs beside it."""

import json
import textwrap
from pathlib import Path

from amaranth.lib import data

from popflip.boards.driver.header import FRONT_ENDS, design_header, driver_files
from popflip.golden.description.bus import MAPPED
from popflip.golden.description.names import checked_name, default_name
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import FLAG_MEANINGS
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import write_atomically
from popflip.rtl.designs import check_design
from popflip.rtl.identity import identity
from popflip.rtl.interface import HostSignature
from popflip.rtl.verilog import generate, waivers
from popflip.scripts.verbs.hardware.verilog.bench import bench
from popflip.scripts.verbs.hardware.verilog.fusesoc import core_file
from popflip.scripts.verbs.hardware.verilog.ipxact import component_xml, vivado_tcl
from popflip.scripts.verbs.hardware.verilog.manifest import manifest, title, verilog_name
from popflip.scripts.verbs.hardware.verilog.ports import ports
from popflip.scripts.verbs.hardware.verilog.svd import svd
from popflip.scripts.verbs.hardware.verilog.systemrdl import (
    c_header,
    check_html,
    html_page,
    system_rdl,
)
from popflip.scripts.verbs.hardware.verilog.vhdl import component

__all__ = ["write_package"]


def write_package(
    params: Params,
    folder: str | Path,
    bus: str = "uart",
    name: str | None = None,
    *,
    html: bool = False,
) -> list[Path]:
    """Write the Verilog of a design, its manifest, templates of an instance and lint waivers.

    With a host behind a line or a bus also the driver in C and what it has to know of the design.
    With registers at addresses also their description: SystemRDL, SVD and a C header. The same
    arguments give the same bytes. Each file appears whole or not at all.

    Parameters
    ----------
    params : Params
    folder : str or Path
        Made if need be; files of the same names are replaced.
    bus, name : str
        As for :func:`popflip.rtl.verilog.generate`.
    html : bool
        Whether to describe the registers in a page, too, in the folder ``html``.

    Returns
    -------
    list of Path
        The Verilog, ``manifest.json``, ``instantiate.v``, ``NAME_component.vhd``, ``waivers.vlt``,
        ``NAME_tb.v``, ``NAME.core``; ``popflip.h``, ``popflip.c``, ``NAME_design.h``;
        ``NAME.rdl``, ``NAME.svd`` and ``NAME_regs.h``; of AXI ``component.xml`` and
        ``NAME_vivado.tcl``; ``html/index.html``.

    Raises
    ------
    InputError
        If there is no such design, the name is none, the folder holds another design, or there is
        nothing to make a page of, or with.
    """
    if html:
        if bus not in MAPPED:
            raise InputError(f"--html is for registers of a bus ({', '.join(MAPPED)}), not {bus}")
        check_html()
    check_design(params, bus)
    name = default_name(params) if name is None else checked_name(name)
    if name.lower() in (taken := [port.name for port in ports(params, bus)]):
        raise InputError(f"name must not be that of a port ({', '.join(taken)}), not {name!r}")
    _check_folder(Path(folder), name)
    heading, own = title(params, bus), identity(params, bus)
    contents = {
        verilog_name(name): f"// {heading}\n{generate(params, bus, name)}",
        "manifest.json": json.dumps(manifest(params, bus, name), indent=2, ensure_ascii=False)
        + "\n",
        "instantiate.v": _template(params, bus, name),
        f"{name}_component.vhd": component(name, heading, ports(params, bus)),
        "waivers.vlt": waivers(verilog_name(name)),
        f"{name}_tb.v": bench(params, bus, name, heading, ports(params, bus), own),
        f"{name}.core": core_file(name, bus, heading),
    }
    if bus in FRONT_ENDS:
        contents |= driver_files()
        contents[f"{name}_design.h"] = design_header(params, bus, name, own)
    if bus in MAPPED:
        described = params, bus, name, heading, own
        rdl = system_rdl(*described)
        contents |= {
            f"{name}.rdl": rdl,
            f"{name}.svd": svd(*described),
            f"{name}_regs.h": c_header(rdl, name),
        }
    if bus == "axi":
        contents["component.xml"] = component_xml(params, name, heading, ports(params, bus))
        contents[f"{name}_vivado.tcl"] = vivado_tcl(name, heading)
    paths = [Path(folder, file) for file in contents]
    for path, text in zip(paths, contents.values(), strict=True):
        write_atomically(path, text.encode())
    if html:
        paths.append(html_page(contents[f"{name}.rdl"], name, Path(folder, "html")))
    return paths


def _check_folder(folder: Path, name: str) -> None:
    """Raise InputError if a folder holds a design of another name: its files would mix."""
    try:
        other = json.loads((folder / "manifest.json").read_text("utf-8"))["verilog"]["module"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if other != name:
        raise InputError(f"{folder} holds the design {other!r}: give {name!r} a folder of its own")


_RESET = """\
Reset. `rst` is synchronous and active high. Every register has its reset value after
configuration too, so a design without a reset may tie it to 0. Release it when the
clock is stable. A reset ends a run at once and brings settings back to defaults, but
clears no memory: the host writes weights and latents before the first run.
"""

_STORE = """\
Sample store. While store_request_valid is high, store_request_payload is the
number of a sample. It is taken in the cycle in which store_request_ready is high
too. The store then gives the {sample} bytes of that sample, in order, each taken in
a cycle in which store_data_valid and store_data_ready are both high, after any
number of cycles. No request comes before the last of them is taken. A byte that is
offered holds still until it is taken. `sample` of manifest.json has their layout.
Reset the store together with the machine, or the rest of a sample would pass for the
next. A design without a store ties store_request_ready and store_data_valid to 1
and store_data_payload to 0 (a run from the store then sees black images, and ends),
and the host loads all samples (RUN with INTERNAL).
"""

_MAPPED = """\
Addresses. `bus_map` of manifest.json, {name}.rdl, {name}.svd and {name}_regs.h have all
registers and windows, at addresses of bytes.{word_addresses} A refused access is answered by
the bus's error and changes nothing; registers `refusal` and `refused` then say why, and
where.

Runs. Write `first`, `count`, and the flags to `run`. Event `done` is set at the end, and
raises `irq` while `enable` says so.
"""

#: Of the only port that counts in something else.
_WORD_ADDRESSES = " `wb_adr` counts words of 32 bits: it is\nthe address of bytes divided by 4."

#: What a template says, by bus.
_NOTES = {
    "uart": (_STORE,),
    "none": (
        """\
Host. A command writes a word to a region, or reads one; `memory_map` of manifest.json lists
regions and words. Bits of host_command_payload:
  {command}
It stays for another cycle after a write is taken, and after a read is taken until its
reply, which is high for a cycle. While host_busy is high only `samples` may be written,
and `registers` and `results` be read.

Runs. Bits of host_run_payload:
  {run}
{flags}
host_stop, high for a cycle, ends a run behind the sample in hand.
""",
        _STORE,
    ),
    "axi": (
        _MAPPED,
        """\
Samples. A frame on s_axis is a sample: its {sample} bytes as `sample` of manifest.json has
them, the class in the last one, which has tlast. (With `label_in_user` of register
`options` the class is tuser of the last byte, and no byte.) A frame of another length is
dropped and counted. Two samples are held ahead of a run.

Predictions. Runs that take their samples from s_axis send one word on m_axis for each. A
consumer that waits makes the machine wait.
""",
    ),
    "wishbone": (
        _MAPPED,
        """\
Samples. Write the {sample} bytes of a sample, as `sample` of manifest.json has them, to window
`sample`, word after word. A write waits while two samples wait for the run that is on.
""",
    ),
}


def _bits_of(layout: data.Layout) -> str:
    """Say where the fields of a structure lie."""
    return ", ".join(
        f"{name} [{field.offset + field.width - 1}:{field.offset}]" for name, field in layout
    )


def _template(params: Params, bus: str, name: str) -> str:
    """Return Verilog to copy from: one instance of the design, its ports joined to signals."""
    listed = ports(params, bus)
    notes = (_RESET,) if params.standalone.lines else (_RESET, *_NOTES[bus])
    lines = [
        f"// {title(params, bus)}",
        "//",
        "// A template, to be copied into the design that uses popflip: it drives nothing.",
    ]
    host = HostSignature(params).members
    told = {
        kind: _bits_of(host[kind].signature.members["payload"].shape) for kind in ("command", "run")
    }
    told["flags"] = "\n".join(
        textwrap.fill(f"{str(flag.name).lower()}: {meaning}", 85, initial_indent="  ",
                      subsequent_indent="    ")
        for flag, meaning in FLAG_MEANINGS.items()
    )  # fmt: skip
    told["word_addresses"] = _WORD_ADDRESSES if bus == "wishbone" else ""
    for note in notes:
        text = note.format(sample=params.sample_bytes, name=name, **told).strip()
        lines += ["//", *(f"// {line}".rstrip() for line in text.splitlines())]
    lines.append("")
    for port in listed:
        width = f"[{port.width - 1}:0]" if port.width > 1 else ""
        lines.append(f"wire {width:6} {port.name};".rstrip())
    lines += ["", f"{name} popflip ("]
    for port in listed:
        text = f"{port.direction}: {port.meaning}"
        lines += [f"    // {line}" for line in textwrap.wrap(text, 90)]
        lines.append(f"    .{port.name} ({port.name}){'' if port is listed[-1] else ','}")
    lines += [");", ""]
    return "\n".join(lines)
