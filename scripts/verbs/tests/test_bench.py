"""What machines spend their cycles on, and how they grow."""

import json
import tomllib

import numpy as np
import pytest
from matplotlib.image import imread

from popflip.boards.build.shell import Measured
from popflip.golden.datasets.dataset import Dataset
from popflip.golden.description.params import Params
from popflip.scripts.plots.benchmarks import growth
from popflip.scripts.plots.style import save_figure
from popflip.scripts.results import latest
from popflip.scripts.verbs.explore.bench import buses, dynamics
from popflip.scripts.verbs.explore.bench.core import blank_looks
from popflip.scripts.verbs.explore.bench.growth import _sizes

OVERLAP = """
[network]
image = [8, 8]
first = "local"
window = 4
stride = 2
features = 3
classes = 3
[dynamics]
gains = [60, 40]
active_bound = 2
[learning]
beta = 3
tau = [3, 2]
batch = 4
[machine]
row_lanes = 16
neuron_lanes = 3
relax_lanes = 3
latent_lanes = [16, 3]
overlap = true
"""


#: Nine windows in three looks, each of a word of ones and five neurons' words.
POOLED = """
[network]
image = [8, 8]
thresholds = [127]
first = "local"
window = 4
stride = 2
features = 5
pool = 3
sharing = "full"
classes = 3
[dynamics]
gains = [40, 20]
active_bound = 2
[learning]
batch = 4
tau = [20, 3]
first_latent_bits = 12
[machine]
pool_lanes = 3
mask_words = true
[data]
resize = "stretch"
"""


#: The same of images that are scaled as they are read.
SCALED = POOLED.replace("[8, 8]", "[10, 10]")


@pytest.mark.slow
@pytest.mark.parametrize(("network", "words"), [(OVERLAP, 9), (SCALED, 16 * 3 * 6)])
def test_the_cycles_of_a_core_are_those_that_its_counters_tell(popflip, folder, network, words):
    (folder / "overlap.toml").write_text(network)
    argv = ["--preset", "overlap.toml", "--data", folder]
    argv += ["--samples", 40, "--out", "core.png", "--json"]
    status, out, err = popflip("bench", "core", *argv)
    assert status == 0, err
    for row in json.loads(out):
        assert row["simulated"]["equal"] is True
        assert row["simulated"]["samples"] == 40
        assert abs(sum(row["stages"].values()) - row["cycles"]) < 0.1
        assert row["blank"] < 1  # hardly a window of these images is
        assert words == row["bound"] < row["infer"] < row["cycles"]
    assert imread("core.png").shape[2] == 4


def test_looks_without_a_lit_pixel_are_counted():
    images = np.zeros((2, 8, 8), np.uint8)
    images[1, 0, 0] = 255
    data = Dataset("corner", images, np.zeros(2, np.uint8), images, np.zeros(2, np.uint8))
    params = Params.build(tomllib.loads(POOLED))
    # Of 9 positions with 3 looks the first sees the corner, in its looks at offsets -1 and 0 down.
    assert blank_looks(params, data) == round(100 * (1 - 2 / 54), 1)
    plain = params.replace(network={"pool": 1}, machine={"pool_lanes": 1, "mask_words": False})
    assert blank_looks(plain, data) == round(100 * (1 - 1 / 18), 1)
    # Serial windows outside of the image are passed over: at the corner 4 of 9 are left, and the
    # grid of 3 x 3 has 7 of 9 down and across. The corner is in one of them.
    serial = plain.replace(network={"pool": 3}, machine={"serial_windows": True})
    assert blank_looks(serial, data) == round(100 * (1 - 1 / (2 * 7 * 7)), 1)


def test_each_curve_of_growth_varies_one_thing(tmp_path):
    points = _sizes()
    assert len({params.digest for _, _, params in points}) == 12  # The base is on every curve.
    rows = []
    for curve, value, params in points:
        told = {"hidden": params.sizes[1], "inputs": params.n_in}
        told |= {
            "lanes": params.machine.neuron_lanes,
            "latent bits": params.learning.latent_bits,
        }
        assert told[curve] == value
        base = points[1][2]
        same = {"hidden": base.sizes[1], "inputs": base.n_in, "lanes": 1, "latent bits": 8}
        assert {k: v for k, v in told.items() if k != curve} == {
            k: v for k, v in same.items() if k != curve
        }
        rows.append(
            {"curve": curve, "value": value}
            | dict.fromkeys(("cycles", "lut", "block", "fmax_mhz"), value)
        )
    figure = growth(rows)
    for axis in figure.axes:
        bottom, top = axis.get_ylim()
        assert bottom == 0
        assert max(axis.lines[0].get_ydata()) <= top, "a curve is cut off"
    save_figure(figure, tmp_path / "growth.png")
    assert imread(tmp_path / "growth.png").shape[2] == 4
    assert Params.load("local-small").n_in == base.n_in


def test_what_is_on_record_is_printed_without_measuring(popflip):
    entry = latest("bench")["growth"]
    status, out, _ = popflip("bench", "growth", "--recorded", "--json")
    assert (status, json.loads(out)) == (0, [dict(row) for row in entry.values.rows])
    status, out, _ = popflip("bench", "growth", "--recorded")
    assert status == 0
    assert "Recorded: popflip bench growth" in out
    assert entry.commit in out


def test_front_ends_are_compared_with_the_core(popflip, monkeypatch):
    def measure(board, params, bus, mhz, **more):
        return Measured(
            {"none": 700, "uart": 900, "axi": 1200, "wishbone": 1100}[bus], 5, mhz + 0.04
        )

    monkeypatch.setattr(buses, "measure_front_end", measure)
    status, out, err = popflip("bench", "buses", "--json")
    assert status == 0, err
    rows = json.loads(out)
    assert [(row["front_end"], row["more_lut"]) for row in rows[:4]] == [
        ("none", 0), ("uart", 200), ("axi", 500), ("wishbone", 400),
    ]  # fmt: skip
    assert {row["device"]: row["fmax_mhz"] for row in rows} == {
        "LFE5U-25F": 100.0, "iCE40HX8K-CT256": 60.0,
    }  # fmt: skip
    status, out, _ = popflip("bench", "buses")
    assert status == 0
    assert "+500" in out


def test_what_is_not_measured_is_refused(popflip):
    status, out, err = popflip("bench", "speed")
    assert (status, out) == (2, "")
    assert err.startswith(
        "popflip: what to bench must be engine, core, standalone, growth, dynamics, own-data, "
        "buses or live,"
    )


def test_pairs_of_dynamics(popflip, folder, monkeypatch):
    small = str(folder / "tiny.toml")
    monkeypatch.setattr(dynamics, "PAIRS", {small: {"dynamics": {"kind": "leaky"}}})
    monkeypatch.setattr(dynamics, "EPOCHS", 2)
    monkeypatch.setattr(dynamics, "SEEDS", (1, 2))
    status, out, said = popflip("bench", "dynamics", "--data", folder, "--json")
    assert status == 0, said
    swept, leaky = json.loads(out)
    assert (swept["dynamics"], leaky["dynamics"]) == ("sweeps", "leaky")
    assert (leaky["epochs"], leaky["seeds"]) == (2, 2)
    assert swept["error"] < 50
    assert leaky["error"] < 80
    for row in (swept, leaky):
        assert row["cycles"] == pytest.approx(sum(row["stages"].values()))
    assert leaky["stages"]["free"] > swept["stages"]["free"]
