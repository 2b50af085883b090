"""The space of parameters for Hypothesis, which finds a failure and then the smallest like it."""

from hypothesis import strategies as st

from popflip.golden.description.params import Params
from popflip.golden.description.random_params import draw_params

__all__ = ["params"]


class _Searched:
    """Choices of Hypothesis; see :class:`popflip.golden.description.random_params.Choices`."""

    def __init__(self, draw):
        self._draw = draw

    def integer(self, low, high):
        return self._draw(st.integers(low, high))

    def number(self, low, high):
        # A grid: what is drawn is rounded to integers later, and fractions shrink badly.
        return low + (high - low) * self._draw(st.integers(0, 64)) / 64

    def one_of(self, options):
        return self._draw(st.sampled_from(options))

    def chance(self, probability):
        return self._draw(st.integers(0, 99)) >= 100 - round(100 * probability)

    def some_of(self, low, high, count):
        chosen = st.lists(st.integers(low, high), min_size=count, max_size=count, unique=True)
        return sorted(self._draw(chosen))


@st.composite
def params(draw) -> Params:
    """Draw networks and machines as ``draw_params`` of ``random_params`` does."""
    return draw_params(_Searched(draw), windows=True)
