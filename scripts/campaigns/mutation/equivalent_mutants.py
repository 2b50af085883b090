"""Faults that change nothing in the machine they are in, and why: argued by hand, not proved.

Only such a fault is left out of the share that has to be killed. One that would show after more
cycles, or at a pin that no scenario watches, is a survivor like any other.

Cells are numbered anew when the hardware changes, and the same name is then another fault. So a
fault is known together with the digest of the netlist that it was drawn in.
"""

from popflip.scripts.campaigns.mutation.fault_injection import Fault

__all__ = ["explanation"]

#: From netlist, part and fault to why it changes nothing in that machine.
_EXPLAINED: dict[tuple[str, str, str], str] = {
    # narrow 15 of seed 1
    ("891f48f1ef0bbc13", "link.server.encoder", "inv of $38.EN[0] (read__en[0])"): (
        "The encoder's memory reads in every state but Fetch. Then a byte is old in the first "
        "cycle of Send only, and there nobody takes it: Fetch follows a byte that the line has "
        "just taken, which is busy for 39 cycles. Tried: all 161 states of a model of both."
    ),
    # narrow 28 of seed 1
    ("891f48f1ef0bbc13", "core.update0.rows", "const1 of $59.A[1] (written_group[1])"): (
        "A bit of the row group whose marks were written a cycle before. It is only looked at "
        "where marks are written in two cycles, one after the other. A row takes six cycles "
        "here, so that never happens. Proved by induction, on the update engine."
    ),
    # serial 24 of seed 1
    ("de57245b94fd2b79", "core.path.relax.queue", "const1 of $22.DATA[11] (read__data[11])"): (
        "Whether a queued neuron counts once or twice. That only matters to the sign code. Here"
        " the bit goes from register to register, and nobody looks at the last."
    ),
    # serial 34 of seed 1
    ("de57245b94fd2b79", "core.update1.rows", "const0 of $86.A[0] (immediate[0])"): (
        "Rows are marked although their weights are tested as they pass. With a batch of one, "
        "only a flush of all rows comes, which clears all marks. Another batch can only be set "
        "by a write that lets the next flush be one of all rows."
    ),
    # shared 6 of seed 1
    ("116ecc8ff6f60d02", "core.memory1", "const1 of $3.EN[0] ($signature__en[0])"): (
        "The weights of layer 1 are read in every cycle. Whoever asks for a word looks at it in"
        " the next cycle only: a row takes two steps here. Tried: all scenarios, with nonsense "
        "on the port in every other cycle."
    ),
    # shared 14 of seed 1
    ("116ecc8ff6f60d02", "core.path.drive", "const0 of $109.A[2]"): (
        "The row group after this one, without its highest bit. Groups are 0 to 4; that bit is "
        "set in 4 only, and behind 4 comes 0, whatever the sum is."
    ),
    # shared 27 of seed 1
    ("116ecc8ff6f60d02", "core.sequencer", "const0 of $procmux$1138_CMP0.A[2]"): (
        "State 11 of the sequencer is taken for 15, too. There are 15 states, 0 to 14."
    ),
    # shared 37 of seed 1
    ("116ecc8ff6f60d02", "link.server.executor", "const0 of $procmux$1597.A[3]"): (
        "Bit 3 of the byte of a word that comes next, while words are looked for. No word has "
        "more than 4 bytes, and behind the last comes 0."
    ),
    # sign 28 of seed 1
    ("9cabfc75e76efede", "core.path.items", "inv of $procmux$774.B[3] (item[11])"): (
        "Bit 3 of a margin. Only the sign of margin + 37 * feedback is looked at. Tried: all "
        "margins 31 * n, n even, up to 50, with every feedback up to 6."
    ),
    # sign 32 of seed 1
    ("9cabfc75e76efede", "core.host", "const0 of $procmux$1123.B[133] (results__reply[5])"): (
        "Bit 5 of a prediction. There are three classes, and the host cannot write to the "
        "results: all begin at 0."
    ),
    # deep 2 of seed 1
    ("b1616a70e425aca0", "core.memory3", "const1 of $3.EN[0] ($signature__en[0])"): (
        "The weights of layer 3 are read in every cycle. Whoever asks for a word looks at it in"
        " the next cycle only. Tried: all scenarios, with nonsense on the port in every other "
        "cycle."
    ),
    # deep 5 of seed 1
    ("b1616a70e425aca0", "core.output", "cnot0 of $270.A[2] by bit 8"): (
        "A potential that is pulled away from its target. Here nudging is positive: the "
        "sequencer has no state in which it pulls away."
    ),
    # deep 12 of seed 1
    (
        "b1616a70e425aca0",
        "core.path.relax.count",
        "const1 of $auto$ff.cc:337:slice$3910.EN[0] (en[0])",
    ): (
        "Whether the popcount tree moves. It has one register, whose count is only looked at in"
        " the cycle behind that of a word. Proved by induction on the relaxation engine: "
        "nothing but that count differs."
    ),
    # standalone 19 of seed 1
    ("35809a79186d071b", "link.server.executor.arguments", "const0 of $112.A[15]"): (
        "Bit 15 of an address that counts up. No region has more than 1,536 words. An address "
        "with that bit is refused in the first cycle in which it could count, and RUN does not "
        "count."
    ),
    # standalone 21 of seed 1
    ("35809a79186d071b", "standalone$154.flash.commands", "const0 of $115.A[5]"): (
        "Bit 5 of the clocks of a byte, where the first is looked for. That is only done while "
        "data are read, and a byte takes two clocks then."
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
