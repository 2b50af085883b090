"""Faults that no scene can see, and why: each was looked at by hand.

A fault is known by its network, its place and what it is. Hardware that has changed has other
faults: what is not found here any more is a survivor like any other.
"""

from popflip.cocotb_tests.faults import Fault

__all__ = ["explanation"]

#: From network, part and fault to why nothing that a host can see depends on it.
_EXPLAINED: dict[tuple[str, str, str], str] = {}


def explanation(network: str, fault: Fault) -> str:
    """Return why no scene can see a fault; empty if nobody has found that.

    Parameters
    ----------
    network : str
        In :data:`popflip.cocotb_tests.mutation.NETWORKS`.
    fault : Fault
    """
    return _EXPLAINED.get((network, fault.module, fault.what), "")
