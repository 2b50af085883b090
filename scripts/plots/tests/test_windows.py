"""The picture of the windows of the first hidden layer."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from popflip.golden.description.params import Params
from popflip.scripts.plots.windows import first_windows


def params(**network):
    return Params.build({
        "name": "seen",
        "network": {"thresholds": [85], "copies": 1, **network},
        "dynamics": {"gains": [16, 6]},
        "learning": {"tau": [8, 4]},
    })  # fmt: skip


def boxes(axis):
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


LOCAL = {"first": "local", "window": 10, "stride": 3, "features": 4}


@pytest.mark.parametrize(
    ("network", "positions", "windows", "said"),
    [
        (LOCAL, 49, 1, "windows of 10 x 10, stride 3 x 3, 49 positions of 4 features"),
        (LOCAL | {"pool": 3}, 49, 9, "4 features, pool 3 x 3"),
        (LOCAL | {"pool": 3, "sharing": "full"}, 49, 9, "pool 3 x 3, shared weights"),
        ({"hidden": [12], "copies": 1}, 1, 1, "12 neurons see the whole image"),
        (
            {"image": [1, 40], "first": "local", "window": [1, 9], "stride": [1, 4], "features": 3,
             "pool": [1, 3]},
            8, 3, "windows of 1 x 9, stride 1 x 4, 8 positions of 3 features, pool 1 x 3",
        ),
    ],
)  # fmt: skip
def test_every_window_is_where_golden_has_it(network, positions, windows, said):
    drawn = params(**network)
    first = drawn.first_layer
    figure = first_windows(drawn, np.zeros(first.image, np.uint8))
    assert figure.get_suptitle().endswith(said)
    left, right = figure.axes
    assert len(left.lines[0].get_xdata()) == positions
    assert len(boxes(left)) == min(positions, 3)
    assert len(boxes(right)) == windows
    middle = first.grid[0] // 2 * first.grid[1] + first.grid[1] // 2
    corners = {(box.get_y() + 0.5, box.get_x() + 0.5) for box in boxes(right)}
    assert corners == {tuple(corner) for corner in first.corners[:, middle].tolist()}
    assert {(box.get_height(), box.get_width()) for box in boxes(right)} == {first.kernel}
