"""The sample in hand and the next one: bytes in, windows of input bits out."""

from typing import cast

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
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
    - with a ``local`` one rows of the image are in ``load_rows`` row registers, which move down by
      ``stride`` rows at once, and a position is selected behind them; the rows that come next are
      fetched meanwhile, one per cycle;
    - with ``machine.serial_windows`` the columns of a window are selected from one row per cycle
      and pushed into a register that holds nothing but a window; ``x`` is a copy, taken when it
      is complete, so that the next window is fetched while this one is looked at.

    With pooling a position is looked at several times, at ``pool_lanes`` of its windows each time
    (with serial windows: at those that are inside of the image only), and *position* in what
    follows reads *look*; but row registers move down with the last look of a row of positions.

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
      low for ``window`` cycles, from t + 1 on; pooled ones are not skipped, but sought;
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

        With pooling only:

        first, last : ``Out(1)``
            The look is its position's first or last.
        offset : ``Out(OffsetLayout)``
            Of its first window.
        there : ``Out(pool_lanes)``
            Which windows of ``x`` are inside of the image; like ``x``. Not with serial windows,
            where all are.
        picks : ``In(1)``, pick : ``In(OffsetLayout)``
            Look at this window instead, and those that belong to the same look; ``next`` goes to
            the next position whatever the look. Not while samples are driven.
        seek : ``In(1)``
            With serial windows, which with ``picks`` change by this alone: fetch the window
            ``pick`` of the position. ``ready`` is low for ``window`` cycles.
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
        """Cycles without ``ready`` after ``restart``: the rows that it takes."""
        return self._params.load_rows

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
        elif params.machine.serial_windows and params.first_layer.pooled:
            self._fetch_pooled_windows(m, read_port, read_bank, released, restarted)
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
        columns, pooled = params.grid[1], params.first_layer.pooled

        # Rows move down by a whole stride. What moves in is fetched before: the memory's output
        # register holds ``row``, the last of a stride, and ``spare`` those before it. Behind the
        # last row it reads on; that is never looked at.
        rows = [Signal(params.sample_word_bits, name=f"row{r}") for r in range(height)]
        spare = [Signal(params.sample_word_bits, name=f"spare{r}") for r in range(stride - 1)]
        chain = [*rows, *spare, read_port.data]
        loads = ceil_div(height, stride)
        row = Signal(range(params.sample_words))
        # Pooled windows begin above the image: what is read for that is never looked at either.
        top = -params.first_layer.most_back[0] % (1 << len(row))
        fetch = Mux(restarted, top, row + 1)[: len(row)]
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
        moves = self.windows.next
        if pooled:
            look, last_look = self._looks(m, at_hand, restarted)
            moves = self.windows.next & (last_look | self.windows.picks)
        m.d.comb += new_line.eq(moves & (column == columns - 1))
        with m.If(at_hand & moves):
            m.d.sync += column.eq(column + 1)
        if params.machine.overlap:
            m.d.comb += new_line.eq(self.windows.line | moves & (column == columns - 1))
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
                column.eq(0), row.eq(top), running.eq(1), self.windows.ready.eq(0),
                missing.eq(loads),
                filled.eq(loads * stride - height),
            ]  # fmt: skip
        with m.If(released):
            m.d.sync += [running.eq(0), self.windows.ready.eq(0)]

        lanes = params.machine.row_lanes
        if pooled:
            line = Signal(range(params.grid[0]))
            with m.If(restarted):
                m.d.sync += line.eq(0)
            with m.Elif(at_hand & new_line):
                m.d.sync += line.eq(line + 1)
            windows, there = self._pooled_windows(m, rows, line, column, look)
            with m.If(at_hand):
                m.d.sync += self.windows.there.eq(there)
                with m.Switch(self.windows.chunk):
                    for c in range(params.synapses(0).chunks):
                        with m.Case(c):
                            m.d.sync += self.windows.x.eq(Cat(
                                _padded(window[c * lanes : (c + 1) * lanes], lanes)
                                for window in windows
                            ))  # fmt: skip
            return
        window = Signal(params.fan_in)
        m.d.comb += window.eq(Cat(self._select(row, column) for row in rows))
        with m.If(self.en & self.windows.ready), m.Switch(self.windows.chunk):
            for c in range(params.synapses(0).chunks):
                with m.Case(c):
                    m.d.sync += self.windows.x.eq(window[c * lanes : (c + 1) * lanes])

    def _looks(self, m, at_hand, restarted):
        """Count the looks at a position; return where this one is, and whether it is the last."""
        windows, first = self.windows, self._params.first_layer
        lanes = self._params.machine.pool_lanes
        last_down = first.pool[0] - 1 if lanes < first.offsets else 0
        last_across = first.pool[1] - 1 if lanes == 1 else 0
        at, look = Signal.like(windows.offset, name="at"), Signal.like(windows.offset, name="look")
        ends_row, last_look = at.across == last_across, Signal()
        m.d.comb += [
            last_look.eq(ends_row & (at.down == last_down)),
            look.eq(Mux(windows.picks, windows.pick.as_value(), at.as_value())),
            windows.first.eq(at.as_value() == 0),
            windows.last.eq(last_look),
            windows.offset.eq(at),
        ]
        with m.If(at_hand & windows.next & ~windows.picks):
            m.d.sync += at.across.eq(Mux(ends_row, 0, at.across + 1))
            with m.If(ends_row):
                m.d.sync += at.down.eq(Mux(last_look, 0, at.down + 1))
        with m.If(restarted):
            m.d.sync += at.eq(0)
        return look, last_look

    def _pooled_windows(self, m, rows, line, column, look):
        """Return the windows of a look, and a bit for each that is inside of the image."""
        first, lanes = cast(Windows, self._params.first_layer), self._params.machine.pool_lanes
        (height, width), planes = first.kernel, first.planes
        down, across = first.pool
        strip = [Signal((width + across - 1) * planes, name=f"strip{r}") for r in range(len(rows))]
        m.d.comb += [
            here.eq(self._select(_bordered(row, first), column, width + across - 1))
            for here, row in zip(strip, rows, strict=True)
        ]
        # Of each offset, the rows and columns of positions where it is inside.
        inside = [
            [
                _place(Const(sum((o in r) << i for i, r in enumerate(ranges)), len(ranges)), at)
                for o in range(moves)
            ]
            for ranges, moves, at in zip(
                first.moves_inside, first.pool, (line, column), strict=True
            )
        ]
        windows, there = [], []
        for lane in range(lanes):
            # What a lane does not fix, the look says.
            d = lane // across if lanes == first.offsets else None
            a = lane % across if lanes > 1 else None
            tall = [
                _one(strip[r : r + down], look.down) if d is None else strip[d + r]
                for r in range(height)
            ]
            cut = [
                Cat(row[i * planes : (i + width) * planes] for row in tall) for i in range(across)
            ]
            window = Signal(self._params.fan_in, name=f"window{lane}")
            m.d.comb += window.eq(_one(cut, look.across) if a is None else cut[a])
            windows.append(window)
            fits = _one(inside[0], look.down) if d is None else inside[0][d]
            fits_across = _one(inside[1], look.across) if a is None else inside[1][a]
            there.append(fits & fits_across)
        return windows, Cat(there)

    def _fetch_windows(self, m, read_port, bank, released, restarted):
        """Local, serial: windows are fetched row by row, one ahead of the position."""
        params = self._params
        height, columns = params.load_rows, params.grid[1]

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

        self._assemble(m, self._select(read_port.data, column), push, take, missing)

    def _fetch_pooled_windows(self, m, read_port, bank, released, restarted):
        """Local, serial, pooled: the windows of a position one after the other, as far as inside.

        While windows are picked, the place is that of the position, and each is sought.
        """
        first, windows, en = self._params.first_layer, self.windows, self.en
        height = self._params.load_rows

        # As with windows that are not pooled; but none is skipped.
        running, loaded = Signal(), Signal()
        left = Signal(range(height + 1))
        complete, take, seek = Signal(), Signal(), Signal()
        m.d.comb += [
            complete.eq(running & (left == 0)),
            windows.ready.eq(complete | (running & loaded)),
            take.eq(en & complete & ~loaded),
            seek.eq(en & running & windows.seek),
        ]
        with m.If(take):
            m.d.sync += loaded.eq(1)
        with m.If(en & windows.next & ~windows.picks | seek):
            m.d.sync += loaded.eq(0)
        missing = Mux(take, height, left)
        push = en & running & (missing != 0) & ~seek
        with m.If(push):
            m.d.sync += left.eq(missing - 1)
        with m.If(seek):
            m.d.sync += left.eq(height)

        # The window whose rows are pushed next.
        layout = data.StructLayout({
            "line": range(first.grid[0]), "column": range(first.grid[1]),
            **{name: field.shape for name, field in windows.offset.shape()},
        })  # fmt: skip
        place = Signal(layout, name="place")
        following = self._following(m, place)

        # The memory's output register always holds the next row to push, of the window whose
        # columns begin at ``column``.
        row = Signal(range(self._params.sample_words))
        column = Signal(range(first.image[1] - first.kernel[1] + 1))
        turn = seek | (missing == 1)
        tops, lefts = (
            [i * step for i in range(places)]
            for places, step in zip(first.grid, first.stride, strict=True)
        )
        top = _of(tops, following["line"]) + following["down"] - first.most_back[0]
        left_edge = _of(lefts, following["column"]) + following["across"] - first.most_back[1]
        fetch = Mux(restarted, 0, Mux(turn, top, row + 1))[: len(row)]
        m.d.comb += [
            read_port.addr.eq(Cat(fetch, bank)),
            read_port.en.eq(restarted | push | seek),
        ]
        with m.If(push | seek):
            m.d.sync += row.eq(fetch)
            with m.If(turn):
                m.d.sync += column.eq(left_edge)
        with m.If(push & turn & ~windows.picks):
            m.d.sync += [place[name].eq(value) for name, value in following.items()]
        with m.Elif(en & windows.next & windows.picks):
            ends_column = place.column == first.grid[1] - 1
            m.d.sync += place.column.eq(Mux(ends_column, 0, place.column + 1))
            with m.If(ends_column):
                m.d.sync += place.line.eq(place.line + 1)
        with m.If(restarted):
            m.d.sync += [
                row.eq(0), column.eq(0), left.eq(height), loaded.eq(0), running.eq(1), place.eq(0),
                place.down.eq(first.moves_inside[0][0][0]),
                place.across.eq(first.moves_inside[1][0][0]),
            ]  # fmt: skip
        with m.If(released):
            m.d.sync += running.eq(0)

        self._mark_looks(m, place, push & turn, take, loaded)
        part = _shifted(read_port.data, column, first.planes, first.kernel[1] * first.planes)
        self._assemble(m, part, push, take, missing)

    def _following(self, m, place):
        """Return the window behind that of ``place``: a signal for each field.

        (Simulators of Verilog would see a loop in one signal whose fields follow from each other.)
        """
        first, windows = self._params.first_layer, self.windows
        line, column, down, across = (
            Signal(place.shape()[name].shape, name=f"following_{name}")
            for name in ("line", "column", "down", "across")
        )
        (least_down, _), (least_across, _) = _ends(first)
        ends_column = place.column == first.grid[1] - 1
        ends_down, ends_across = _at_ends(first, place)
        m.d.comb += [
            line.eq(place.line),
            column.eq(place.column),
            down.eq(place.down),
            across.eq(_of(least_across, column)),
        ]
        with m.If(windows.picks):
            m.d.comb += [down.eq(windows.pick.down), across.eq(windows.pick.across)]
        with m.Elif(~ends_across):
            m.d.comb += across.eq(place.across + 1)
        with m.Elif(~ends_down):
            m.d.comb += down.eq(place.down + 1)
        with m.Else():
            m.d.comb += [
                column.eq(Mux(ends_column, 0, place.column + 1)),
                line.eq(Mux(ends_column, place.line + 1, place.line)),
                down.eq(_of(least_down, line)),
            ]
        return {"line": line, "column": column, "down": down, "across": across}

    def _mark_looks(self, m, place, completed, take, loaded):
        """Say which look the complete window is of, and the one that was taken to ``x``."""
        first, windows = self._params.first_layer, self.windows
        (least_down, _), (least_across, _) = _ends(first)
        ends_down, ends_across = _at_ends(first, place)
        marks = data.StructLayout({"first": 1, "last": 1, "offset": windows.offset.shape()})
        done, shown = Signal(marks, name="done"), Signal(marks, name="shown")
        with m.If(completed):
            begins = place.across == _of(least_across, place.column)
            m.d.sync += [
                done.first.eq(begins & (place.down == _of(least_down, place.line))),
                done.last.eq(ends_across & ends_down),
                done.offset.down.eq(place.down),
                done.offset.across.eq(place.across),
            ]
        with m.If(take):
            m.d.sync += shown.eq(done)
        m.d.comb += Cat(windows.first, windows.last, windows.offset.as_value()).eq(
            Mux(loaded, shown.as_value(), done.as_value())
        )

    def _assemble(self, m, part, push, take, missing):
        """Push parts of rows into the window, and take it to ``x``."""
        params, height = self._params, self._params.load_rows
        # The tree's output counts the row that was pushed last, ``earlier`` those before it.
        window, count = Signal(params.fan_in), PopcountTree(len(part), levels_per_register=16)
        m.submodules.count = count
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

    def _select(self, row, column, pixels=None):
        """Return the window's columns of a row of the image, or so many columns from its first.

        A shifter, one stage for each bit of the column: each stage keeps only what the later ones
        can reach. Behind row registers on ECP5 that takes 27% (local-small) to 61%
        (local-large-wide) fewer tables in all than one multiplexer per window bit.
        """
        first, planes = cast(Windows, self._params.first_layer), self._params.planes
        width, step = (pixels or first.kernel[1]) * planes, first.stride[1] * planes
        return _shifted(row, column, step, width)


