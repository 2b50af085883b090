"""The Verilog package: the generated file, a manifest, a template and lint waivers."""

import json
import textwrap
from pathlib import Path

from popflip.golden.description.params import Params
from popflip.golden.support.files import write_atomically
from popflip.rtl.verilog import generate, waivers
from popflip.scripts.verbs.hardware.verilog.manifest import manifest, ports, title, verilog_name

__all__ = ["write_package"]


def write_package(params: Params, folder: str | Path) -> list[Path]:
    """Write the Verilog of a design, its manifest, a template of an instance and lint waivers.

    The same parameters give the same bytes. Each file appears whole or not at all.

    Parameters
    ----------
    params : Params
    folder : str or Path
        Made if need be; files of the same names are replaced.

    Returns
    -------
    list of Path
        The Verilog, ``manifest.json``, ``instantiate.v`` and ``waivers.vlt``.
    """
    contents = {
        verilog_name(params): f"// {title(params)}\n{generate(params)}",
        "manifest.json": json.dumps(manifest(params), indent=2, ensure_ascii=False) + "\n",
        "instantiate.v": _template(params),
        "waivers.vlt": waivers(),
    }
    paths = [Path(folder, name) for name in contents]
    for path, text in zip(paths, contents.values(), strict=True):
        write_atomically(path, text.encode())
    return paths


def _template(params: Params) -> str:
    """Return Verilog to copy from: one instance of the top, its ports joined to signals."""
    listed = ports()
    sample = params.sample_bytes
    lines = [
        f"// {title(params)}",
        "//",
        "// A template, to be copied into the design that uses popflip: it drives nothing.",
        "//",
        "// Reset. `rst` is synchronous and active high. Every register has its reset value after",
        "// configuration too, so a design without a reset may tie it to 0. Release it when the",
        "// clock is stable. A reset ends a run at once and brings settings back to defaults, but",
        "// clears no memory: the host writes weights and latents before the first run.",
        "//",
        "// Sample store. While store_request_valid is high, store_request_payload is the",
        "// number of a sample. It is taken in the cycle in which store_request_ready is high",
        f"// too. The store then gives the {sample} bytes of that sample, in order, each taken in",
        "// a cycle in which store_data_valid and store_data_ready are both high, after any",
        "// number of cycles. No request comes before the last of them is taken. A byte that is",
        "// offered holds still until it is taken. `sample` of manifest.json has their layout.",
        "// Reset the store together with the machine, or the rest of a sample would pass for the",
        "// next. A design without a store ties store_request_ready and store_data_valid to 1",
        "// and store_data_payload to 0 (a run from the store then sees black images, and ends),",
        "// and the host loads all samples (RUN with INTERNAL).",
        "",
    ]
    for port in listed:
        width = f"[{port['width'] - 1}:0]" if port["width"] > 1 else ""
        lines.append(f"wire {width:6} {port['name']};".rstrip())
    lines += ["", "top popflip ("]
    for port in listed:
        text = f"{port['direction']}: {port['meaning']}"
        lines += [f"    // {line}" for line in textwrap.wrap(text, 90)]
        lines.append(f"    .{port['name']} ({port['name']}){'' if port is listed[-1] else ','}")
    lines += [");", ""]
    return "\n".join(lines)
