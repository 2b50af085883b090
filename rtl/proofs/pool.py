"""Pooled windows: the greatest product of all is found, and its window is the one that learns."""

from itertools import chain

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from popflip.golden.description.params import Params
from popflip.rtl.layers.pool import GreatestWindow
from popflip.rtl.layers.window_fetch import WindowFetch
from popflip.rtl.proofs.harness import Claim, Fault, Harness, Inside, Proof, held, past
from popflip.rtl.proofs.popcount import Followed

__all__ = ["PROOFS"]


def _pooled(preset: str, lanes: int, pool=3) -> Params:
    return Params.load(preset).replace(network={"pool": pool}, machine={"pool_lanes": lanes})


class _Greatest(Harness):
    """Windows that are looked at all at once: products, any, are followed to the greatest."""

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        p = self._params
        dut = GreatestWindow(p)
        m.submodules.dut = (inside := Inside(dut)).fragment
        _free(self, m, dut)
        bound = p.fan_in
        lanes, across = p.machine.pool_lanes, p.first_layer.pool[1]
        followed = Followed(self, m, dut.valid, dut.en, dut.latency)
        dots = [Signal.like(dut.dots[0], name=f"dot{i}") for i in range(lanes)]
        there = Signal(lanes, name="kept_there")
        with m.If(followed.begins):
            m.d.sync += [there.eq(dut.there), *(d.eq(dut.dots[i]) for i, d in enumerate(dots))]
        self.assume(dut.offset.as_value() == 0)
        self.assume(dut.there != 0)
        for dot in dut.dots:
            self.assume((dot <= bound) & (dot >= -bound))
        self.lemma((followed.behind(0)) | (there != 0))
        for dot in dots:
            self.lemma((dot <= bound) & (dot >= -bound))

        # Each node of the tree is the first of the greatest products below it.
        least = -(1 << (len(dots[0]) - 1))
        products = [Mux(there[i], dot, least) for i, dot in enumerate(dots)]
        below = [[i] for i in range(lanes)]
        for level in range(1, dut.latency + 1):
            below = [[*chain(*below[i : i + 2])] for i in range(0, len(below), 2)]
            is_there = followed.behind(level)
            for number, mine in enumerate(below):
                node = dut.entry(inside[f"level{level}_{number}"])
                self.lemma(
                    ~is_there | self._is_first(node.dot, node.offset, products, mine, across)
                )
            self.lemma(~is_there | (inside[f"offset{level}"] == 0))
        result = followed.behind(dut.latency)
        for i, dot in enumerate(dots):
            self.claim("greatest", ~(result & there[i]) | (dut.greatest >= dot))
            down, over = divmod(i, across)
            is_winner = (dut.winner.down == down) & (dut.winner.across == over)
            fits = there[i] & (dut.greatest == dot)
            lower = Cat(there[j] & (dots[j] == dot) for j in range(i)).any()
            self.claim("greatest", ~(result & is_winner) | fits & ~lower)
        rows = len(dots) // across
        self.claim("greatest", ~result | (dut.winner.down < rows) & (dut.winner.across < across))

    def _is_first(self, dot, offset, products, lanes, across):
        """Whether a node is the first of the greatest products of some lanes."""
        cases = []
        for lane in lanes:
            down, over = divmod(lane, across)
            greatest = Cat(
                (products[lane] > products[other]) if other < lane
                else (products[lane] >= products[other])
                for other in lanes
            ).all()  # fmt: skip
            mine = (offset.down == down) & (offset.across == over) & (dot == products[lane])
            cases.append(greatest & mine)
        return Cat(cases).any()


class _Rounds(Harness):
    """Windows one by one: the neurons of a position take turns, look by look."""

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        p = self._params
        dut, groups = GreatestWindow(p), p.synapses(0).groups
        m.submodules.dut = (inside := Inside(dut)).fragment
        _free(self, m, dut)
        turn, begun = Signal(range(groups)), Signal(groups)
        looks = dut.en & dut.valid
        # Each neuron's first look is before its others.
        self.assume(dut.first | begun.bit_select(turn, 1))
        best = [Signal.like(dut.greatest, name=f"best{i}") for i in range(groups)]
        where = [Signal(len(dut.winner.as_value()), name=f"where{i}") for i in range(groups)]
        product = Mux(dut.there[0], dut.dots[0], -(1 << (len(dut.greatest) - 1)))
        with m.If(looks):
            m.d.sync += turn.eq(Mux(turn == groups - 1, 0, turn + 1))
        for number in range(groups):
            with m.If(looks & (turn == number)):
                m.d.sync += begun[number].eq(1)
                with m.If(dut.first | (product > best[number])):
                    m.d.sync += [
                        best[number].eq(product), where[number].eq(dut.offset.as_value()),
                    ]  # fmt: skip
        last = Mux(turn == 0, groups - 1, turn - 1)[: len(turn)]
        of_last = begun.bit_select(last, 1)
        self.claim("rounds", ~of_last | (dut.greatest == Array(best)[last]))
        self.claim("rounds", ~of_last | (dut.winner.as_value() == Array(where)[last]))
        # Who was looked at so many turns ago.
        self.lemma(turn < groups)
        for back in range(groups):
            who = Mux(turn > back, turn - 1 - back, turn + groups - 1 - back)
            kept, known = dut.entry(inside[f"kept{back}"]), begun.bit_select(who[: len(turn)], 1)
            who = who[: len(turn)]
            self.lemma(~known | (kept.dot == Array(best)[who]))
            self.lemma(~known | (kept.offset.as_value() == Array(where)[who]))


