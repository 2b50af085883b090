"""Latencies that follow from widths."""

from popflip.golden.cycles.latencies import tree_latency


def test_tree_latency():
    # A level for 3 bits, then pairs: 3 * 2**2 bits are 3 levels, one register.
    assert [tree_latency(n) for n in (1, 2, 3, 12, 13, 96, 97, 768, 784)] == [
        1, 1, 1, 1, 2, 2, 3, 3, 4,
    ]  # fmt: skip
