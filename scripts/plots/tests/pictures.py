"""What the tests of pictures have in common."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from popflip.golden.description.params import Params

MACHINE = {"row_lanes": 1, "relax_lanes": 1, "latent_lanes": [1, 1]}


def local(stride=2, features=3, thresholds=(127,), image=(8, 10)):
    """Parameters of a network whose first layer is local."""
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
    """Parameters of a dense network."""
    return Params.build({
        "name": name,
        "network": {"image": image, "hidden": [hidden], "classes": 3},
        "dynamics": {"gains": [26, 9]},
        "learning": {"tau": [3, 3]},
        "machine": MACHINE,
    })


def random_weights(params, seed=1):
    """Draw weights of the first layer."""
    shape = params.synapses(0)
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (shape.rows, shape.row_bits)).astype(bool)


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
    """See that all of a figure is on its canvas."""
    buffer = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(buffer)
    return Image.open(buffer)
