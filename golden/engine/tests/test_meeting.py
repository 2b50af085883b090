"""Threads that wait for each other."""

import numpy as np
import pytest
from numba import njit

from popflip.golden.engine.meeting import meet
from popflip.golden.engine.threads import call_in_chunks


@njit(nogil=True)
def hand_on(numbers, rounds, meeting, chunk, chunks):
    """In each round take over what the neighbour had in the one before."""
    met = 0
    for turn in range(rounds):
        numbers[turn + 1, chunk] = numbers[turn, (chunk + 1) % chunks] + 1
        met = meet(meeting, met, chunks)
    return met


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_nobody_goes_on_before_all_are_there(threads):
    rounds = 300
    numbers = np.zeros((rounds + 1, threads), np.int64)
    assert call_in_chunks(hand_on, threads, numbers, rounds) == rounds
    assert numbers.tolist() == [[turn] * threads for turn in range(rounds + 1)]
