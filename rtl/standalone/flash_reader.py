"""The data set in an SPI flash: a sample's number in, its bytes out.

pins <- FlashCommands <- requests
pins -> ByteReceiver -> ImageHead; RecordReader -> samples
"""

from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from popflip.golden.description.params import Params
from popflip.rtl.interface import StoreSignature
from popflip.rtl.standalone.byte_receiver import ByteReceiver
from popflip.rtl.standalone.flash_commands import FlashCommands, FlashSignature
from popflip.rtl.standalone.image_head import ImageHead
from popflip.rtl.standalone.records import RecordReader

__all__ = ["FlashReader"]

#: Bytes of records that wait for those before them: zeros that were left out take time again.
_QUEUED = 64


class FlashReader(wiring.Component):
    """Read samples from a flash that holds an image of a data set.

    Its layout is that of :mod:`popflip.golden.description.flash_image`.

    After the start the flash is woken from deep power-down, where some FPGAs leave it, and the
    head of the image is read. Then each request is one fast-read command: instruction 0Bh, 3Bh for
    dual or 6Bh for quad output, three bytes of address, one of waiting, and the sample's bytes. 6Bh
    wants the flash's quad-enable bit set, which many parts have set for good; the reader does not
    set it (``popflip flash --with-data`` does).
    Clock mode 0: data are put on the lines while the clock is low, and taken before it falls.

    A request is taken, with the address, one cycle for each bit of the number of bytes of a sample
    in the flash after it was offered. The command takes ``40 * divider`` cycles, each byte ``8 /
    lines * divider`` while ``store.data`` is not stalled; else the clock stands still. Of a record
    no more is read than it says, and 64 bytes may wait in a queue. What a sample takes in all is
    :func:`popflip.golden.description.flash_image.flash_cycles`.

    Parameters
    ----------
    params : Params
        With a flash.

    Members
    -------
    store : ``In(StoreSignature())``
        Requests and samples. Nothing is accepted before ``ready``.
    flash : ``Out(FlashSignature())``
        Pins.
    ready : ``Out(1)``
        The head of the image has been read.
    found : ``Out(1)``
        It is one, for such samples. Else ``train`` and ``test`` mean nothing, but requests are
        answered, with whatever is there.
    train, test : ``Out(order_bits + 1)``
        Samples of either kind.
    """

    def __init__(self, params: Params):
        if not params.standalone.lines:
            raise ValueError(
                f"standalone.flash must be single, dual or quad, not {params.standalone.flash}"
            )
        self._params = params
        super().__init__({
            "store": In(StoreSignature()),
            "flash": Out(FlashSignature()),
            "ready": Out(1),
            "found": Out(1),
            "train": Out(params.standalone.order_bits + 1),
            "test": Out(params.standalone.order_bits + 1),
        })

    def elaborate(self, platform):
        m = Module()
        p, standalone = self._params, self._params.standalone
        m.submodules.commands = commands = FlashCommands(p)
        m.submodules.receiver = receiver = ByteReceiver(standalone.lines, standalone.flash_delay)
        m.submodules.head = head = ImageHead(p)
        connect(m, flipped(self.store.request), commands.request)
        connect(m, commands.flash, flipped(self.flash))

        # Bytes that there is still room for behind the lines.
        room_for = _QUEUED if standalone.record_bytes else 2
        credit = Signal(range(room_for + 1), init=room_for)
        taken, dropped, gone = Signal(), Signal(), Signal()
        byte, held = receiver.byte, receiver.held
        m.d.sync += credit.eq(credit + dropped + gone - commands.started)
        m.d.comb += [
            commands.ready.eq(self.ready),
            commands.room.eq((credit != 0) | gone),
            receiver.sampled.eq(commands.sampled),
            receiver.completed.eq(commands.completed),
            receiver.i.eq(self.flash.i),
            receiver.taken.eq(taken),
            # The head of the image stays there, samples go on.
            head.byte.eq(byte),
            head.held.eq(held),
            self.ready.eq(head.ready),
            self.found.eq(head.found),
            self.train.eq(head.train),
            self.test.eq(head.test),
        ]
        if standalone.record_bytes:
            self._expand_records(m, commands, receiver, taken, dropped, gone)
        else:
            m.d.comb += [
                self.store.data.payload.eq(byte),
                self.store.data.valid.eq(held & self.ready),
                taken.eq(held & (self.store.data.ready | ~self.ready)),
                gone.eq(taken),
            ]
        return m

    def _expand_records(self, m, commands, receiver, taken, dropped, gone):
        """Turn records into samples.

        The first byte of a record tells how many follow, which shortens what is left to read. It is
        here long before even the shortest record ends.
        """
        byte, held = receiver.byte, receiver.held
        at_length = Signal()
        with m.If(self.store.request.valid & self.store.request.ready):
            m.d.sync += at_length.eq(1)
        length = held & self.ready & at_length
        with m.If(length):
            m.d.sync += at_length.eq(0)
        m.submodules.queue = queue = fifo.SyncFIFO(width=8, depth=_QUEUED)
        m.submodules.records = records = RecordReader(self._params)
        m.d.comb += [
            commands.shorten.eq(length),
            commands.length.eq(byte),
            taken.eq(held),
            queue.w_data.eq(byte),
            queue.w_en.eq(held & self.ready & ~at_length),
            records.i.payload.eq(queue.r_data),
            records.i.valid.eq(queue.r_rdy),
            queue.r_en.eq(records.i.ready),
            dropped.eq(held & ~queue.w_en),
            gone.eq(queue.r_rdy & queue.r_en),
        ]
        connect(m, records.o, flipped(self.store.data))