class _Picked(Harness):
    """The window fetch of pooled neurons: what the update engine sees is the winner's window."""

    def __init__(self, params: Params):
        super().__init__()
        self._params = params

    def body(self, m: Module) -> None:
        p = self._params
        dut = WindowFetch(p)
        m.submodules.dut = (inside := Inside(dut)).fragment
        _free(self, m, dut)
        windows, job, changed = dut.windows, dut.job, dut.changed
        offset = changed.payload.place.offset.as_value()
        taken = job.valid & job.ready
        self.assume(held(m, changed.valid, changed.ready, changed.payload))
        self.assume(~dut.start | ~changed.valid)
        wanted, working = Signal(len(offset)), Signal()
        with m.If(taken):
            m.d.sync += [wanted.eq(offset), working.eq(1)]
        if p.machine.serial_windows:
            # What was sought last, and whether the position has changed since.
            sought, fresh = Signal(len(offset)), Signal()
            with m.If(windows.seek):
                m.d.sync += [sought.eq(windows.pick.as_value()), fresh.eq(1)]
            with m.Elif(windows.next | windows.restart):
                m.d.sync += fresh.eq(0)
            self.claim("picked", ~job.valid | fresh & (sought == offset))
            self.claim("picked", dut.partners.plus == windows.x)
            self.claim("picked", ~windows.seek | ~dut.partners.held)
            is_sought = inside["sought"]
            self.lemma(~is_sought | fresh & (sought == offset))
            self.lemma(~is_sought | changed.valid)
            return
        shown = past(m, windows.pick.as_value(), 1, "shown")
        self.claim("picked", ~working | (windows.pick.as_value() == wanted))
        self.lemma(~working | (inside["kept"] == wanted))
        lanes, across = p.machine.pool_lanes, p.first_layer.pool[1]
        for lane in range(lanes):
            down, over = divmod(lane, across)
            picked = windows.pick.shape()(shown)
            here = picked.across == over
            if lanes == p.first_layer.offsets:
                here = here & (picked.down == down)
            seen = windows.x.word_select(lane, p.machine.row_lanes)
            self.claim("picked", ~here | (dut.partners.plus == seen) & (dut.partners.minus == seen))
        if lanes > 1:
            self.lemma(inside["picked"] == shown)


def _free(harness: Harness, m: Module, dut) -> None:
    """Let all inputs be anything."""
    for path, member, port in dut.signature.flatten(dut):
        if member.flow == In and len(Value.cast(port)):
            m.d.comb += port.eq(harness.any(len(Value.cast(port)), "__".join(map(str, path))))


_POOL, _PICK = GreatestWindow.elaborate, WindowFetch._pick


def _greatest(name, params, size, slow=False):
    return Proof(
        name,
        "layers/pool",
        size,
        lambda: _Greatest(params()),
        {
            "greatest": Claim(
                "the greatest product of the windows inside of the image is found, and the lowest "
                "offset that has it",
                Fault(_POOL, "Mux(b.dot > a.dot", "Mux(b.dot >= a.dot", 8),
            )
        },
        depth=2,
        slow=slow,
    )


def _rounds(name, params, size, slow=False):
    return Proof(
        name,
        "layers/pool",
        size,
        lambda: _Rounds(params()),
        {
            "rounds": Claim(
                "each neuron's greatest product so far is kept, with the first offset that had it",
                Fault(
                    _POOL,
                    "first | (now.dot > kept[-1].dot)",
                    "first | (now.dot > kept[0].dot)",
                    30,
                ),
            )
        },
        slow=slow,
    )


def _picked(name, params, size, old, new):
    return Proof(
        name,
        "layers/window_fetch",
        size,
        lambda: _Picked(params()),
        {
            "picked": Claim(
                "the window that a row's update sees is the one that its neuron has seen",
                Fault(_PICK, old, new, 8),
            )
        },
    )


def _serial() -> Params:
    return Params.load("ice40up5k").replace(network={"pool": 3})


PROOFS = [
    _greatest(
        "pool-9", lambda: _pooled("ecp5-25f", 9), "rows of 200 bits, 9 windows at once", True,
    ),
    _greatest("pool-4", lambda: _pooled("local-small", 4, 2), "rows of 100 bits, 4 at once"),
    _rounds(
        "pool-rounds",
        lambda: _pooled("local-small", 1).replace(machine={"neuron_lanes": 5}),
        "rows of 100 bits, 2 neurons that take turns, windows one by one",
    ),
    _rounds(
        "pool-rounds-10", _serial, "rows of 100 bits, 10 neurons that take turns, likewise", True
    ),
    _picked(
        "pool-window", lambda: _pooled("local-small", 9), "local-small, 9 windows at once",
        "kept.eq(offset)", "kept.across.eq(offset.across)",
    ),
    _picked(
        "pool-window-row", lambda: _pooled("local-small", 3), "local-small, 3 windows at once",
        "Mux(coming, offset.as_value(), kept.as_value())", "offset.as_value()",
    ),
    _picked(
        "pool-window-serial", _serial, "ice40up5k, windows that are sought",
        "m.d.sync += sought.eq(0)", "pass",
    ),
]  # fmt: skip
