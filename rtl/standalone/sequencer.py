"""Training without a host: the part of the machine that says what to do next.

Its place among the others::

    flash <- FlashReader <- SampleOrder <- core                      samples
                  |             |
                counts   StandaloneSequencer -> RequestArbiter -> RequestExecutor -> core, UART

:mod:`popflip.golden.training.standalone` says what is drawn and in which order; the golden model
draws the same.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.golden.description.protocol import Verb
from popflip.golden.description.registers import REGISTER_BITS, StandaloneState
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.random_bits import RandomBits
from popflip.rtl.standalone.requests import InternalRequestSignature
from popflip.rtl.standalone.sample_order import SampleOrder
from popflip.rtl.standalone.settings import Settings

__all__ = ["StandaloneSequencer"]

#: Bits of weights that are drawn at once: a byte.
_DRAWN_BITS = 8


class StandaloneSequencer(wiring.Component):
    """Train for ``standalone.epochs`` epochs, test after each, and report both.

    All it does is to make internal requests, and to stand between the core and the flash
    (:class:`~popflip.rtl.standalone.sample_order.SampleOrder`).

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
    requests : ``Out(InternalRequestSignature())``
        What the machine is to do.
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
            "requests": Out(InternalRequestSignature()),
            "busy": In(1),
            "core": In(StoreSignature()),
            "flash": Out(StoreSignature()),
            "ready": In(1),
            "found": In(1),
            "train": In(params.standalone.order_bits + 1),
            "test": In(params.standalone.order_bits + 1),
            "note": Out(REGISTER_BITS),
            "running": Out(1),
            "failed": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        p, standalone = self._params, self._params.standalone
        m.submodules.samples = samples = SampleOrder(p)
        most = max(standalone.order_bits, samples.shift_bits, _DRAWN_BITS)
        m.submodules.random = random = RandomBits(standalone.state, most)
        m.submodules.settings = settings = Settings(p)
        connect(m, flipped(self.core), samples.core)
        connect(m, samples.flash, flipped(self.flash))
        steps = _Steps(self, p, samples, random, settings)
        steps.draw_bits(m)
        steps.choose_words(m)
        steps.choose_run(m)
        steps.listen(m)
        with m.FSM():
            steps.rest(m)
            steps.prepare(m)
            steps.train_or_test(m)
            steps.report(m)
        steps.tell(m)
        return m


