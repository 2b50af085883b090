"""Faults that change nothing in the machine they are in, and why: argued by hand, not proved.

Only such a fault is left out of the share that has to be killed. One that would show after more
cycles, or at a pin that no scene watches, is a survivor like any other.

Cells are numbered anew when the hardware changes, and the same name is then another fault. So a
fault is known together with the digest of the netlist that it was drawn in.
"""

from popflip.cocotb_tests.faults import Fault

__all__ = ["explanation"]

#: From netlist, part and fault to why it changes nothing in that machine.
_EXPLAINED: dict[tuple[str, str, str], str] = {}


def explanation(hardware: str, fault: Fault) -> str:
    """Return why a fault changes nothing; empty if nobody has found that it does not.

    Parameters
    ----------
    hardware : str
        Digest of its netlist (:attr:`popflip.cocotb_tests.faults.Netlist.digest`).
    fault : Fault
    """
    return _EXPLAINED.get((hardware, fault.module, fault.what), "")
