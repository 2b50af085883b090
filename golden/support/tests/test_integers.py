"""Integer division that rounds up."""

from popflip.golden.support.integers import ceil_div


def test_ceil_div_rounds_up():
    for a in range(20):
        for b in range(1, 8):
            assert (ceil_div(a, b) - 1) * b < a <= ceil_div(a, b) * b
