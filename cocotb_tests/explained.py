"""Faults that change nothing in the machine they are in, and why: argued by hand, not proved.

Only such a fault is left out of the share that has to be killed. One that would show after more
cycles, or at a pin that no scene watches, is a survivor like any other.

A fault is known by its network, its place and what it is. Hardware that has changed has other
faults, and then what is said here is of none of them.
"""

from popflip.cocotb_tests.faults import Fault

__all__ = ["explanation"]

_ADDRESS = "an address that is counted on from 32,768: no memory here has so many words"

#: From network, part and fault to why it changes nothing in that machine.
_EXPLAINED: dict[tuple[str, str, str], str] = {
    ("narrow", "link.server", "cnot1 of $350.A[9] by bit 15"): _ADDRESS,
    ("narrow", "core.drive", "const1 of $139.A[3]"): (
        "a reach of 45 or 156 for 37 or 148: no input sum is between them"
    ),
    ("alone", "core", "const1 of relax1.port$1661$0[4] (neurons__margin[4])"): (
        "of all input sums and feedbacks none changes its sign by it"
    ),
    ("batched", "core.update0", "const1 of $235.A[0]"): (
        "a mask of lanes that hold no synapse: both ends are 0 there, and nothing is added"
    ),
    ("serial", "core", "const0 of $385.A[0]"): (
        "with one hidden layer, it is stale only where the outputs toggled, which is asked as well"
    ),
    ("serial", "core", "cnot1 of $procmux$1336.B[2] by bit 6"): (
        "state Finish in the free phase: the phase is never the free one there"
    ),
    ("serial", "core.relax1.queue", "const0 of $71.DATA[11] (r_port__data[11])"): (
        "whether a contribution is the first: only the sign code asks"
    ),
    ("serial", "link", "inv of server.host__run__ready[0] (host__run__ready$33[0])"): (
        "the core takes a run in any case; the answer comes a cycle later"
    ),
    ("serial", "link.server", "const0 of $365.A[18]"): _ADDRESS,
    ("serial", "link.server", "cnot1 of $363.Y[9] by bit 16"): _ADDRESS,
    ("shared", "core", "const0 of feeder.store__data__payload[7] (store__data__payload$106[7])"): (
        "rows of 6 pixels and labels below 3 leave this bit of a byte 0"
    ),
    ("shared", "core.relax1.queue", "cnot1 of $41.Y[4] by bit 0 (level[4])"): (
        "the level is asked only whether it is 0, and here its lowest bit is not"
    ),
    ("shared", "core.update$302", "cnot0 of $204.Y[5] by bit 7 ($signal$37[5])"): (
        "a flip threshold of 0, which parameters refuse"
    ),
    ("sign", "core.follower", "const0 of $11.A[0] (changed__payload[0])"): (
        "all 9 rows are in the first block: none is beyond its end"
    ),
    ("sign", "core", "const1 of memory0.latent_read__en[0] (latent_read__en$194[0])"): (
        "more is read than was asked for; nobody looks at it"
    ),
}


def explanation(network: str, fault: Fault) -> str:
    """Return why a fault changes nothing; empty if nobody has found that it does not.

    Parameters
    ----------
    network : str
        In :data:`popflip.cocotb_tests.mutation.NETWORKS`.
    fault : Fault
    """
    return _EXPLAINED.get((network, fault.module, fault.what), "")
