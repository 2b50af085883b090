"""The reference, written from the sources: keys, registers, regions, the link, the verbs, Python.

Pages of the documentation include the fragments that are written here.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from popflip.boards.host.frames import encode_frame
from popflip.boards.host.link import Link
from popflip.golden.description import protocol
from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.reference import rows as key_rows
from popflip.golden.description.registers import StandaloneState
from popflip.golden.support.files import write_atomically
from popflip.rtl.proofs.catalogue import PROOFS
from popflip.scripts.cli import verb_modules
from popflip.scripts.documentation.commands import verb_command
from popflip.scripts.documentation.markdown import code, number, table
from popflip.scripts.verbs.hardware.verilog.systemrdl import access_of

__all__ = ["FRAGMENTS", "api", "worked_frames", "write"]

#: The machine whose registers and regions the pages show.
EXAMPLE = "ice40up5k"


def _example() -> Params:
    return Params.load(EXAMPLE).replace(standalone={"flash": "quad"})


# Keys of a network's file ------------------------------------------------------------------------


def keys() -> str:
    """Every key of a network's TOML file: its range, its default, and what it means."""
    lines = []
    for section, group in groupby(key_rows(), key=lambda row: row.section):
        model = Params.model_fields[section].annotation if section else None
        lines += [
            f"## Section `[{section}]`" if section else "## Above all sections",
            "",
            inspect.cleandoc(model.__doc__ or "").split("\n")[0] if model else "",
            "",
            table(
                ("key", "type", "values", "default", "meaning"),
                ([code(row.key), row.type, row.range, row.default, row.meaning] for row in group),
            ),
        ]
    return "\n".join(lines)


def _parameters(section: type) -> dict[str, str]:
    """Read the ``Parameters`` of a numpydoc docstring: from name to description."""
    text = inspect.cleandoc(section.__doc__ or "").partition("Parameters\n----------\n")[2]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            found |= dict.fromkeys(names, "")
        else:
            for name in names:
                found[name] = f"{found[name]} {_plain(line)}".strip()
    return found


def _plain(text: str) -> str:
    """Turn the little reStructuredText of docstrings into Markdown."""
    text = re.sub(r":\w+:`~?([^`]+)`", lambda match: code(_short(match[1])), text)
    return text.replace("``", "`").strip()


def _short(name: str) -> str:
    """Leave the modules out of a dotted name."""
    *modules, last = name.split(".")
    return ".".join([*(part for part in modules[-1:] if part[:1].isupper()), last])


# Registers and regions ---------------------------------------------------------------------------


def registers() -> str:
    """The registers of :data:`EXAMPLE`, with what each is after a reset."""
    access = {(True, False): "read, write", (True, True): "read, command"}
    rows = [
        [
            one.index, code(one.name), access.get((one.writable, one.command), "read"), one.bits,
            one.reset, _plain(one.meaning),
        ]
        for one in _example().registers
    ]  # fmt: skip
    return table(("index", "name", "access", "bits", "after reset", "meaning"), rows, right=(0, 3))


def states() -> str:
    """What a standalone machine does, as register ``standalone`` has it."""
    rows = [[state.value, code(state.name), state.meaning] for state in StandaloneState]
    return table(("value", "state", "meaning"), rows, right=(0,))


def regions() -> str:
    """The regions of :data:`EXAMPLE`: memories as the host link addresses them."""
    rows = [
        [
            region.index, code(region.name), number(region.depth), region.width, region.word_bytes,
            f"every {region.part:,} words, {region.filled:,} of them filled" if region.part else "",
        ]
        for region in _example().regions
    ]  # fmt: skip
    head = ("index", "region", "words", "bits per word", "bytes per word", "parts")
    return table(head, rows, right=(0, 2, 3, 4))


def control() -> str:
    """The control registers of an AXI machine, which has them all."""
    access = {"r": "read", "w": "command", "rw": "read, write", "w1c": "read, write 1 to clear"}
    rows = [
        [f"0x{4 * one.index:02x}", code(one.name), access[access_of(one)], _plain(one.meaning)]
        for one in BusMap(Params.load(EXAMPLE), "axi").registers
    ]
    return table(("address", "name", "access", "meaning"), rows)


