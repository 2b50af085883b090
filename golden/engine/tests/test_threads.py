"""The number of threads that the engine may use."""

import pytest

from popflip.golden.description.params import Params
from popflip.golden.engine.machine import FastMachine
from popflip.golden.engine.threads import call_in_chunks, check_threads, most_threads


@pytest.mark.parametrize("threads", [0, -1, most_threads() + 1])
def test_threads_that_there_are_not(threads):
    with pytest.raises(ValueError, match=rf"threads must be 1 to {most_threads()}, .* {threads}$"):
        FastMachine(Params.load("local-small"), threads)


def test_threads_that_there_are():
    check_threads(None)
    check_threads(1)
    check_threads(most_threads())


def test_each_chunk_is_called_once_and_chunk_0_answers():
    calls = []

    def work(number, meeting, chunk, chunks):
        calls.append((number, int(meeting[0]), chunk, chunks))
        return number + chunk

    assert call_in_chunks(work, 1, 7) == 7
    assert calls == [(7, 0, 0, 1)]
    calls.clear()
    assert call_in_chunks(work, 3, 7) == 7
    assert sorted(calls) == [(7, 0, chunk, 3) for chunk in range(3)]


def test_a_call_that_fails_waits_for_the_others():
    done = []

    def work(meeting, chunk, chunks):
        if chunk == 0:
            raise ZeroDivisionError
        done.append(chunk)

    with pytest.raises(ZeroDivisionError):
        call_in_chunks(work, 3)
    assert sorted(done) == [1, 2]
