"""The contrast scan over the work lists: what differs leaves once, for each engine."""

from typing import Any, NamedTuple

from amaranth.hdl import Array, Cat, Module, Mux, Signal

from popflip.golden.description.params import Params
from popflip.rtl.layers.contrast_scan import ContrastScan
from popflip.rtl.proofs.harness import Fault, Inside, Proof, past
from popflip.rtl.proofs.nets import tiny
from popflip.rtl.proofs.streams import Streams, rules

__all__ = ["PROOFS"]


class _Scan(Streams):
    """One entry of one list, any, is followed; no other one is of the same neuron."""

    def __init__(self, params: Params):
        super().__init__(lambda: ContrastScan(params), ("window_job", "job"), ())
        self._params = params
        self._shape = params.synapses(0)

    def words(self, m: Module, dut: ContrastScan, inside: Inside) -> None:
        scans, begins = past(m, ~dut.idle, 1, "scans"), past(m, dut.start, 1, "begins")
        entry = self._surround(m, dut, scans | begins)
        heads = self._heads(inside, entry.bank)
        track = self._track(m, dut, inside, entry, heads)
        counts = self._claim_jobs(m, dut, inside, entry, scans)
        self._compare(dut, inside, entry, heads, track, counts)

    def _surround(self, m, dut, settled):
        """The sequencer, the buffer and the lists, and the entry that is followed."""
        banks, capacity = self._shape.banks, self._shape.slots
        lists, windows = dut.lists, dut.windows
        # A window stays there until somebody moves.
        self.assume(~dut.start | dut.idle)
        self.assume(~dut.start | dut.restart)
        self.assume(~dut.restart | dut.idle)
        self.stays(m, Cat(dut.swap, dut.upper_differs), settled, "settings")
        moved = past(m, windows.restart | windows.jump | windows.line, 1, "moved")
        self.assume(moved | ~past(m, windows.ready, 1, "was_ready") | windows.ready)

        bank = self.constant(m, range(banks), "bank")
        self.assume(bank < banks)
        place = self.constant(m, range(capacity), "place")
        self.assume(place < capacity)
        content = self.constant(m, len(lists.entry[0].as_value()), "content")
        states = self.constant(m, 2, "states")
        self.stays(m, Cat(lists.count, lists.decided), settled, "counts")
        for count, decided in zip(lists.count, lists.decided, strict=True):
            self.assume(count + decided <= capacity)
        count, decided = (Array(array)[bank] for array in (lists.count, lists.decided))
        entry = Array(each.as_value() for each in lists.entry)[bank]
        first, last = (Array(array)[bank] for array in (lists.first, lists.last))
        read = Array(lists.read_en)[bank]
        index = Array(lists.read_index)[bank]
        latest = Signal(range(capacity))
        with m.If(read):
            m.d.sync += latest.eq(index)
        identity = sum(len(lists.entry[0][name]) for name in ("line", "column", "number"))
        same = entry[:identity] == content[:identity]
        is_entry = (entry == content) & (Cat(first, last) == states)
        self.assume(Mux(latest == place, is_entry, ~same))
        looked = past(m, Cat(lists.read_en), 1, "looked")
        for number in range(banks):
            shown = Cat(lists.entry[number], lists.first[number], lists.last[number])
            self.stays(m, shown, ~looked[number], f"entry{number}")

        # Whether it leaves for either engine.
        above = place >= capacity - decided
        differs = ~above & (states[0] ^ states[1])
        matters = Mux(above, dut.upper_differs, differs | (dut.upper_differs & states.any()))
        listed = above | (place < count)
        return _Entry(
            bank, place, content, identity, count, decided, read & (index == place),
            latest == place, above, matters, [listed & differs, listed & matters],
            Mux(above, 3, states),
        )  # fmt: skip

    def _heads(self, inside, bank):
        """The list's registers in the engine."""
        banks = range(self._shape.banks)

        def of_bank(name):
            return Array(inside[f"{name}{b}"] for b in banks)[bank]

        return _Heads(
            of_bank("held"), of_bank("there"), of_bank("needed"), of_bank("at"),
            of_bank("missing"), of_bank("head"), Array(inside["picked"])[bank],
        )  # fmt: skip

    def _track(self, m, dut, inside, entry, heads):
        """Where the entry is: read, at the memory's output, at the head, or leaving."""
        drop = heads.there & (~heads.needed | heads.picked)
        move = heads.holds & (~heads.there | drop)
        seen, arrived, at_head, going = Signal(), Signal(), Signal(), Signal()
        with m.If(dut.start):
            m.d.sync += seen.eq(0)
        with m.Elif(entry.read):
            m.d.sync += seen.eq(1)
        with m.If(entry.read):
            m.d.sync += arrived.eq(1)
        with m.Elif(move):
            m.d.sync += arrived.eq(0)
        with m.If(move):
            m.d.sync += at_head.eq(arrived)
        with m.Elif(drop):
            m.d.sync += at_head.eq(0)
        with m.If(heads.picked):
            m.d.sync += going.eq(at_head)
        with m.Elif(inside["gone"]):
            m.d.sync += going.eq(0)
        return _Track(seen, arrived, at_head, going)

    def _claim_jobs(self, m, dut, inside, entry, scans):
        """Claim which jobs there are of the entry, and what they say; return their numbers."""
        shape, leaving = self._shape, inside["leaving"]
        counts, states = [], entry.states
        swapped = Mux(dut.swap, Cat(states[1], states[0]), states)
        same = leaving.as_value()[: entry.identity] == entry.content[: entry.identity]
        is_it = (leaving.bank == entry.bank) & same
        window = dut.lists.entry[0].shape()(entry.content)
        position = window.line * self._params.grid[1] + window.column
        row = Signal.like(dut.window_job.payload.row)
        m.d.comb += row.eq(position * shape.block + window.number * shape.banks + entry.bank)
        for number, job in enumerate((dut.window_job, dut.job)):
            n, owed = Signal(2, name=f"jobs{number}"), entry.owed[number]
            with m.If(dut.start):
                m.d.sync += n.eq(0)
            with m.Elif(job.valid & job.ready & is_it & (n != 3)):
                m.d.sync += n.eq(n + 1)
            counts.append(n)
            self.claim("words", dut.idle | (n <= owed))
            self.claim("words", ~(scans & dut.idle) | (n == owed))
            ours, job_states = job.valid & is_it, Cat(job.payload.plus, job.payload.minus)
            self.claim("words", ~ours | (job_states == swapped))
            at_place = (job.payload.row == row) & (job.payload.bank == entry.bank)
            self.claim("words", ~ours | at_place)
            self.claim("words", ~job.valid | (job.payload.bank == leaving.bank))
        return counts

    def _compare(self, dut, inside, entry, heads, track, counts):
        """How the engine's registers say the same."""
        identity, content = entry.identity, entry.content
        seen, arrived, at_head, going = track
        leaving, leaves = inside["leaving"], inside["leaving_valid"]
        here = leaving.bank == entry.bank
        same = leaving.as_value()[:identity] == content[:identity]
        of_decided, of_undecided = inside["of_decided"], inside["of_undecided"]
        self.lemma(~(of_decided & of_undecided))
        self.lemma(~dut.idle | ~leaves)
        for b in range(self._shape.banks):
            empty = ~inside[f"there{b}"] & ~inside[f"held{b}"] & (inside[f"missing{b}"] == 0)
            self.lemma(~dut.idle | empty)
        self.lemma(~arrived | heads.holds)
        self.lemma(~heads.holds | (arrived == entry.latest))
        self.lemma(~at_head | heads.there)
        self.lemma(~heads.there | (at_head == (heads.head[:identity] == content[:identity])))
        self.lemma(~at_head | (heads.head[identity : identity + 2] == entry.states))
        self.lemma(~at_head | (heads.needed == entry.matters))
        self.lemma(~going | leaves & here)
        self.lemma(~(leaves & here) | (going == same))
        self.lemma(~going | (Cat(leaving.first, leaving.last) == entry.states))
        self.lemma(~going | entry.owed[1])
        self.lemma(~(arrived | at_head | going) | seen)
        self.lemma(arrived + at_head + going <= 1)
        waits, on = arrived | at_head, of_decided | of_undecided
        lefts = inside["left0"], inside["left1"]
        for n, debt, left in zip(counts, entry.owed, lefts, strict=True):
            self.lemma(~(~seen | waits) | (n == 0))
            self.lemma(leaves | ~left)
            self.lemma(~going | (n == left))
            self.lemma(~(on & seen & ~waits & ~going) | (n == debt))
        self._compare_reads(dut, entry, heads, seen, of_decided, of_undecided)
        self.lemma(~waits | Mux(entry.above, of_decided, of_undecided))

    def _compare_reads(self, dut, entry, heads, seen, of_decided, of_undecided):
        """Which of the list have been read, by what is missing."""
        place, above, missing, at = entry.place, entry.above, heads.missing, heads.at
        bits, last = len(at), self._shape.slots - 1
        from_above = Mux(dut.upper_differs, entry.decided, 0)
        read_above, read_below = from_above - missing, entry.count - missing
        self.lemma(~of_decided | (missing <= from_above))
        self.lemma(~of_decided | (read_above[:bits] == (last - at)[:bits]))
        self.lemma(~of_undecided | (missing <= entry.count) & (read_below[:bits] == at))
        read_before = Mux(above, last - place < read_above, 0)
        self.lemma(~of_decided | (seen == read_before))
        read_before = Mux(above, dut.upper_differs, place < read_below)
        self.lemma(~of_undecided | (seen == read_before))


