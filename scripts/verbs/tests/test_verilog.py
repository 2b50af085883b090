import json
import re
import subprocess

import numpy as np
import pytest

from popflip.boards.tools import verilator
from popflip.golden.cycles.model import CycleModel
from popflip.golden.description.packing import (
    bytes_to_bits,
    pack_samples,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.random_params import random_params
from popflip.golden.model import Model
from popflip.rtl.identity import identity
from popflip.rtl.verilog import generate
from popflip.scripts.verbs.hardware.verilog.cycle_rules import cycle_rules
from popflip.scripts.verbs.hardware.verilog.manifest import manifest, verilog_name
from popflip.scripts.verbs.hardware.verilog.package import write_package

SMALL = random_params(np.random.default_rng(3)).replace(name="odd name 1")
#: Of both kinds of first layer, and an inference-only machine.
DESIGNS = [
    *(Params.load(name) for name in preset_names()),
    *(random_params(np.random.default_rng(seed)) for seed in range(6)),
    random_params(np.random.default_rng(6)).replace(machine={"training": False}),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "new" / "folder"
    return folder, write_package(SMALL, folder)


def test_files(package):
    folder, files = package
    names = ["popflip_odd_name_1.v", "manifest.json", "instantiate.v", "waivers.vlt"]
    assert [str(path.relative_to(folder)) for path in files] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert json.loads(files[1].read_text()) == manifest(SMALL)
    title, text = files[0].read_text().split("\n", 1)
    assert title == f"// popflip {manifest(SMALL)['popflip']}, odd name 1, {identity(SMALL).hex()}"
    assert text == generate(SMALL)


def test_same_bytes_again(package, tmp_path):
    for old, new in zip(package[1], write_package(SMALL, tmp_path), strict=True):
        assert old.read_bytes() == new.read_bytes(), new.name


def test_nothing_is_written_where_a_file_is_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match="file"):
        write_package(SMALL, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_ports_are_those_of_the_verilog(package):
    text = package[1][0].read_text()
    module = re.search(r"^module top\(.*?^endmodule", text, re.M | re.S)[0]
    found = {
        (name, direction, int(high or 0) + 1)
        for direction, high, name in re.findall(
            r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.M
        )
    }
    ports = manifest(SMALL)["verilog"]["ports"]
    assert {(p["name"], p["direction"], p["width"]) for p in ports} == found


def test_package_lints_and_the_template_fits(package, tmp_path):
    """Lint complains of pins that are missing, or wider than what they are joined to."""
    folder, files = package
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

    assert lint("top", "-Wall", files[0].name) == (0, "")
    template = (folder / "instantiate.v").read_text()
    user = tmp_path / "user.v"
    user.write_text(f"module user;\n{template}\nendmodule\n")
    assert lint("user", str(user), files[0].name) == (0, "")
    user.write_text(f"module user;\n{template.replace('    .busy (busy),', '')}\nendmodule\n")
    status, errors = lint("user", str(user), files[0].name)
    assert status
    assert "PINMISSING" in errors


@pytest.mark.parametrize("params", DESIGNS, ids=lambda params: params.name)
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
    assert ("update" in told["cycles"]) == params.machine.training
    assert verilog_name(params) == told["verilog"]["file"]


@pytest.mark.parametrize("params", DESIGNS, ids=lambda params: params.name)
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


@pytest.mark.parametrize("params", DESIGNS, ids=lambda params: params.name)
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