def windows() -> str:
    """The windows of :data:`EXAMPLE` behind Wishbone."""
    rows = [
        [
            f"0x{one.base:05x}", code(one.name), number(one.n_bytes),
            "packed" if one.packed else one.lanes, _plain(one.meaning),
        ]
        for one in sorted(BusMap(Params.load(EXAMPLE), "wishbone").windows, key=lambda w: w.base)
    ]  # fmt: skip
    head = ("address", "window", "bytes", "bus words to a word", "meaning")
    return table(head, rows, right=(2, 3))


def refusals() -> str:
    """Why an access is refused."""
    rows = [[each.value, code(each.name), each.meaning] for each in Refusal]
    return table(("value", "reason", "meaning"), rows, right=(0,))


def proofs() -> str:
    """What ``popflip prove`` proves: a row for each proof, with its claims."""
    claims: dict[tuple, list[str]] = {}
    for proof in PROOFS:
        key = (
            code(proof.name), proof.size,
            proof.engine if proof.inductive else f"{proof.depth} cycles",
        )  # fmt: skip
        claims.setdefault(key, []).extend(claim.says for claim in proof.claims.values())
    rows = [[name, "; ".join(says), size, how] for (name, size, how), says in claims.items()]
    return table(("proof", "claims", "size", "how"), rows)


# The link ---------------------------------------------------------------------------------------


def worked_frames() -> list[tuple[str, bytes, bytes]]:
    """Encode some requests: what each is, the frame before COBS, and the bytes on the line."""
    read = protocol.READ.pack(0, 0, 1)
    flags = protocol.RunFlags
    run = protocol.RUN.pack(flags.TRAIN | flags.INTERNAL | flags.FLUSH, 0, 16)
    found: list[tuple[str, bytes, bytes]] = []
    for text, sequence, kind, payload in (
        ("IDENTIFY", 1, protocol.Verb.IDENTIFY, b""),
        ("READ of one word of region 0 at address 0", 2, protocol.Verb.READ, read),
        ("RUN that trains on the samples of slots 0 to 15, and flushes", 3,
         protocol.Verb.RUN, run),
        ("the answer OK to that RUN", 3, protocol.Status.OK, b""),
    ):  # fmt: skip
        body = protocol.HEADER.pack(protocol.VERSION, sequence, kind) + payload
        body += protocol.CRC.compute(body).to_bytes(protocol.CRC_BYTES, "little")
        found.append((text, body, encode_frame(sequence, kind, payload)))
    return found


def frames() -> str:
    """The worked frames, as bytes."""
    lines = []
    for text, body, wire in worked_frames():
        lines += [
            f"{text}:", "", "```text", f"frame:  {body.hex(' ')}", f"line:   {wire.hex(' ')}",
            "```", "",
        ]  # fmt: skip
    return "\n".join(lines)


def requests() -> str:
    """The numbers of the requests."""
    rows = [[verb.value, code(verb.name)] for verb in protocol.Verb]
    numbers = ("VERSION", "MAX_PAYLOAD", "SAMPLE_BITS")
    said = ", ".join(f"{code(name)} is {getattr(protocol, name):,}" for name in numbers)
    return f"{table(('kind', 'request'), rows, right=(0,))}\n\nIn this version {said}."


def statuses() -> str:
    """The numbers of the statuses, and what each says."""
    rows = [[status.value, code(status.name), status.meaning] for status in protocol.Status]
    return table(("kind", "status", "meaning"), rows, right=(0,))


def run_flags() -> str:
    """The flags of RUN."""
    rows = [
        [code(flag.name), f"{flag.value:#04x}", meaning]
        for flag, meaning in protocol.FLAG_MEANINGS.items()
    ]
    return table(("flag", "bit", "meaning"), rows)


def rules() -> str:
    """What a host keeps to."""
    return "\n".join(f"{i}. {rule}" for i, rule in enumerate(protocol.RULES, 1))


