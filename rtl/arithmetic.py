"""Arithmetic that needs no multiplier."""

from amaranth.hdl import Const, Value

__all__ = ["times"]


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