class _Entry(NamedTuple):
    """The entry that is followed.

    ``identity`` are the bits of its content that say which neuron it is; ``read`` and ``latest``,
    whether it is read in this cycle, and was read last of its list; ``above``, whether it is a
    decided one; ``owed``, whether it leaves for either engine; ``states``, its activations.
    """

    bank: Any
    place: Any
    content: Any
    identity: int
    count: Any
    decided: Any
    read: Any
    latest: Any
    above: Any
    matters: Any
    owed: list
    states: Any


class _Heads(NamedTuple):
    """Registers of the list that the entry is in."""

    holds: Any
    there: Any
    needed: Any
    at: Any
    missing: Any
    head: Any
    picked: Any


class _Track(NamedTuple):
    """Whether the entry was read, is at the memory's output, at the head, or leaves."""

    seen: Any
    arrived: Any
    at_head: Any
    going: Any


_OFFER = ContrastScan._offer


def _small():
    local = {"first": "local", "image": [4, 4], "window": 2, "stride": 1, "features": 3}
    machine = {"latent_lanes": [4, 2], "neuron_lanes": 2, "overlap": True}
    return tiny(network={**local, "hidden": []}, machine=machine)


def _proof(name, params, size, slow=False):
    return Proof(
        name,
        "layers/contrast_scan",
        size,
        lambda: _Scan(params()),
        rules(
            Fault(_OFFER, "~left1),", "~left1 & job1.ready),"),
            Fault(_OFFER, "(left0 | taken0 | ~differs) &", "(left0 | taken0 | 1) &"),
            "each neuron that differs leaves once for each engine, with its row and activations; "
            "one that is active in both states once for the layer above if that differs; no "
            "other leaves",
            Fault(_OFFER, "left1.eq((left1 | taken1) & ~gone)", "left1.eq(taken1 & ~gone)"),
        ),
        depth=3,
        slow=slow,
    )


PROOFS = [
    _proof("contrast-scan", _small, "27 neurons in two lists"),
    _proof(
        "contrast-scan-ecp5-85f",
        lambda: Params.load("ecp5-85f"),
        "ecp5-85f: 1,800 neurons in nine lists",
        slow=True,
    ),
]
