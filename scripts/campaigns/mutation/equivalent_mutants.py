"""Faults that change nothing in the machine they are in, and why: argued by hand, not proved.

Only such a fault is left out of the share that has to be killed. One that would show after more
cycles, or at a pin that no scenario watches, is a survivor like any other.

Cells are numbered anew when the hardware changes, and the same name is then another fault. So a
fault is known together with the digest of the netlist that it was drawn in.
"""

from popflip.scripts.campaigns.mutation.fault_injection import Fault

__all__ = ["explanation"]

_TREE_MOVES = (
    "Whether the popcount tree moves. It does from the cycle in which a word enters until its "
    "count has been taken, which marks beside the tree tell; what it does without a word in it "
    "is never looked at."
)

#: From netlist, part and fault to why it changes nothing in that machine.
_EXPLAINED: dict[tuple[str, str, str], str] = {
    # serial 2 of seed 1
    ("1f8117782dbd1157", "core", "const1 of $procmux$1106.B[140]"): (
        "Bit 12 of the answer of the results, whose words have one byte. The link sends the low "
        "byte of what it fetched, and loads it all anew for the next word: "
        "rtl/frontends/uart/executor.py, Send word."
    ),
    # serial 20 of seed 1
    ("1f8117782dbd1157", "top", "const1 of core.host__run__ready[0] (host__run__ready[0])"): (
        "The core is ready for a run whenever it is not busy, and the link begins one only in "
        "such a cycle: while a run is offered, this bit is 1."
    ),
    # shared 5 of seed 1
    ("f4ae22089c0335a7", "core.sample", "cnot1 of $procmux$701.A[1] by bit 0"): (
        "Moves to make while the window is not in place. Of stride 1 and one neuron at a time, "
        "they are counted down in every cycle of a load; they rest at an odd number only after "
        "a release in the middle of a load, and a restart sets them before anything looks."
    ),
    # shared 26 of seed 1
    (
        "f4ae22089c0335a7",
        "top",
        "cnot1 of link.host__command__payload[54] by bit 3 (host__command__payload[54])",
    ): (
        "Bit 25 of a word for regions 4 to 7. Of those that there are in this network, none has "
        "more than 24 bits; the register that takes the bit, the generator of nudge signs, is "
        "in region 0."
    ),
    # sign 5 of seed 1
    ("b2fc4290ed763761", "core.update1", "cnot0 of $procmux$198.A[1] by bit 0"): (
        "The address of the next word of a row, inverted where bit 0 is 0. Rows are two words "
        "and begin at an even address, and it is taken only behind the first word: bit 0 is 1."
    ),
    # sign 29 of seed 1
    ("b2fc4290ed763761", "core.items", "cnot1 of $18.DATA[1] by bit 3 (neurons__margin[1])"): (
        "Bit 1 of a margin with bit 3. Only the sign of margin + 37 * feedback is looked at. "
        "Tried: all margins 31 * n, n even, up to 50, with every feedback up to 6."
    ),
    # deep 20 of seed 1
    ("f5ce113cba66e628", "core.drive", "const1 of $95.B[0]"): (
        "Bit 0 of the distance from the threshold, of active neurons. It is only asked whether "
        "it is below 302, 604 or 1,057. Tried: all margins 61 * n - 20, n up to 36."
    ),
    # deep 37 of seed 1
    ("f5ce113cba66e628", "core", "inv of hidden3.neurons__margin[3] (neurons__margin$172[3])"): (
        "Bit 3 of a margin. Only the sign of margin + 151 * feedback is looked at. Tried: all "
        "margins 61 * n - 20, n up to 7, with every feedback up to 6."
    ),
    # alone 9 of seed 1
    ("288efc4b64636027", "core.drive", "const1 of $112.A[0]"): (
        "Whether the input engine moves. With one neuron at a time there never is a second to "
        "wait for: it always does."
    ),
    # standalone 38 of seed 1
    ("288efc4b64636027", "core.update1", "const0 of $225.A[0] (busy[0])"): (
        "Whether the update engine is at work when it is told to flush. The core tells it so "
        "only when all engines have been at rest since the last contrast scan: it never is."
    ),
    # narrow 38 of seed 1
    ("14ddb38ee391e253", "core.relax1", "const1 of $145.Y[0] (en[0])"): _TREE_MOVES,
    # deep 36 of seed 1
    ("f5ce113cba66e628", "core.relax2", "const1 of $137.B[0]"): _TREE_MOVES,
    # alone 15 of seed 1
    ("288efc4b64636027", "link.server.encoder", "inv of $38.EN[0] (read__en[0])"): (
        "The encoder's memory reads in every state but Fetch. Then a byte is old in the first "
        "cycle of Send only, and there nobody takes it: Fetch follows a byte that the line has "
        "just taken, which is busy for 39 cycles. Tried: all 161 states of a model of both."
    ),
    # alone 28 of seed 1
    ("288efc4b64636027", "link.server", "const1 of $procmux$2577.A[5]"): (
        "What goes to the encoder in states in which nothing is offered, or a frame's end, of "
        "which it does not look at the byte; the checksum does not, either."
    ),
}


def explanation(hardware: str, fault: Fault) -> str:
    """Return why a fault changes nothing; empty if nobody has found that it does not.

    Parameters
    ----------
    hardware : str
        Digest of its netlist (:attr:`.fault_injection.Netlist.digest`).
    fault : Fault
    """
    return _EXPLAINED.get((hardware, fault.module, fault.what), "")
