"""Arithmetic on integers that Python lacks."""

__all__ = ["ceil_div"]


def ceil_div(a: int, b: int) -> int:
    """Return ``a / b`` rounded up."""
    return -(-a // b)
