"""The pictures: every neuron where it should be, and nothing cut off."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from popflip.golden.description.params import Params
from popflip.golden.training.log import EpochLog
from popflip.scripts import plots
from popflip.scripts.curve import Point

MACHINE = {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]}


def local(stride=2, features=3, thresholds=(127,), image=(8, 10)):
    return Params.build({
        "name": "small",
        "network": {
            "image": image, "thresholds": thresholds, "first": "local",
            "window": 4, "stride": stride, "features": features, "classes": 3,
        },
        "dynamics": {"gains": [26, 9]},
        "learning": {"tau": [3, 3]},
        "machine": MACHINE,
    })  # fmt: skip


def dense(hidden, image=(8, 8), name="small"):
    return Params.build({
        "name": name,
        "network": {"image": image, "hidden": [hidden], "classes": 3},
        "dynamics": {"gains": [26, 9]},
        "learning": {"tau": [3, 3]},
        "machine": MACHINE,
    })


def random_weights(params, seed=1):
    shape = params.synapses(0)
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (shape.rows, shape.row_bits)).astype(bool)


def points(n, cycles=1000, epochs=1):
    rng = np.random.default_rng(3)
    return [
        Point(
            1 + i * epochs // n, 256 * (i + 1), 256, int(rng.integers(180, 256)), 2000 - i,
            256 * cycles, (400 + i, 900 - i),
        )
        for i in range(n)
    ]  # fmt: skip


def log(epoch, samples):
    return EpochLog(
        epoch=epoch, samples=samples, train_error=9.0, test_error=7.25, flips=[1, 2], seconds=1.0,
        samples_per_s=100.0, changed_per_sample=8.0, tau=[3, 3],
    )  # fmt: skip


def separate_images(image):
    """Cut an image at its gaps of NaN into {(y, x): values}."""
    there = ~np.isnan(image)
    rows = np.flatnonzero(np.diff(np.concatenate([[0], there.any(1).astype(int), [0]])))
    columns = np.flatnonzero(np.diff(np.concatenate([[0], there.any(0).astype(int), [0]])))
    return [
        image[y0:y1, x0:x1]
        for y0, y1 in rows.reshape(-1, 2)
        for x0, x1 in columns.reshape(-1, 2)
        if there[y0, x0]
    ]


def test_a_local_layer_has_a_block_of_neurons_where_each_window_is():
    params = local(features=1)
    weights = random_weights(params)
    image, centres = plots.tiles(params, weights)
    # 3 x 4 positions of one 4 x 4 window each, with gaps of 3: position by position.
    assert image.shape == (3 * 7 - 3, 4 * 7 - 3)
    for position in range(12):
        y, x = 7 * (position // 4), 7 * (position % 4)
        expected = np.where(weights[position], 1, -1).reshape(4, 4)
        assert (image[y : y + 4, x : x + 4] == expected).all(), f"position {position}"
    assert centres.tolist() == [1.5, 8.5, 15.5, 1.5, 8.5, 15.5, 22.5]


def test_neurons_of_one_window_stand_together():
    params = local(features=6)
    weights = random_weights(params)
    image, _ = plots.tiles(params, weights)
    # 3 across and 2 down, with a gap of 1, is what comes nearest to the shape of a page.
    for neuron in range(len(weights)):
        position, feature = divmod(neuron, 6)
        y = position // 4 * (2 * 5 - 1 + 3) + feature // 3 * 5
        x = position % 4 * (3 * 5 - 1 + 3) + feature % 3 * 5
        expected = np.where(weights[neuron], 1, -1).reshape(4, 4)
        assert (image[y : y + 4, x : x + 4] == expected).all(), f"neuron {neuron}"


def test_a_dense_layer_has_its_neurons_line_by_line():
    params = dense(12)
    weights = random_weights(params)
    image, _ = plots.tiles(params, weights)
    found = separate_images(image)
    assert len(found) == 12
    for neuron, tile in enumerate(found):
        assert (tile == np.where(weights[neuron], 1, -1).reshape(8, 8)).all(), f"neuron {neuron}"


def test_planes_of_a_pixel_are_averaged():
    params = local(features=1, thresholds=(50, 100, 150, 200))
    weights = np.zeros((12, 64), bool)
    weights[0, :4] = True, True, True, False  # the first pixel's four planes
    image, _ = plots.tiles(params, weights)
    assert image[0, 0] == 0.5
    assert image[0, 1] == -1


def test_a_prime_number_of_neurons_is_laid_out_too():
    params = dense(13)
    image, _ = plots.tiles(params, random_weights(params))
    assert len(separate_images(image)) == 13
    assert image.shape[1] < 3 * image.shape[0]


def labels_beyond(figure):
    """Labels of ticks outside of the limits of their axis, which are not drawn."""
    found = []
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in axis.get_major_ticks():
                if not min(limits) <= tick.get_loc() <= max(limits):
                    found += [tick.label1, tick.label2]
    return found


def check_nothing_is_cut(figure):
    """Every text of a figure lies inside it, and no title on a legend."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    texts = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    beyond = labels_beyond(figure)
    assert len(texts) > len(beyond)
    for text in texts:
        if text in beyond:
            continue
        box = text.get_window_extent(renderer)
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{text.get_text()!r} is cut: {box} in {width} x {height}"
    for title in figure.texts:
        for legend in figure.legends:
            box = legend.get_window_extent(renderer)
            assert not title.get_window_extent(renderer).overlaps(box), title.get_text()


