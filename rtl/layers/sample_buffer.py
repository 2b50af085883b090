"""The sample in hand and the next one: bytes in, windows of input bits out."""

from typing import cast

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from popflip.golden.description.first_layer import Windows
from popflip.golden.description.params import Params
from popflip.golden.support.integers import ceil_div
from popflip.rtl.layers.ports import WindowSignature, windows_turn
from popflip.rtl.layers.synapses import hint
from popflip.rtl.primitives.popcount import PopcountTree

__all__ = ["SampleBuffer"]


class SampleBuffer(wiring.Component):
    """Hold two samples, one being scanned while the other arrives.

    **Write side.** A sample is the bytes of
    :func:`popflip.golden.description.packing.pack_samples`. One byte is accepted per cycle;
    ``i.ready`` is low only while both banks hold samples that are not released, and rises in the
    cycle after ``release``. A sample is complete (``full``, if it is the older one) in the cycle
    after its label was accepted.

    **Read side.** Positions of the window are visited row by row. There are three ways:

    - with a ``dense`` first layer the whole image is the only position, and its words are read
      from the memory as they are asked for;
    - with a ``local`` one rows of the image are in ``window`` row registers, which move down by
      ``stride`` rows at once, and a position is selected behind them; the rows that come next are
      fetched meanwhile, one per cycle;
    - with ``machine.serial_windows`` the columns of a window are selected from one row per cycle
      and pushed into a register that holds nothing but a window; ``x`` is a copy, taken when it
      is complete, so that the next window is fetched while this one is looked at.

    Where *cycle* is one with ``en`` high:

    - after ``restart`` in cycle t, ``ready`` is low for :attr:`load_cycles` cycles, from t + 1 on,
      then high at the first position;
    - after ``next`` in cycle t, the next position is in place in t + 1. But row registers move
      down, at the end of a row of positions, no sooner than ``stride`` cycles after they did so
      before, or after the last cycle of the load: ``ready`` is low from t + 1 on until they have;
      and serial windows keep it low until ``window`` cycles after the cycle in which it rose for
      the position before;
    - ``next`` while ``ready`` is low does nothing; but with serial windows it skips the position
      that is being fetched, in one cycle: if the last of such pulses is in cycle t, ``ready`` is
      low for ``window`` cycles, from t + 1 on;
    - ``next`` at the last position is the end of the scan: ``ready`` and ``x`` mean nothing until
      ``restart``;
    - ``chunk`` of cycle t, with ``ready`` high, gives ``x`` in t + 1, from the position of cycle t
      even if ``next``, ``restart`` or ``release`` comes in t. With serial windows ``x`` holds
      until a cycle after the next one in which ``ready`` rises for another position.

    So a scan that looks at each position for ``n`` cycles takes ``load_cycles + positions * n +
    (grid rows - 1) * max(0, stride - columns * n)`` of them, or with serial windows ``load_cycles +
    (positions - 1) * max(n, window) + n``.

    Pulses with ``en`` low are ignored, except ``release``, which always counts: hold it for one
    clock cycle only. ``release`` drops ``ready`` from the next cycle on and ends a load. In the
    next cycle ``full`` and ``label`` speak of the other bank and ``restart`` works; ``restart`` in
    the same cycle as ``release``, or without ``full``, is ignored. ``restart`` is otherwise
    welcome at any time, as often as needed.

    Parameters
    ----------
    params : Params

    Members
    -------
    i : ``In(stream.Signature(8))``
        Bytes of samples.
    last : ``Out(1)``
        The next byte is the label, the last of its sample.
    en : ``In(1)``
        Advances the read side; while it is low ``ready``, ``x`` and the position hold.
    full : ``Out(1)``
        The current bank holds a whole sample.
    label : ``Out(8)``
        Its label, if ``full``.
    release : ``In(1)``
        The sample is done with; the other bank becomes the current one.
    windows : ``In(WindowSignature)``
        The read side:

        restart : ``In(1)``
            Go to the first position.
        next : ``In(1)``
            Go to the next position.
        ready : ``Out(1)``
            The window of the position is at hand.
        chunk : ``In(range(chunks))``
            Which ``row_lanes`` bits of the window to show, of ``chunks =
            params.synapses(0).chunks``.
        x : ``Out(row_lanes)``
            Those bits: window bit ``(row * window + column) * planes + plane``, pixels row by row.
            Bits behind the last are 0 (for a ``dense`` layer: the padding of the sample itself).
            Holds while ``ready`` or ``en`` is low.
        ones : ``Out(range(fan_in + 1))``
            With serial windows only: how many bits of ``x`` are 1.
        jump : ``In(1)``, column : ``In(range(columns))``
            With ``machine.overlap`` only: go to that position of the same row of positions, which
            is in place in the next cycle.
        line : ``In(1)``
            With ``machine.overlap`` only: go to the next row of positions.
    turn : ``In(1)``
        With serial windows and a shared update engine only: ``x`` goes round by ``latent_lanes``
        bits towards bit 0, zeros behind it up to a multiple of these; after as many pulses as a row
        has steps it is in place again. Not in a cycle in which ``x`` is taken.
    """

    def __init__(self, params: Params):
        if not isinstance(params, Params):
            raise TypeError(f"params must be Params, not {params!r}")
        self._params = params
        members = {
            "i": In(stream.Signature(8)),
            "last": Out(1),
            "en": In(1),
            "full": Out(1),
            "label": Out(8),
            "release": In(1),
            "windows": In(WindowSignature(params)),
        }
        if windows_turn(params):
            members["turn"] = In(1)
        super().__init__(members)

    @property
    def load_cycles(self) -> int:
        """Cycles without ``ready`` after ``restart``: ``window``, or 0 for a dense layer."""
        return self._params.first_layer.load_rows

    def elaborate(self, platform):
        m = Module()
        params = self._params
        words = params.sample_words

        # A bank has a power of two words, so that an address is a bank and a word side by side.
        # Only a bank that is not being written is ever read: the ports never meet at an address.
        # Rows of an image are written byte by byte. The words of a dense layer would take more
        # block RAM that way, which has fewer bits in the width that it writes bytes in.
        index_bits, word_bytes = ceil_log2(words), ceil_div(params.sample_word_bits, 8)
        by_bytes = params.first_layer.windowed
        word_bits = 8 * word_bytes if by_bytes else params.sample_word_bits
        m.submodules.memory = memory = Memory(
            shape=unsigned(word_bits), depth=2 << index_bits, init=[], attrs=hint(2 << index_bits)
        )
        write_port = memory.write_port(granularity=8 if by_bytes else None)
        read_port = memory.read_port()

        # Which bank is written, which is read, and what they hold. Banks take turns, so the one
        # to be written holds an unread sample only if both do.
        write_bank = Signal()
        read_bank = Signal()
        stored = Signal(2)
        word = Signal(range(words + 1))
        at_label = word == words
        labels = Array(Signal(8, name=f"label{bank}") for bank in range(2))
        m.d.comb += [
            self.last.eq(at_label),
            self.i.ready.eq(~stored.bit_select(write_bank, 1)),
            self.full.eq(stored.bit_select(read_bank, 1)),
            self.label.eq(labels[read_bank]),
        ]

        # Bytes of a word that is written whole enter at the top; the last goes to the memory
        # together with the others.
        earlier = Signal(8 * (word_bytes - 1))
        byte = Signal(range(word_bytes))
        m.d.comb += [
            write_port.addr.eq(Cat(word[:index_bits], write_bank)),
            write_port.data.eq(
                self.i.payload.replicate(word_bytes) if by_bytes else Cat(earlier, self.i.payload)
            ),
        ]
        with m.If(self.i.valid & self.i.ready):
            with m.If(at_label):
                m.d.sync += [
                    labels[write_bank].eq(self.i.payload),
                    stored.bit_select(write_bank, 1).eq(1),
                    write_bank.eq(~write_bank),
                    word.eq(0),
                ]
            with m.Else():
                if by_bytes:
                    m.d.comb += write_port.en.eq(1 << byte)
                else:
                    m.d.sync += earlier.eq(Cat(earlier, self.i.payload)[8:])
                    m.d.comb += write_port.en.eq(byte == word_bytes - 1)
                with m.If(byte == word_bytes - 1):
                    m.d.sync += [byte.eq(0), word.eq(word + 1)]
                with m.Else():
                    m.d.sync += byte.eq(byte + 1)

        released = self.release & self.full
        with m.If(released):
            m.d.sync += [stored.bit_select(read_bank, 1).eq(0), read_bank.eq(~read_bank)]

        # Of both at once, ``released`` wins: it is applied last below.
        restarted = self.en & self.windows.restart & self.full
        if not params.first_layer.windowed:
            self._read_chunks(m, read_port, read_bank, released, restarted)
        elif params.machine.serial_windows:
            self._fetch_windows(m, read_port, read_bank, released, restarted)
        else:
            self._scan_windows(m, read_port, read_bank, released, restarted)
        return m

    def _read_chunks(self, m, read_port, bank, released, restarted):
        """Dense: the words of the sample are the chunks."""
        m.d.comb += [
            read_port.addr.eq(Cat(self.windows.chunk[: len(read_port.addr) - 1], bank)),
            read_port.en.eq(self.en & self.windows.ready),
            self.windows.x.eq(read_port.data),
        ]
        with m.If(restarted):
            m.d.sync += self.windows.ready.eq(1)
        with m.If(released):
            m.d.sync += self.windows.ready.eq(0)

    def _scan_windows(self, m, read_port, bank, released, restarted):
        """Local: row registers; the position in a row and the chunk are selected behind them."""
        params = self._params
        height, stride = params.first_layer.load_rows, params.first_layer.step_rows
        columns = params.grid[1]

        # Rows move down by a whole stride. What moves in is fetched before: the memory's output
        # register holds ``row``, the last of a stride, and ``spare`` those before it. Behind the
        # last row it reads on; that is never looked at.
        rows = [Signal(params.sample_word_bits, name=f"row{r}") for r in range(height)]
        spare = [Signal(params.sample_word_bits, name=f"spare{r}") for r in range(stride - 1)]
        chain = [*rows, *spare, read_port.data]
        loads = ceil_div(height, stride)
        row = Signal(range(params.sample_words))
        fetch = Mux(restarted, 0, row + 1)[: len(row)]
        running, filled = Signal(), Signal(range(stride))
        missing = Signal(range(loads + 1))  # moves until the position is in place
        complete, new_line, move, push = Signal(), Signal(), Signal(), Signal()
        at_hand = self.en & self.windows.ready
        m.d.comb += [
            complete.eq(self.en & running & (filled == stride - 1)),
            move.eq(complete & ((missing != 0) | (at_hand & new_line))),
            push.eq(self.en & running & ~(filled == stride - 1)),
            read_port.addr.eq(Cat(fetch, bank)),
            read_port.en.eq(restarted | push | move),
        ]
        with m.If(push | move):
            m.d.sync += row.eq(fetch)
        with m.If(push):
            m.d.sync += filled.eq(filled + 1)
            for held, newer in zip(spare, chain[height + 1 :], strict=True):
                m.d.sync += held.eq(newer)

        column = Signal(range(columns))
        m.d.comb += new_line.eq(self.windows.next & (column == columns - 1))
        with m.If(at_hand & self.windows.next):
            m.d.sync += column.eq(column + 1)
        if params.machine.overlap:
            m.d.comb += new_line.eq(self.windows.line | self.windows.next & (column == columns - 1))
            with m.If(self.en & self.windows.jump):
                m.d.sync += column.eq(self.windows.column)
        with m.If(at_hand & new_line):
            m.d.sync += column.eq(0)
            with m.If(~complete):
                m.d.sync += [missing.eq(1), self.windows.ready.eq(0)]
        with m.If(move):
            m.d.sync += filled.eq(0)
            for held, newer in zip(rows, chain[stride:], strict=False):
                m.d.sync += held.eq(newer)
            with m.If(missing != 0):
                m.d.sync += missing.eq(missing - 1)
            with m.If(missing == 1):
                m.d.sync += self.windows.ready.eq(1)

        with m.If(restarted):
            # The first move brings what the window has beyond whole strides.
            m.d.sync += [
                column.eq(0), row.eq(0), running.eq(1), self.windows.ready.eq(0), missing.eq(loads),
                filled.eq(loads * stride - height),
            ]  # fmt: skip
        with m.If(released):
            m.d.sync += [running.eq(0), self.windows.ready.eq(0)]

        window = Signal(params.fan_in)
        m.d.comb += window.eq(Cat(self._select(row, column) for row in rows))
        lanes = params.machine.row_lanes
        with m.If(self.en & self.windows.ready), m.Switch(self.windows.chunk):
            for c in range(params.synapses(0).chunks):
                with m.Case(c):
                    m.d.sync += self.windows.x.eq(window[c * lanes : (c + 1) * lanes])

    def _fetch_windows(self, m, read_port, bank, released, restarted):
        """Local, serial: windows are fetched row by row, one ahead of the position."""
        params = self._params
        height, columns = params.first_layer.load_rows, params.grid[1]

        # ``x`` holds the window of the position (``loaded``), or ``window`` is or becomes it. Once
        # it is copied to ``x``, ``window`` is free for the next.
        running, loaded = Signal(), Signal()
        left = Signal(range(height + 1))  # Rows that ``window`` lacks.
        complete, take, skip = Signal(), Signal(), Signal()
        m.d.comb += [
            complete.eq(running & (left == 0)),
            self.windows.ready.eq(complete | (running & loaded)),
            take.eq(self.en & complete & ~loaded),
            skip.eq(self.en & running & (left != 0) & ~loaded & self.windows.next),
        ]
        with m.If(take):
            m.d.sync += loaded.eq(1)
        with m.If(self.en & self.windows.next):
            m.d.sync += loaded.eq(0)

        # Row 0 of the next window follows in the very cycle of the copy.
        missing = Mux(take, height, left)
        push = self.en & running & (missing != 0) & ~skip
        with m.If(push):
            m.d.sync += left.eq(missing - 1)
        with m.If(skip):
            m.d.sync += left.eq(height)

        # The memory's output register always holds the next row to push: ``row``, of the window
        # whose rows begin at ``top`` and whose columns are ``column``'s. Behind the last window it
        # reads on; that is never looked at.
        row, top = (Signal(range(params.sample_words), name=n) for n in ("row", "top"))
        column = Signal(range(columns))
        turn = skip | (missing == 1)
        last_column = column == columns - 1
        next_top = (top + Mux(last_column, params.first_layer.step_rows, 0))[: len(top)]
        fetch = Mux(restarted, 0, Mux(turn, next_top, row + 1))[: len(row)]
        m.d.comb += [
            read_port.addr.eq(Cat(fetch, bank)),
            read_port.en.eq(restarted | push | skip),
        ]
        with m.If(push | skip):
            m.d.sync += row.eq(fetch)
            with m.If(turn):
                m.d.sync += [column.eq(Mux(last_column, 0, column + 1)), top.eq(next_top)]
        with m.If(restarted):
            m.d.sync += [
                row.eq(0), top.eq(0), column.eq(0), left.eq(height), loaded.eq(0), running.eq(1),
            ]  # fmt: skip
        with m.If(released):
            m.d.sync += running.eq(0)

        # The tree's output counts the row that was pushed last, ``earlier`` those before it.
        window, part = Signal(params.fan_in), self._select(read_port.data, column)
        m.submodules.count = count = PopcountTree(len(part), levels_per_register=16)
        m.d.comb += [count.en.eq(push), count.i.eq(part)]
        earlier, ones = Signal.like(self.windows.ones), Signal.like(self.windows.ones)
        m.d.comb += ones.eq(earlier + count.o)
        with m.If(push):
            m.d.sync += [
                window.eq(Cat(window, part)[len(part) :]),
                earlier.eq(Mux(missing == height, 0, ones)),
            ]
        x = self.windows.x
        if params.machine.shared_update:
            # What follows in the ring shares a look-up table with the window that is taken.
            shape = params.synapses(0)
            x = Signal(shape.steps * shape.latent_lanes, name="ring")
            m.d.comb += self.windows.x.eq(x)
            with m.If(self.turn):
                m.d.sync += x.eq(x.rotate_right(shape.latent_lanes))
        with m.If(take):
            m.d.sync += [x.eq(window), self.windows.ones.eq(ones)]

    def _select(self, row, column):
        """Return the window's columns of a row of the image.

        A shifter, one stage for each bit of the column: each stage keeps only what the later ones
        can reach. Behind row registers on ECP5 that takes 27% (local-small) to 61%
        (local-large-wide) fewer tables in all than one multiplexer per window bit.
        """
        first, planes = cast(Windows, self._params.first_layer), self._params.planes
        width, step = first.kernel[1] * planes, first.stride[1] * planes
        for bit in reversed(range(len(column))):
            row = Mux(column[bit], row[step << bit :], row)[: width + ((1 << bit) - 1) * step]
        return row[:width]
