"""Training without a host: the part of the machine that says what to do next::

    flash <- FlashReader <- shuffle, ImageShifter <- core      samples
                  |                  |
                counts ----------> Conductor -> RequestServer -> core, UART

:mod:`popflip.golden.training.standalone` says what is drawn and in which order; the golden model
draws the same.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description import lfsr, shuffle
from popflip.golden.description.packing import memory_map
from popflip.golden.description.params import Params, ceil_div
from popflip.golden.description.registers import StandaloneState, register_map
from popflip.rtl.interface import OrderKind, OrderSignature, StoreSignature
from popflip.rtl.standalone.image_shifter import ImageShifter

__all__ = ["Conductor"]

#: Bits of the register ``standalone`` below the count of epochs.
_EPOCH_AT = 16


class Conductor(wiring.Component):
    """Train for ``standalone.epochs`` epochs, test after each, report both, and keep order.

    All it does is to give orders, which the host link executes between the requests of a host, and
    to stand between the core and the flash: while it trains, the core's requests are answered with
    the samples in the epoch's own order, their images moved; at all other times with those that
    were asked for.

    The next number of the order is found while the flash reads; one that is out of range takes a
    cycle. With few samples for ``order_bits`` this is what training waits for.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    start : ``In(1)``
        While high, training begins anew whenever the machine is at rest. It begins by itself after
        the configuration if ``standalone.autostart`` is set.
    stop : ``In(1)``
        A pulse (a host's STOP) ends it, as soon as the core is at rest.
    orders : ``Out(OrderSignature())``
        For the host link.
    busy : ``In(1)``
        The core is at work.
    core : ``In(StoreSignature())``, flash : ``Out(StoreSignature())``
        Requests for samples.
    ready, found, train, test : ``In``
        Of :class:`popflip.rtl.standalone.flash_reader.FlashReader`.
    note : ``Out(32)``
        Register ``standalone``.
    running : ``Out(1)``
        It trains or tests.
    failed : ``Out(1)``
        It was started, and there is no data set.
    """

    def __init__(self, params: Params):
        if not params.standalone.lines:
            raise ValueError(
                f"standalone.flash must be single, dual or quad, not {params.standalone.flash}"
            )
        self._params = params
        super().__init__({
            "start": In(1),
            "stop": In(1),
            "orders": Out(OrderSignature()),
            "busy": In(1),
            "core": In(StoreSignature()),
            "flash": Out(StoreSignature()),
            "ready": In(1),
            "found": In(1),
            "train": In(params.standalone.order_bits + 1),
            "test": In(params.standalone.order_bits + 1),
            "note": Out(32),
            "running": Out(1),
            "failed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, standalone = self._params, self._params.standalone
        orders = self.orders

        # Random bits: whoever draws reads them from the low end and says how many.
        random, steps = Signal(lfsr.WIDTH, init=standalone.state), Signal(5)
        still = Signal()
        reset = Signal()
        m.d.comb += still.eq(steps == 0)
        with m.If(reset):
            m.d.sync += random.eq(standalone.state)
        with m.Elif(~still):
            new = Cat(random[tap] for tap in lfsr.TAPS).xor()
            m.d.sync += [random.eq(Cat(random[1:], new)), steps.eq(steps - 1)]

        # The order of an epoch's samples.
        bits = standalone.order_bits
        key, state = Signal(bits), Signal(bits)
        shuffling, begin_epoch = Signal(), Signal()
        in_range, requested = Signal(), Signal()
        with m.If(begin_epoch):
            m.d.sync += [key.eq(random), state.eq(0), steps.eq(bits)]
        with m.Elif(shuffling & (requested | ~in_range)):
            new = Cat(state[tap] for tap in shuffle.TAPS[bits]).xor() ^ ~state[1:].any()
            m.d.sync += state.eq(Cat(state[1:], new))

        # Samples.
        reach = p.learning.shift
        number = Signal(24)  # as far as an address reaches
        offered = Mux(shuffling, in_range & still, 1)
        m.d.comb += [
            # In training the core asks for sample 0 to the last: what is above `bits` is 0.
            number.eq(self.core.request.payload),
            number[:bits].eq(Mux(shuffling, state ^ key, self.core.request.payload[:bits])),
            in_range.eq(number[:bits] < self.train),
            self.flash.request.payload.eq(number),
            self.flash.request.valid.eq(self.core.request.valid & offered),
            self.core.request.ready.eq(self.flash.request.ready & offered),
            requested.eq(self.flash.request.valid & self.flash.request.ready),
        ]
        if reach:
            m.submodules.shifter = shifter = ImageShifter(p)
            connect(m, flipped(self.flash.data), shifter.i)
            connect(m, shifter.o, flipped(self.core.data))
            m.d.comb += shifter.begin.eq(requested)
            with m.If(shuffling):
                # Draws from `(256 * k) / (2 * reach + 1)` on are at least `k - reach`.
                least = [ceil_div(256 * k, 2 * reach + 1) for k in range(1, 2 * reach + 1)]
                for at, distance in ((0, shifter.dx), (8, shifter.dy)):
                    draw = random[at : at + 8]
                    m.d.comb += distance.eq(sum(draw >= value for value in least) - reach)
                with m.If(requested):
                    m.d.sync += steps.eq(16)
        else:
            connect(m, flipped(self.flash.data), flipped(self.core.data))

        # What to write: random weights and latents of 0, or settings.
        epoch, phase = Signal(range(standalone.epochs + 1)), Signal(StandaloneState)
        regions = {region.name: region for region in memory_map(p)}
        registers = {register.name: register.index for register in register_map(p)}
        first_region, last_region = (
            regions["weights0"].index,
            regions[f"latents{p.depth - 1}"].index,
        )
        region = Signal(4)
        settings = {
            "batch": p.learning.batch,
            "options": int(p.learning.reset_on_flip),
            "seed": standalone.state,
            "clear": 1,
        }
        taus = _tau_table(p)
        index, place = Signal(range(len(settings) + p.depth)), Signal(2)
        setting = Signal(8)
        with m.Switch(Cat(place, index)):
            for name, value in settings.items():
                for i in range(4):
                    with m.Case(4 * registers[name] + i):
                        m.d.comb += setting.eq(value >> 8 * i & 0xFF)
            for layer in range(p.depth):
                for i in range(ceil_div(p.learning.latent_bits - 1, 8)):
                    with m.Case(4 * registers[f"tau{layer}"] + i), m.Switch(epoch):
                        for epoch_of_row, values in enumerate(taus[:-1]):
                            with m.Case(epoch_of_row):
                                m.d.comb += setting.eq(values[layer] >> 8 * i & 0xFF)
                        with m.Default():
                            m.d.comb += setting.eq(taus[-1][layer] >> 8 * i & 0xFF)

        preparing, latents = Signal(), Signal()
        words = Signal(24)
        m.d.comb += latents.eq((region - first_region)[0])
        with m.Switch(region):
            for each in list(regions.values())[first_region:]:
                with m.Case(each.index):
                    m.d.comb += words.eq(each.depth)
        with m.If(orders.take):
            with m.If(preparing):
                with m.If(~latents):
                    m.d.sync += steps.eq(8)
            with m.Else():
                m.d.sync += place.eq(place + 1)
                with m.If(place == 3):
                    m.d.sync += index.eq(index + 1)
        m.d.comb += [
            orders.has_byte.eq(still),
            orders.byte.eq(Mux(preparing, Mux(latents, 0, random[:8]), setting)),
            orders.region.eq(Mux(preparing, region, regions["registers"].index)),
        ]

        # Runs: the training samples, or the test samples behind them.
        testing = Signal()
        m.d.comb += [
            orders.run.train.eq(~testing),
            orders.run.flush.eq(1),
            orders.run.first.eq(Mux(testing, self.train, 0)),
            orders.run.count.eq(Mux(testing, self.test, self.train)),
        ]

        begin, halted = Signal(init=standalone.autostart), Signal()
        with m.If(self.start):
            m.d.sync += begin.eq(1)
        with m.If(self.stop):
            m.d.sync += [begin.eq(0), halted.eq(1)]

        # A host's STOP cannot come while an order is executed: what is offered can be taken back.
        def give(kind, address=0, words=0):
            m.d.comb += [
                orders.valid.eq(~halted),
                orders.kind.eq(kind),
                orders.address.eq(address),
                orders.count.eq(words),
            ]
            with m.If(halted):
                m.d.sync += phase.eq(StandaloneState.IDLE)
                m.next = "Rest"

        clear, tau = registers["clear"], registers[f"tau{p.depth - 1}"]
        with m.FSM():
            with m.State("Rest"):
                m.d.comb += reset.eq(1)
                m.d.sync += [halted.eq(0), testing.eq(0), region.eq(first_region)]
                with m.If(begin & self.ready & ~self.busy):
                    m.d.sync += [
                        begin.eq(0),
                        epoch.eq(0),
                        phase.eq(StandaloneState.PREPARING),
                    ]
                    m.next = "Prepare"
                    with m.If(~self.found):
                        m.d.sync += phase.eq(StandaloneState.NO_IMAGE)
                        m.next = "Rest"

            with m.State("Prepare"):
                m.d.comb += preparing.eq(1)
                give(OrderKind.WRITE, 0, words)
                m.d.sync += [index.eq(0), place.eq(0)]
                with m.If(orders.done):
                    m.d.sync += region.eq(region + 1)
                    with m.If(region == last_region):
                        m.next = "Set"

            with m.State("Set"):
                # Of the settings, only thresholds change from epoch to epoch; `clear` stands
                # between the two kinds.
                whole = epoch == 0
                give(
                    OrderKind.WRITE,
                    Mux(whole, 0, clear),
                    Mux(whole, tau + 1, tau + 1 - clear),
                )
                with m.If(orders.done):
                    m.d.sync += phase.eq(StandaloneState.TRAINING)
                    m.next = "Draw key"

            with m.State("Draw key"):
                with m.If(still):
                    m.d.comb += begin_epoch.eq(1)
                    m.next = "Run"

            with m.State("Run"):
                m.d.comb += shuffling.eq(~testing)
                give(OrderKind.RUN)
                with m.If(orders.done):
                    m.next = "Running"

            with m.State("Running"):
                m.d.comb += shuffling.eq(~testing)
                m.d.sync += [index.eq(clear), place.eq(0)]
                with m.If(~self.busy):
                    m.next = "Report"

            with m.State("Report"):
                give(OrderKind.REPORT, 0, len(registers))
                with m.If(orders.done):
                    m.d.sync += testing.eq(~testing)
                    m.next = "Clear"
                    with m.If(testing):
                        m.d.sync += epoch.eq(epoch + 1)
                        m.next = "Set"
                        with m.If(epoch == standalone.epochs - 1):
                            m.d.sync += phase.eq(StandaloneState.DONE)
                            m.next = "Rest"

            with m.State("Clear"):
                give(OrderKind.WRITE, clear, 1)
                with m.If(orders.done):
                    m.d.sync += phase.eq(StandaloneState.TESTING)
                    m.next = "Run"

        # Who is about to begin, once the flash is awake, is not idle.
        shown = Signal.like(phase)
        m.d.comb += shown.eq(phase)
        with m.If(begin):
            m.d.comb += shown.eq(StandaloneState.PREPARING)
        m.d.comb += [
            self.note.eq(Cat(shown, Const(0, _EPOCH_AT - len(shown)), epoch)),
            self.running.eq(
                (phase == StandaloneState.TRAINING) | (phase == StandaloneState.TESTING)
            ),
            self.failed.eq(phase == StandaloneState.NO_IMAGE),
        ]
        return m


def _tau_table(params: Params) -> list[tuple[int, ...]]:
    """Flip thresholds of each epoch, up to the last in which they differ from the one before."""
    learning = params.learning
    table = [learning.tau_in_epoch(epoch) for epoch in range(params.standalone.epochs)]
    while len(table) > 1 and table[-1] == table[-2]:
        table.pop()
    return table