def _shifted(row, places, step, width):
    """Return ``width`` bits of a row, from ``places`` times ``step`` on."""
    for bit in reversed(range(len(places))):
        row = Mux(places[bit], row[step << bit :], row)[: width + ((1 << bit) - 1) * step]
    return row[:width]


def _of(table, index):
    """Look up a constant; there may be but one."""
    return Array(table)[index] if len(set(table)) > 1 else Const(table[0])


def _ends(first):
    """Return the least and the greatest move inside, down for each line, across for each column."""
    return [[[moves[at] for moves in way] for at in (0, -1)] for way in first.moves_inside]


def _at_ends(first, place):
    """Whether a window is the last of its position in each direction, down and across."""
    (_, most_down), (_, most_across) = _ends(first)
    return (
        place.down == _of(most_down, place.line),
        place.across == _of(most_across, place.column),
    )


def _bordered(row, first):
    """Add pixels beyond the image's left and right border, as far as pooled windows reach."""
    back = first.most_back[1]
    ahead = first.pool[1] - 1 - back
    return Cat(Const(0, back * first.planes), row, Const(0, ahead * first.planes))


def _one(values, index):
    """Select one of some values; there may be but one."""
    return Array(values)[index] if len(values) > 1 else values[0]


def _place(bits, at):
    """Select a bit of a constant; there may be but one."""
    return bits.bit_select(at, 1) if len(bits) > 1 else bits[0]


def _padded(bits, width):
    """Add zeros up to so many bits."""
    return Cat(bits, Const(0, width - len(bits)))
