"""The number of threads that the engine may use."""

import pytest
from numba import get_num_threads

from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import call_with_threads, check_threads, most_threads


@pytest.mark.parametrize("threads", [0, -1, most_threads() + 1])
def test_threads_that_there_are_not(threads):
    with pytest.raises(ValueError, match=rf"threads must be 1 to {most_threads()}, .* {threads}$"):
        FastMachine(Params.load("local-small"), threads)


def test_threads_that_there_are():
    check_threads(None)
    check_threads(1)
    check_threads(most_threads())


def test_a_call_leaves_the_number_of_threads_as_it_was():
    before = get_num_threads()
    seen = call_with_threads(lambda number, threads: (number, threads, get_num_threads()), 1, 7)
    assert seen == (7, 1, before)
    most = most_threads()
    seen = call_with_threads(lambda number, threads: (number, threads, get_num_threads()), most, 7)
    assert seen == (7, most, before if most == 1 else most)
    assert get_num_threads() == before


def test_a_call_that_fails_leaves_the_number_of_threads_as_it_was():
    before = get_num_threads()
    with pytest.raises(ZeroDivisionError):
        call_with_threads(lambda threads: 1 // 0, most_threads())
    assert get_num_threads() == before
