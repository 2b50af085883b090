"""The C driver and the header of a design: they compile, and say what the description says."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from popflip.boards.driver.header import FRONT_ENDS, design_header, driver_files
from popflip.boards.driver.image import c_array
from popflip.boards.driver.tests.native import FLAGS, Driver, Result, compile_driver
from popflip.golden.datasets.encoding import encode
from popflip.golden.description import protocol
from popflip.golden.description.bus import BusMap
from popflip.golden.description.packing import pack_samples
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names

IDENTITY = bytes(range(16))
RISCV = "riscv64-unknown-elf-gcc"


def compile_all(folder, compiler, *flags):
    """Compile the driver beside the headers of several designs, as a program would."""
    designs = [(name, bus) for bus in FRONT_ENDS for name in ("ice40hx8k", "ecp5-85f")]
    for name, text in driver_files().items():
        (folder / name).write_text(text)
    uses = []
    for i, (name, bus) in enumerate(designs):
        text = design_header(Params.load(name), bus, f"d{i}", IDENTITY)
        (folder / f"d{i}_design.h").write_text(text)
        uses.append(f'#include "d{i}_design.h"\n')
    tables = ", ".join(f"&d{i}_design" for i in range(len(designs)))
    text = "".join(uses) + f"const struct popflip_design *const all[] = {{{tables}}};\n"
    (folder / "user.c").write_text(text)
    for file in ("popflip.c", "user.c"):
        command = [compiler, *FLAGS, *flags, "-c", file]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("optimised", ["-O0", "-Os", "-O2"])
def test_it_compiles(tmp_path, optimised):
    compile_all(tmp_path, "gcc", optimised)


@pytest.mark.slow  # setup.sh brings the compiler to Debian
def test_it_compiles_for_risc_v(tmp_path):
    assert shutil.which(RISCV), "apt-get install gcc-riscv64-unknown-elf"
    for flags in (["-march=rv32im", "-mabi=ilp32"], ["-march=rv64imac", "-mabi=lp64"]):
        compile_all(tmp_path, RISCV, "-Os", *flags)


def test_cpp_takes_the_headers(tmp_path):
    for name, text in driver_files().items():
        (tmp_path / name).write_text(text)
    header = design_header(Params.load("ice40hx8k"), "uart", "mine", IDENTITY)
    (tmp_path / "mine_design.h").write_text(header)
    (tmp_path / "user.cpp").write_text('#include "mine_design.h"\nauto &design = mine_design;\n')
    command = ["g++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "user.cpp"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr


def test_names_of_a_design_do_not_meet_those_of_its_exports(tmp_path):
    """Files called NAME_samples.h and NAME_network.h, which `popflip export` makes arrays of."""
    for name, text in driver_files().items():
        (tmp_path / name).write_text(text)
    params = Params.load("ice40hx8k")
    (tmp_path / "mine_design.h").write_text(design_header(params, "uart", "mine", IDENTITY))
    names = [f"mine_{name}" for name in ("network", *params.regions.names)]
    arrays = "".join(c_array(name, b"\1", "an array") for name in names)
    uses = "".join(f", mine_region_{name}" for name in params.regions.names)
    text = f'#include "mine_design.h"\n{arrays}const int numbers[] = {{0{uses}}};\n'
    (tmp_path / "user.c").write_text(text)
    command = ["gcc", *FLAGS, "-Wno-unused-const-variable", "-fsyntax-only", "user.c"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stderr


def numbers(text):
    """Constants of C enumerations that have a number."""
    return {
        name: int(value, 0) for name, value in re.findall(r"(\w+) = (0x\w+|\d+)\b", text)
    }  # fmt: skip


def test_the_source_has_the_numbers_of_the_description():
    told = numbers(driver_files()["popflip.c"])
    for verb in ("IDENTIFY", "READ", "WRITE", "RUN", "STOP", "STATUS"):
        assert told[verb] == protocol.Verb[verb]
    assert told["VERSION"] == protocol.VERSION
    assert told["BAD_FRAME"] == protocol.Status.BAD_FRAME
    assert told["BAD_CRC"] == protocol.Status.BAD_CRC
    assert told["ANSWER_BUSY"] == protocol.Status.BUSY
    registers = BusMap(Params.load("ice40hx8k"), "axi").registers
    for name, register in (
        ("ID", "id0"), ("STATUS", "status"), ("EVENTS", "events"), ("ENABLE", "enable"),
        ("FIRST", "first"), ("COUNT", "count"), ("RUN", "run"), ("COMMAND", "command"),
    ):  # fmt: skip
        assert told[f"REG_{name}"] == 4 * registers[register].index
    assert told["COMMAND_STOP"] == registers["command"]["stop"].mask
    assert told["COMMAND_DISCARD"] == registers["command"]["discard"].mask
    assert told["STATUS_BUSY"] == registers["status"]["busy"].mask
    assert registers["layout"].reset == told["LAYOUT_VERSION"] | FRONT_ENDS["axi"] << 8


def test_the_header_has_the_numbers_of_the_description():
    text = driver_files()["popflip.h"]
    told = numbers(text)
    assert f"#define POPFLIP_PAYLOAD {protocol.MAX_PAYLOAD}\n" in text
    for flag in protocol.RunFlags:
        assert told[f"POPFLIP_{flag.name}"] == flag
    events = BusMap(Params.load("ice40hx8k"), "axi").registers["events"]
    for name, field in (
        ("DONE", "done"), ("BAD_FRAME", "bad_frame"), ("ACCESS_REFUSED", "refused"),
    ):  # fmt: skip
        assert told[f"POPFLIP_{name}"] == events[field].mask
    for bus, number in FRONT_ENDS.items():
        assert told[f"POPFLIP_{bus.upper()}"] == number
    results = re.search(r"enum popflip_result \{(.*?)\}", text, re.S)[1]
    assert re.findall(r"POPFLIP_(\w+)", results) == [result.name for result in Result]
    for name in preset_names():
        registers = Params.load(name).registers
        assert registers.names[:5] == ["batch", "options", "seed", "clear", "tau0"]
        assert registers.counters.names[:5] == [
            "samples", "correct", "changed", "restarts", "flips0",
        ]  # fmt: skip
        assert Params.load(name).regions.names[:4] == [
            "registers", "samples", "results", "weights0",
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["ice40hx8k", "local-small", "ecp5-25f"])
def test_samples_are_packed_as_in_python(tmp_path, name):
    params = Params.load(name)
    driver = Driver(compile_driver(tmp_path, params, "uart", IDENTITY), params)
    images = np.random.default_rng(1).integers(0, 256, (20, *params.network.image), np.uint8)
    labels = np.arange(20) % params.network.classes
    wanted = pack_samples(params, encode(images, params.network.thresholds), labels)
    for image, label, sample in zip(images, labels, wanted, strict=True):
        assert driver.pack(image.tobytes(), int(label)) == sample.tobytes()
