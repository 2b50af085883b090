"""The generator against arithmetic of polynomials over GF(2), which shares no step with it."""

import re

import numpy as np
import pytest

from popflip.golden.description.lfsr import Lfsr

# Bits that follow one another satisfy b[t+32] = b[t] ^ b[t+10] ^ b[t+30] ^ b[t+31].
CHARACTERISTIC = 1 << 32 | 1 << 31 | 1 << 30 | 1 << 10 | 1
# The same read backwards: taps 32, 22, 2, 1.
CONNECTION = 1 << 32 | 1 << 22 | 1 << 2 | 1 << 1 | 1
PERIOD = 2**32 - 1
SEEDS = (1, 2, 0x80000000, 0xFFFFFFFF, 0xDEADBEEF, 0x12345678)


def product(a, b):
    """Carry-less product of two polynomials, bit i the coefficient of x**i."""
    total = 0
    while b:
        low = b & -b
        total ^= a * low
        b ^= low
    return total


def remainder(a):
    """Remainder of a polynomial divided by the characteristic one."""
    while a.bit_length() > 32:
        a ^= CHARACTERISTIC << (a.bit_length() - 33)
    return a


def power_of_x(n):
    """x**n modulo the characteristic polynomial."""
    result, square = 1, 2
    while n:
        if n & 1:
            result = remainder(product(result, square))
        square = remainder(product(square, square))
        n >>= 1
    return result


def bit_after(state, steps):
    """The bit drawn after ``steps`` steps: a sum of those of the first 32 that x**steps names."""
    return (state & power_of_x(steps)).bit_count() & 1


def test_period_is_the_greatest():
    primes = (3, 5, 17, 257, 65537)
    assert np.prod(primes, dtype=object) == PERIOD
    assert power_of_x(PERIOD) == 1
    for prime in primes:
        assert power_of_x(PERIOD // prime) != 1, f"the period divides {PERIOD // prime}"


@pytest.mark.parametrize("seed", SEEDS)
def test_bits_solve_the_recurrence(seed):
    n = 3000
    bits = Lfsr(seed).draw(n)
    assert bits & 0xFFFFFFFF == seed, "the first 32 bits are not the state"
    # Times the connection polynomial, the series of the bits ends after its first 32 terms.
    left = (product(bits, CONNECTION) & ((1 << n) - 1)) >> 32
    assert left == 0, f"bit {(left & -left).bit_length() + 31} breaks the recurrence"


@pytest.mark.parametrize("seed", SEEDS)
def test_far_bits_follow_from_powers_of_x(seed):
    lfsr = Lfsr(seed)
    for start in range(0, 5000, 1000):
        expected = sum(bit_after(seed, start + i) << i for i in range(32))
        assert lfsr.state == expected, f"state after {start} steps"
        lfsr.draw(1000)


def test_a_draw_equals_its_bits_drawn_singly():
    rng = np.random.default_rng(1)
    whole, single = Lfsr(0xC0FFEE), Lfsr(0xC0FFEE)
    for turn, n in enumerate(rng.integers(1, 80, 100)):
        expected = sum(single.draw(1) << i for i in range(n))
        assert whole.draw(n) == expected, f"draw {turn}, of {n} bits"
        assert whole.state == single.state, f"after draw {turn}, of {n} bits"


def test_state_goes_on_where_it_was():
    first = Lfsr(99)
    first.draw(1234)
    second = Lfsr(first.state)
    assert [first.draw(9) for _ in range(50)] == [second.draw(9) for _ in range(50)]


def test_never_zero_and_never_the_same():
    lfsr = Lfsr(1)
    states = set()
    for _ in range(20000):
        assert 1 <= lfsr.state <= PERIOD
        states.add(lfsr.state)
        lfsr.draw(1)
    assert len(states) == 20000


def test_bits_are_even():
    n = 1 << 17
    lfsr = Lfsr(0x5EED5EED)
    draws = np.array([lfsr.draw(8) for _ in range(n // 8)], np.uint8)
    bits = np.unpackbits(draws, bitorder="little").astype(int)
    assert abs(bits.sum() - n / 2) < 4 * np.sqrt(n / 4)
    for lag in (3, 5, 8, 16, 64):
        agree = (bits[lag:] == bits[:-lag]).sum()
        assert abs(agree - (n - lag) / 2) < 4 * np.sqrt(n / 4), f"bits {lag} apart"
    # Chi-square of the 256 values: mean 255, standard deviation 22.6.
    counts = np.bincount(draws, minlength=256)
    expected = len(draws) / 256
    chi = ((counts - expected) ** 2 / expected).sum()
    assert 165 < chi < 345, f"chi-square {chi:.0f}"


@pytest.mark.parametrize("state", [0, -1, 2**32])
def test_rejects_a_state_out_of_range(state):
    message = f"state must be from 1 to 4294967295, not {state}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Lfsr(state)


@pytest.mark.parametrize("state", [True, 1.0, "1", None])
def test_rejects_a_state_that_is_no_integer(state):
    message = f"state must be an integer, not {state!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Lfsr(state)


@pytest.mark.parametrize("n_bits", [0, -3])
def test_rejects_a_draw_of_nothing(n_bits):
    lfsr = Lfsr(7)
    with pytest.raises(ValueError, match=rf"^n_bits must be at least 1, not {n_bits}$"):
        lfsr.draw(n_bits)
    assert lfsr.state == 7


def test_rejects_a_draw_that_is_no_integer():
    with pytest.raises(TypeError, match=r"^n_bits must be an integer, not 2\.5$"):
        Lfsr(7).draw(2.5)


def test_takes_numpy_integers():
    assert Lfsr(np.uint32(5)).draw(np.int64(40)) == Lfsr(5).draw(40)


@pytest.mark.parametrize("n_bits", [1, 3, 8, 32])
@pytest.mark.parametrize("n", [0, 1, 40, 700])
def test_many_draws_are_those_drawn_one_by_one(n, n_bits):
    one_by_one, at_once = Lfsr(0xDEADBEEF), Lfsr(0xDEADBEEF)
    assert at_once.draw_many(n, n_bits).tolist() == [one_by_one.draw(n_bits) for _ in range(n)]
    assert at_once.state == one_by_one.state


@pytest.mark.parametrize(
    ("n", "n_bits", "message"),
    [(-1, 8, "n must be at least 0, not -1"), (4, 33, "n_bits must be from 1 to 32, not 33")],
)
def test_many_draws_refuse_what_makes_no_sense(n, n_bits, message):
    with pytest.raises(ValueError, match=message):
        Lfsr(1).draw_many(n, n_bits)