def as_image(figure):
    buffer = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(buffer)
    return Image.open(buffer)


@pytest.mark.parametrize(
    "params",
    [
        local(),
        local(features=20),
        local(image=(28, 28), features=10, stride=3),
        dense(3),
        dense(12, name="a-network-with-a-rather-long-name"),
        dense(12, name="m" * 64),
        dense(512, (28, 28)),
        dense(3000),
    ],
    ids=lambda p: f"{p.network.first}-{'-'.join(map(str, p.sizes))}",
)
def test_the_picture_of_the_weights_is_whole_and_of_sensible_size(params):
    figure = plots.hidden_weights(params, random_weights(params))
    check_nothing_is_cut(figure)
    picture = as_image(figure)
    assert 700 <= picture.width <= 1700
    assert 150 <= picture.height <= 1300


def test_each_weight_is_a_square_of_its_colour():
    params = dense(3)
    weights = random_weights(params)
    pixels = np.asarray(as_image(plots.hidden_weights(params, weights)).convert("RGB"))
    counts = {
        colour: int((pixels == np.array(colour)).all(-1).sum())
        for colour in (plots.DARK, plots.LIGHT)
    }
    image, _ = plots.tiles(params, weights)
    scale = 24
    legend = 2 * scale**2  # of which some pixels more have the same colours
    for colour, n in ((plots.LIGHT, (image == 1).sum()), (plots.DARK, (image == -1).sum())):
        assert 0 <= counts[colour] - n * scale**2 < legend, colour


def test_a_picture_says_when_it_shows_only_the_first_neurons():
    params = dense(3000)
    figure = plots.hidden_weights(params, random_weights(params))
    assert "first 2,048 of 3,000" in figure.texts[0].get_text()


@pytest.mark.parametrize(
    ("n", "history", "cycles"),
    [
        (1, [], 1000),
        (4, [log(1, 1024)], 0),
        (235, [log(1, 60000)], 1183),
        (1000, [log(i + 1, 25600) for i in range(10)], 1183),
    ],
    ids=["one point", "golden", "one epoch", "ten epochs"],
)
def test_the_learning_curves_are_whole(n, history, cycles):
    epochs = max(1, len(history))
    figure = plots.learning_curves(dense(12), points(n, cycles, epochs), history)
    check_nothing_is_cut(figure)
    picture = as_image(figure)
    assert picture.width >= 1000
    assert picture.height >= 600


def test_the_curves_show_the_numbers_of_the_points():
    figure = plots.learning_curves(dense(12), points(100), [log(1, 25600)])
    error, flips, changed, cycles = figure.axes
    chunks = points(100)
    seen = np.arange(1, 101) * 256
    (training, test) = error.lines
    assert training.get_xdata().tolist() == seen.tolist()
    wrong = [100 * (1 - p.correct / 256) for p in chunks]
    assert np.allclose(training.get_ydata(), wrong)
    assert test.get_xydata().tolist() == [[25600, 7.25]]
    for layer, line in enumerate(flips.lines):
        assert np.allclose(line.get_ydata(), [p.flips[layer] / 256 for p in chunks])
    assert np.allclose(changed.lines[0].get_ydata(), [p.changed / 256 for p in chunks])
    assert np.allclose(cycles.lines[0].get_ydata(), 1000)


def test_many_points_are_added_up_to_fewer():
    figure = plots.learning_curves(dense(12), points(1000), [])
    line = figure.axes[0].lines[0]
    assert len(line.get_xdata()) == 143  # 7 chunks each
    assert line.get_xdata()[-1] == 256_000
    first = points(1000)[:7]
    assert line.get_ydata()[0] == pytest.approx(100 * (1 - sum(p.correct for p in first) / 1792))
