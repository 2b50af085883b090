"""Arithmetic that needs no multiplier, and counters that need no more than one table a bit."""

from amaranth.hdl import Const, Mux, Value

__all__ = ["next_count", "times"]


def next_count(count: Value, load: Value, value, step=1) -> Value:
    """``Mux(load, value, count + step)``, in a counter's own width.

    Where a carry chain has fixed inputs of a look-up table, as in iCE40, a counter that can be
    loaded takes two tables per bit: one adds, one selects. Here ``load`` is the second addend,
    which makes nonsense of a sum that nobody takes then; so all that a bit depends on are four
    inputs of one table. A counter that counts down is one that holds the complement.

    Parameters
    ----------
    count : Value
    load : Value
        1 bit.
    value : Value or int
        Its low bits are loaded.
    step : Value or int
        1 bit: what to add.
    """
    total = count + load.replicate(len(count)) + step
    return Mux(load, Value.cast(value), total)[: len(count)]


def times(value: Value, constant: int) -> Value:
    """``value * constant`` as shifts and adds, for a constant of at least 0.

    The constant is recoded into signed digits, no two neighbours non-zero, so that a run of ones
    costs two terms (Reitwiesner's non-adjacent form).
    """
    if constant < 0:
        raise ValueError(f"constant must be at least 0, not {constant}")
    total, shift = Const(0), 0
    while constant:
        if constant & 1:
            digit = 2 - constant % 4
            constant -= digit
            term = value << shift
            total = total + term if digit > 0 else total - term
        constant >>= 1
        shift += 1
    return total