class _Steps:
    """The sequencer's states, by what they are for, and the signals that they share."""

    def __init__(self, port, params, samples, random, settings):
        self.port, self.params = port, params
        self.requests = port.requests
        self.samples, self.random, self.settings = samples, random, settings
        self.first_region = params.regions.weights(0).index
        self.last_region = params.regions.latents(params.depth - 1).index

        self.epoch = Signal(range(params.standalone.epochs + 1))
        self.phase = Signal(StandaloneState)
        self.testing = Signal()
        # The region that is written while the initial network is prepared.
        self.preparing = Signal()
        self.region = Signal.like(self.requests.region)
        self.words = Signal.like(self.requests.count)
        self.begin_epoch = Signal()
        self.begin = Signal(init=params.standalone.autostart)
        self.halted = Signal()

    @property
    def latents(self):
        """Whether the region holds latents, which begin at 0, not weights."""
        return (self.region - self.first_region)[0]

    def draw_bits(self, m):
        """Say who uses how many random bits; only one does at a time."""
        samples, random = self.samples, self.random
        weights = self.requests.take & self.preparing & ~self.latents
        bits = self.params.standalone.order_bits
        m.d.comb += [
            samples.train.eq(self.port.train),
            samples.begin.eq(self.begin_epoch),
            samples.random.eq(random.bits),
            samples.still.eq(random.still),
            random.draw.eq(self.begin_epoch | samples.drawn | weights),
            random.count.eq(
                Mux(self.begin_epoch, bits, Mux(self.preparing, _DRAWN_BITS, samples.shift_bits))
            ),
        ]

    def choose_words(self, m):
        """Say what is written: random weights and latents of 0, or settings."""
        requests, settings, preparing = self.requests, self.settings, self.preparing
        with m.Switch(self.region):
            for region in self.params.regions[self.first_region :]:
                with m.Case(region.index):
                    m.d.comb += self.words.eq(region.depth)
        initial = Mux(self.latents, 0, self.random.bits[:_DRAWN_BITS])
        m.d.comb += [
            settings.epoch.eq(self.epoch),
            settings.advance.eq(requests.take & ~preparing),
            requests.has_byte.eq(self.random.still),
            requests.byte.eq(Mux(preparing, initial, settings.byte)),
            requests.region.eq(Mux(preparing, self.region, self.params.regions["registers"].index)),
        ]

    def choose_run(self, m):
        """Say what is run: the training samples, or the test samples behind them."""
        run, port, testing = self.requests.run, self.port, self.testing
        m.d.comb += [
            run.train.eq(~testing),
            run.flush.eq(1),
            run.first.eq(Mux(testing, port.train, 0)),
            run.count.eq(Mux(testing, port.test, port.train)),
        ]

    def listen(self, m):
        """Remember that the training was started, or stopped."""
        with m.If(self.port.start):
            m.d.sync += self.begin.eq(1)
        with m.If(self.port.stop):
            m.d.sync += [self.begin.eq(0), self.halted.eq(1)]

    def ask(self, m, verb, address=0, words=0):
        """Offer a request.

        A host's STOP cannot come while one is executed: what is offered can be taken back.
        """
        m.d.comb += [
            self.requests.valid.eq(~self.halted),
            self.requests.verb.eq(verb),
            self.requests.address.eq(address),
            self.requests.count.eq(words),
        ]
        with m.If(self.halted):
            m.d.sync += self.phase.eq(StandaloneState.IDLE)
            m.next = "Rest"

    def rest(self, m):
        """Wait until the training is started and the flash has been looked at."""
        port, phase = self.port, self.phase
        with m.State("Rest"):
            m.d.comb += self.random.restart.eq(1)
            m.d.sync += [
                self.halted.eq(0),
                self.testing.eq(0),
                self.region.eq(self.first_region),
            ]
            with m.If(self.begin & port.ready & ~port.busy):
                m.d.sync += [
                    self.begin.eq(0),
                    self.epoch.eq(0),
                    phase.eq(StandaloneState.PREPARING),
                ]
                m.next = "Prepare"
                with m.If(~port.found):
                    m.d.sync += phase.eq(StandaloneState.NO_IMAGE)
                    m.next = "Rest"

    def prepare(self, m):
        """Write the initial network, and before each epoch the settings."""
        requests, settings = self.requests, self.settings
        with m.State("Prepare"):
            m.d.comb += [self.preparing.eq(1), settings.begin.eq(1)]
            self.ask(m, Verb.WRITE, 0, self.words)
            with m.If(requests.done):
                m.d.sync += self.region.eq(self.region + 1)
                with m.If(self.region == self.last_region):
                    m.next = "Set"

        with m.State("Set"):
            whole = self.epoch == 0
            self.ask(
                m,
                Verb.WRITE,
                Mux(whole, 0, settings.clear),
                Mux(whole, settings.end, settings.end - settings.clear),
            )
            with m.If(requests.done):
                m.d.sync += self.phase.eq(StandaloneState.TRAINING)
                m.next = "Draw key"

    def train_or_test(self, m):
        """Run over the training samples in a new order, or over the test samples in theirs."""
        requests, settings = self.requests, self.settings
        with m.State("Draw key"):
            with m.If(self.random.still):
                m.d.comb += self.begin_epoch.eq(1)
                m.next = "Run"

        with m.State("Run"):
            m.d.comb += self.samples.shuffling.eq(~self.testing)
            self.ask(m, Verb.RUN)
            with m.If(requests.done):
                m.next = "Running"

        with m.State("Running"):
            m.d.comb += [
                self.samples.shuffling.eq(~self.testing),
                settings.begin.eq(1),
                settings.first.eq(settings.clear),
            ]
            with m.If(~self.port.busy):
                m.next = "Report"

    def report(self, m):
        """Report all registers; then test, or go on to the next epoch."""
        requests, settings = self.requests, self.settings
        with m.State("Report"):
            self.ask(m, Verb.READ, 0, len(self.params.registers))
            with m.If(requests.done):
                m.d.sync += self.testing.eq(~self.testing)
                m.next = "Clear"
                with m.If(self.testing):
                    m.d.sync += self.epoch.eq(self.epoch + 1)
                    m.next = "Set"
                    with m.If(self.epoch == self.params.standalone.epochs - 1):
                        m.d.sync += self.phase.eq(StandaloneState.DONE)
                        m.next = "Rest"

        with m.State("Clear"):
            self.ask(m, Verb.WRITE, settings.clear, 1)
            with m.If(requests.done):
                m.d.sync += self.phase.eq(StandaloneState.TESTING)
                m.next = "Run"

    def tell(self, m):
        """Show what the machine does."""
        port, phase, shown = self.port, self.phase, Signal(StandaloneState)
        epochs = self.params.registers["standalone"]["epochs"]
        # Who is about to begin, once the flash is awake, is not idle.
        m.d.comb += shown.eq(phase)
        with m.If(self.begin):
            m.d.comb += shown.eq(StandaloneState.PREPARING)
        m.d.comb += [
            port.note.eq(Cat(shown, Const(0, epochs.low - len(shown)), self.epoch)),
            port.running.eq(
                (phase == StandaloneState.TRAINING) | (phase == StandaloneState.TESTING)
            ),
            port.failed.eq(phase == StandaloneState.NO_IMAGE),
        ]
