"""Faults that no scene can see, and why: each was looked at by hand.

A fault is known by its network, its place and what it is. Hardware that has changed has other
faults: what is not found here any more is a survivor like any other.
"""

from popflip.cocotb_tests.faults import Fault

__all__ = ["explanation"]

_ADDRESS = "an address that is counted on from 32,768: no memory here has so many words"

#: From network, part and fault to why nothing that a host can see depends on it.
_EXPLAINED: dict[tuple[str, str, str], str] = {
    ("narrow", "core.counters", "const0 of $144.EN[26]"): (
        "bit 26 of a counter: it would take 67 million cycles"
    ),
    ("narrow", "link.server", "cnot1 of $350.A[9] by bit 15"): _ADDRESS,
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
    ("sign", "link.server", "cnot0 of $473.A[3] by bit 2"): (
        "only the pin of a lamp that shows errors depends on it"
    ),
    ("sign", "core", "const1 of memory0.latent_read__en[0] (latent_read__en$194[0])"): (
        "more is read than was asked for; nobody looks at it"
    ),
}


def explanation(network: str, fault: Fault) -> str:
    """Return why no scene can see a fault; empty if nobody has found that.

    Parameters
    ----------
    network : str
        In :data:`popflip.cocotb_tests.mutation.NETWORKS`.
    fault : Fault
    """
    return _EXPLAINED.get((network, fault.module, fault.what), "")
