"""The walk through the lists of neurons: each one that differs leaves once, for each engine."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal

from popflip.golden.description.params import Params
from popflip.rtl.layers.work_lists import ListWalk
from popflip.rtl.proofs.harness import Fault, Inside, Proof, past
from popflip.rtl.proofs.nets import tiny
from popflip.rtl.proofs.streams import Streams, rules

__all__ = ["PROOFS"]


class _Walk(Streams):
    """One entry of one list, any, is followed; no other one is of the same neuron."""

    def __init__(self, params: Params):
        super().__init__(lambda: ListWalk(params), ("job0", "job1"), ())
        self._params = params

    def words(self, m: Module, dut: ListWalk, inside: Inside) -> None:
        shape = self._params.synapses(0)
        banks, capacity = shape.banks, shape.rows // shape.block * shape.groups
        walks, begins = past(m, ~dut.idle, 1, "walks"), past(m, dut.start, 1, "begins")

        # The sequencer, and the sample's buffer: a window stays there until somebody moves.
        self.assume(~dut.start | dut.idle)
        self.stays(m, Cat(dut.swap, dut.upper_differs), walks | begins, "settings")
        moved = past(m, dut.restart | dut.jump | dut.line, 1, "moved")
        self.assume(moved | ~past(m, dut.ready, 1, "was_ready") | dut.ready)

        # The lists, and the entry that is followed.
        bank = self.constant(m, range(banks), "bank")
        self.assume(bank < banks)
        place = self.constant(m, range(capacity), "place")
        self.assume(place < capacity)
        content = self.constant(m, len(dut.entry[0].as_value()), "content")
        ends = self.constant(m, 2, "ends")
        self.stays(m, Cat(dut.count, dut.decided), walks | begins, "counts")
        for count, decided in zip(dut.count, dut.decided, strict=True):
            self.assume(count + decided <= capacity)
        count, decided = (Array(array)[bank] for array in (dut.count, dut.decided))
        entry = Array(each.as_value() for each in dut.entry)[bank]
        first, last = (Array(array)[bank] for array in (dut.first, dut.last))
        read = Array(dut.read_en)[bank]
        index = Array(dut.read_index)[bank]
        latest = Signal(range(capacity))
        with m.If(read):
            m.d.sync += latest.eq(index)
        identity = sum(len(dut.entry[0][name]) for name in ("line", "column", "number"))
        same = entry[:identity] == content[:identity]
        self.assume(Mux(latest == place, (entry == content) & (Cat(first, last) == ends), ~same))
        looked = past(m, Cat(dut.read_en), 1, "looked")
        for number in range(banks):
            shown = Cat(dut.entry[number], dut.first[number], dut.last[number])
            self.stays(m, shown, ~looked[number], f"entry{number}")

        # Whether it leaves for either engine.
        above = place >= capacity - decided
        differs = ~above & (ends[0] ^ ends[1])
        matters = Mux(above, dut.upper_differs, differs | (dut.upper_differs & ends.any()))
        listed = above | (place < count)
        owed = [listed & differs, listed & matters]

        # Where it is.
        leaving = inside["leaving"]
        here, leaves = leaving.bank == bank, inside["leaving_valid"]
        holds, there, needed = (
            Array(inside[f"{name}{b}"] for b in range(banks))[bank]
            for name in ("held", "there", "needed")
        )
        at, missing = (
            Array(inside[f"{name}{b}"] for b in range(banks))[bank] for name in ("at", "missing")
        )
        head = Array(inside[f"head{b}"] for b in range(banks))[bank]
        picked = Array(inside["picked"])[bank]
        drop = there & (~needed | picked)
        move = holds & (~there | drop)
        seen, arrived, at_head, going = Signal(), Signal(), Signal(), Signal()
        now = read & (index == place)
        with m.If(dut.start):
            m.d.sync += seen.eq(0)
        with m.Elif(now):
            m.d.sync += seen.eq(1)
        with m.If(now):
            m.d.sync += arrived.eq(1)
        with m.Elif(move):
            m.d.sync += arrived.eq(0)
        with m.If(move):
            m.d.sync += at_head.eq(arrived)
        with m.Elif(drop):
            m.d.sync += at_head.eq(0)
        with m.If(picked):
            m.d.sync += going.eq(at_head)
        with m.Elif(inside["gone"]):
            m.d.sync += going.eq(0)
        counts, told = [], Mux(above, 3, ends)
        told_swapped = Mux(dut.swap, Cat(told[1], told[0]), told)
        is_it = here & (leaving.as_value()[:identity] == content[:identity])
        window = dut.entry[0].shape()(content)
        position = window.line * self._params.grid[1] + window.column
        row = Signal.like(dut.job0.payload.row)
        m.d.comb += row.eq(position * shape.block + window.number * banks + bank)
        for number, job in enumerate((dut.job0, dut.job1)):
            n = Signal(2, name=f"jobs{number}")
            with m.If(dut.start):
                m.d.sync += n.eq(0)
            with m.Elif(job.valid & job.ready & is_it & (n != 3)):
                m.d.sync += n.eq(n + 1)
            counts.append(n)
            self.claim("words", dut.idle | (n <= owed[number]))
            self.claim("words", ~(walks & dut.idle) | (n == owed[number]))
            ours = job.valid & is_it
            self.claim("words", ~ours | (Cat(job.payload.plus, job.payload.minus) == told_swapped))
            self.claim("words", ~ours | (job.payload.row == row) & (job.payload.bank == bank))
            self.claim("words", ~job.valid | (job.payload.bank == leaving.bank))

        # How the engine's registers tell the same.
        of_decided, of_undecided = inside["of_decided"], inside["of_undecided"]
        self.lemma(~(of_decided & of_undecided))
        self.lemma(~dut.idle | ~leaves)
        for b in range(banks):
            empty = ~inside[f"there{b}"] & ~inside[f"held{b}"] & (inside[f"missing{b}"] == 0)
            self.lemma(~dut.idle | empty)
        self.lemma(~arrived | holds)
        self.lemma(~holds | (arrived == (latest == place)))
        self.lemma(~at_head | there)
        self.lemma(~there | (at_head == (head[:identity] == content[:identity])))
        self.lemma(~at_head | (head[identity : identity + 2] == told))
        self.lemma(~at_head | (needed == matters))
        self.lemma(~going | leaves & here)
        self.lemma(~(leaves & here) | (going == is_it))
        self.lemma(~going | (Cat(leaving.first, leaving.last) == told))
        self.lemma(~going | owed[1])
        self.lemma(~(arrived | at_head | going) | seen)
        self.lemma(arrived + at_head + going <= 1)
        waits, on = arrived | at_head, of_decided | of_undecided
        for n, debt, left in zip(counts, owed, (inside["left0"], inside["left1"]), strict=True):
            self.lemma(~(~seen | waits) | (n == 0))
            self.lemma(leaves | ~left)
            self.lemma(~going | (n == left))
            self.lemma(~(on & seen & ~waits & ~going) | (n == debt))
        # Which of the list have been read, by what is missing.
        bits = len(at)
        from_above = Mux(dut.upper_differs, decided, 0)
        read_above, read_below = from_above - missing, count - missing
        self.lemma(~of_decided | (missing <= from_above))
        self.lemma(~of_decided | (read_above[:bits] == (capacity - 1 - at)[:bits]))
        self.lemma(~of_undecided | (missing <= count) & (read_below[:bits] == at))
        read_before = Mux(above, capacity - 1 - place < read_above, 0)
        self.lemma(~of_decided | (seen == read_before))
        read_before = Mux(above, dut.upper_differs, place < read_below)
        self.lemma(~of_undecided | (seen == read_before))
        self.lemma(~waits | Mux(above, of_decided, of_undecided))


_WALK = ListWalk.elaborate


def _small():
    local = {"first": "local", "image": [4, 4], "window": 2, "stride": 1, "features": 3}
    machine = {"latent_lanes": [4, 2], "neuron_lanes": 2, "overlap": True}
    return tiny(network={**local, "hidden": []}, machine=machine)


def _proof(name, params, size, slow=False):
    return Proof(
        name,
        "lists",
        size,
        lambda: _Walk(params()),
        rules(
            Fault(_WALK, "~left1),", "~left1 & self.job1.ready),"),
            Fault(_WALK, "(left0 | taken0 | ~differs) &", "(left0 | taken0 | 1) &"),
            "each neuron that differs leaves once for each engine, with its row and activations; "
            "one that both ends have active once for the layer above if that differs; no other "
            "leaves",
            Fault(_WALK, "left1.eq((left1 | taken1) & ~gone)", "left1.eq(taken1 & ~gone)"),
        ),
        depth=3,
        slow=slow,
    )


PROOFS = [
    _proof("walk", _small, "27 neurons in two lists"),
    _proof(
        "walk-ecp5-85f",
        lambda: Params.load("ecp5-85f"),
        "ecp5-85f: 1,800 neurons in nine lists",
        slow=True,
    ),
]