def timing() -> str:
    """How long this host waits, and how often it asks again."""
    meanings = _parameters(Link)
    rows = [
        [code(name), one.default, meanings.get(name, "")]
        for name, one in inspect.signature(Link.__init__).parameters.items()
        if isinstance(one.default, int | float)
    ]
    return table(("setting", "default", "meaning"), rows)


# Verbs ------------------------------------------------------------------------------------------


def verbs() -> str:
    """Write every verb's help, from the command itself."""
    lines = []
    for group, commands in _groups():
        lines += [f"## {group}", ""]
        for name, command in commands:
            lines += [f"### `popflip {name}`", "", _prose(command.help or ""), ""]
            rows = [
                [_names(one), _kind(one), _option_default(one), getattr(one, "help", None) or ""]
                for one in command.params
                if not getattr(one, "hidden", False)  # an old name
            ]
            lines += [table(("option", "value", "default", "meaning"), rows), ""]
            examples = (command.epilog or "").split("Examples:")[-1].split("\n")
            examples = [line.strip() for line in examples if line.strip()]
            if examples:
                lines += ["```text", *examples, "```", ""]
    return "\n".join(lines)


def _groups() -> Iterator[tuple[str, list]]:
    """Group the verbs as the help does."""
    groups: dict[str, list] = {}
    for name in verb_modules():
        command = verb_command(name)
        groups.setdefault(command.rich_help_panel, []).append((name, command))
    yield from groups.items()


def _prose(text: str) -> str:
    return text.replace("<", r"\<").strip()


def _names(parameter) -> str:
    if parameter.param_type_name == "argument":
        return code((parameter.metavar or parameter.name).strip("[]{}").upper())
    return ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))


def _kind(parameter) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar:
        return code(parameter.metavar)
    # Versions of typer that hold a copy of click have the annotation instead of click's type.
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    kind = getattr(getattr(parameter, "type", None), "name", "")
    name = str(kind or getattr(annotation, "__name__", ""))
    return code({"int": "N", "integer": "N", "float": "X", "str": "TEXT"}.get(name, name.upper()))


def _option_default(parameter) -> str:
    default = parameter.default
    if parameter.required:
        return "required"
    if default is None or default is False or callable(default) or not str(default):
        return ""
    if type(default).__name__ == "Sentinel":
        return ""
    return code(default)


# Python -----------------------------------------------------------------------------------------

#: Rooms whose modules the pages of the Python API list.
ROOMS = ("golden", "rtl", "boards")


def api() -> dict[str, str]:
    """Write a page for each folder of the rooms: what its modules export.

    Returns
    -------
    dict
        From the name of a page to its text.
    """
    folders: dict[str, list[str]] = {}
    for room in ROOMS:
        package = importlib.import_module(f"popflip.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"popflip.{room}."):
            parts = module.name.split(".")
            if module.ispkg or "tests" in parts or "proofs" in parts or parts[-1] == "simulation":
                continue
            folders.setdefault(".".join(parts[1:-1]), []).append(module.name)
    pages = {}
    for folder, modules in sorted(folders.items()):
        # Board recipes are one constant each, which the table of boards shows.
        if folder == "boards.recipes":
            continue
        lines = [f"# `popflip.{folder}`", ""]
        for name in sorted(modules):
            lines += [f"## `{name}`", "", "```{eval-rst}", f".. automodule:: {name}", "```", ""]
        pages[f"api-{folder.replace('.', '-')}"] = "\n".join(lines)
    return pages


def write(folder: Path) -> None:
    """Write all fragments and pages into a folder, and remove other pages from it."""
    texts = {name: fragment() for name, fragment in FRAGMENTS.items()} | api()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / f"{name}.md"
        # Sphinx reads again what has a new date.
        if not path.exists() or path.read_text("utf-8") != text:
            write_atomically(path, text.encode())


#: From the name of a fragment, which pages include, to what writes it.
FRAGMENTS = {
    "keys": keys,
    "registers": registers,
    "states": states,
    "regions": regions,
    "control": control,
    "windows": windows,
    "refusals": refusals,
    "proofs": proofs,
    "frames": frames,
    "requests": requests,
    "statuses": statuses,
    "run-flags": run_flags,
    "rules": rules,
    "timing": timing,
    "verbs": verbs,
}
