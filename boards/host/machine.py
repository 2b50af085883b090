"""A board as a machine that trains: the golden trainer's loop, over the host link."""

import numpy as np

from popflip.boards.host.link import Link, LinkError
from popflip.boards.host.transport import Transport
from popflip.boards.virtual.board import VirtualBoard
from popflip.golden.cycles.stages import StageCycles
from popflip.golden.description.layout import RESULTS
from popflip.golden.description.packing import (
    latents_from_bytes,
    latents_to_bytes,
    pack_samples,
    weights_from_bytes,
    weights_to_bytes,
)
from popflip.golden.description.params import Params
from popflip.golden.description.registers import StandaloneState
from popflip.golden.model import Report
from popflip.golden.plasticity import flip
from popflip.golden.support.cache import cache_folder, key_of, text_entry
from popflip.golden.support.errors import InputError
from popflip.golden.training.machine import CHUNK
from popflip.golden.training.state import NetworkState
from popflip.rtl.identity import identity, source_digest
from popflip.rtl.verilog import generate

__all__ = ["BoardMachine", "cached_verilog", "stop_standalone", "virtual_board", "virtual_machine"]


#: Seconds of the board's time that it has to come to rest, and for each sample of a run before.
#: Hardware takes less than a millisecond for a sample; a virtual board behind a serial port, on a
#: busy machine, up to a second.
_REST_S = 60.0
_SAMPLE_S = 5.0


class BoardMachine:
    """A board, real or virtual, behind the host link.

    Samples come from the board's store if the transport has one (the virtual board does, unless it
    has a flash), else over the link, a few at a time. A board in standalone training is stopped.

    Parameters
    ----------
    params : Params
        Of the design that the board runs.
    transport : Transport
        Stays the caller's, who closes it.

    Raises
    ------
    LinkError
        If there is no answer, or the board runs another design.
    """

    chunk = CHUNK

    def __init__(self, params: Params, transport: Transport):
        self.params = params
        self.transport = transport
        self.link = Link(transport, params)
        self.link.resync()
        found, wanted = self.link.identify().bitstream, identity(params)
        if found != wanted:
            raise LinkError(
                f"the board runs design {found.hex()}, not {wanted.hex()}: build and flash this "
                "design, or name the preset that the board was built with"
            )
        self._store = None
        if isinstance(transport, VirtualBoard) and transport.has_store:
            self._store = transport.store
        self._samples = np.zeros((0, params.sample_bytes), np.uint8)
        if params.standalone.lines:
            stop_standalone(self.link, params, transport)
        self._write("options", int(params.learning.reset_on_flip))

    def write_state(self, state: NetworkState) -> None:
        """Write weights and latents to the board, where a new batch begins.

        Flip thresholds stay as they are.
        """
        regions = self.params.regions
        for layer in range(self.params.depth):
            shape = self.params.synapses(layer)
            weights = weights_to_bytes(shape, state.weights[layer])
            self.link.write(regions.weights(layer), 0, weights)
            if not self.params.machine.training:
                continue
            if state.latents[layer].any():
                latents = latents_to_bytes(shape, state.latents[layer])
                self.link.write(regions.latents(layer), 0, latents)
            else:
                self.link.fill(regions.latents(layer), 0, shape.latent_depth, 0)
        self._write("seed", state.sign_state)
        # Forgets a batch that an earlier session left half done.
        self._write("batch", self.params.learning.batch)

    def read_state(self) -> NetworkState:
        """Read weights and latents from the board."""
        weights, latents, regions = [], [], self.params.regions
        for layer in range(self.params.depth):
            shape = self.params.synapses(layer)
            weights.append(weights_from_bytes(shape, self.link.read(regions.weights(layer))))
            if self.params.machine.training:
                latents.append(latents_from_bytes(shape, self.link.read(regions.latents(layer))))
            else:
                latents.append(np.zeros((shape.rows, shape.row_bits), np.int16))
        return NetworkState(weights, latents, self.registers()["seed"])

    def set_tau(self, tau: tuple[int, ...]) -> None:
        """Set the flip thresholds."""
        for layer, count in enumerate(tau):
            self._write(self.params.registers.tau(layer).name, count)

    def configure(self, *, batch: int, tau: tuple[int, ...], reset_on_flip: bool) -> None:
        """Set what the parameters say otherwise; a new batch begins.

        Parameters
        ----------
        batch : int
            Samples between flips.
        tau : tuple of int
            Flip thresholds.
        reset_on_flip : bool
        """
        self._write("batch", batch)
        self._write("options", int(reset_on_flip))
        self.set_tau(tau)

    def load(self, x: np.ndarray, labels: np.ndarray) -> None:
        """Take the samples that later calls speak of."""
        self._samples = pack_samples(self.params, x, labels)
        if self._store:
            self._store(self._samples)

    def train(self, first: int, count: int, flush: bool) -> Report:
        """Learn from ``count`` samples."""
        self._check_trains()
        if not count:
            return self._end_batch() if flush else self._nothing()
        return self._run(first, count, train=True, flush=flush)

    def learn(self, first: int, count: int, flush: bool) -> tuple[Report, np.ndarray]:
        """Learn from ``count`` samples; also return what each was taken for."""
        self._check_trains()
        if not count:
            return self.train(first, 0, flush), np.zeros(0, np.int64)
        return self._predicted(first, count, train=True, flush=flush)

    def infer(self, first: int, count: int) -> tuple[Report, np.ndarray]:
        """Predict ``count`` samples."""
        return self._predicted(first, count, train=False, flush=False)

    def registers(self) -> dict[str, int]:
        """Read all registers; the two words of a long counter make one value."""
        words = self.link.read("registers").view("<u4")[:, 0].tolist()
        return self.params.registers.decode(words)

    def _check_trains(self):
        if not self.params.machine.training:
            raise InputError("machine.training must be true to train on a board, not false")

    def _nothing(self) -> Report:
        return Report(flips=[0] * self.params.depth)

    def _predicted(self, first, count, *, train, flush) -> tuple[Report, np.ndarray]:
        """Run samples, no more at a time than the board keeps predictions of."""
        total = self._nothing()
        predictions: list[int] = []
        for start in range(first, first + count, RESULTS):
            n = min(RESULTS, first + count - start)
            last = start + n == first + count
            total += self._run(start, n, train=train, flush=flush and last, keep=predictions)
        return total, np.array(predictions, np.int64)

    def _end_batch(self) -> Report:
        """Flip what is due of a batch that is not full, as the board does where a run ends so.

        A run needs a sample; so the host flips, and the board begins a new batch.
        """
        values, registers, total = self.registers(), self.params.registers, self._nothing()
        if not values["pending"]:
            return total
        state, reset = self.read_state(), bool(values["options"] & 1)
        for layer in range(self.params.depth):
            state.weights[layer], state.latents[layer], total.flips[layer] = flip(
                state.weights[layer], state.latents[layer],
                values[registers.tau(layer).name], reset,
            )  # fmt: skip
        self.write_state(state)
        return total

    def _run(self, first, count, *, train, flush, keep=None) -> Report:
        """Run samples and return what the counters say of them."""
        if first < 0 or first + count > len(self._samples):
            raise InputError(
                f"samples must lie in 0 to {len(self._samples) - 1}, which are loaded, "
                f"not {count} from {first} on"
            )
        self._write("clear", 1)
        if self._store:
            self._run_to_end(first, count, train=train, internal=False, flush=flush)
            if keep is not None:
                keep += self.link.read("results", 0, count)[:, 0].tolist()
        else:
            slots = self.params.machine.sample_slots
            for start in range(first, first + count, slots):
                n = min(slots, first + count - start)
                part = self._samples[start : start + n]
                self.link.write("samples", 0, part.reshape(-1, 1))
                last = flush and start + n == first + count
                self._run_to_end(0, n, train=train, internal=True, flush=last)
                if keep is not None:
                    keep += self.link.read("results", 0, n)[:, 0].tolist()
        values, registers = self.registers(), self.params.registers
        cycles = {stage: values[f"cycles_{stage}"] for stage in StageCycles._fields}
        return Report(
            values["samples"],
            values["correct"],
            values["changed"],
            [values[registers.flips(layer).name] for layer in range(self.params.depth)],
            cycles | {"total": sum(cycles.values())},
        )

    def _run_to_end(self, first, count, **flags):
        self.link.run(first=first, count=count, **flags)
        try:
            self._await_rest(_SAMPLE_S * count)
        except KeyboardInterrupt:
            # The next session should not find the board at work.
            self.link.stop()
            raise

    def _await_rest(self, seconds: float):
        end = self.transport.now() + _REST_S + seconds
        while self.link.status().busy:
            _check_time(self.transport, end)
            self.transport.idle(0.0002)

    def _write(self, register, value):
        data = np.array([[value]], "<u4").view(np.uint8)
        self.link.write("registers", self.params.registers[register].index, data)


def _check_time(transport: Transport, end: float) -> None:
    if transport.now() > end:
        what = transport.title or "the board"
        raise LinkError(f"{what} answers, but does not stop: reset it, or flash it again")


def stop_standalone(link: Link, params: Params, transport: Transport) -> None:
    """Have a board in standalone training stop, and wait until it is at rest."""
    link.stop()
    register = params.registers["standalone"]
    at_rest = (StandaloneState.IDLE, StandaloneState.DONE, StandaloneState.NO_IMAGE)

    def state():
        word = int.from_bytes(link.read("registers", register.index, 1).tobytes(), "little")
        return register["state"].get(word)

    end = transport.now() + _REST_S
    while link.status().busy or state() not in at_rest:
        _check_time(transport, end)
        transport.idle(0.0002)


def virtual_board(params: Params, image: bytes = b"", *, resettable: bool = False) -> VirtualBoard:
    """Build the virtual board of a design, or take it from the cache, and configure it.

    Parameters
    ----------
    params : Params
    image : bytes
        Of a data set (:mod:`popflip.golden.description.flash_image`), for a board with a flash.
    resettable : bool
        As for :class:`~popflip.boards.virtual.board.VirtualBoard`.

    Raises
    ------
    popflip.boards.tools.ToolError
        If the tools to build it are missing; names all of them.
    """
    standalone = params.standalone
    return VirtualBoard(
        cached_verilog(params),
        divisor=params.machine.uart_divisor,
        sample_bytes=params.sample_bytes,
        flash_delay=standalone.flash_delay if standalone.lines else None,
        flash=b"\xff" * standalone.flash_base + image if image else b"",
        resettable=resettable,
    )


def virtual_machine(params: Params) -> BoardMachine:
    """Build the virtual board of a design, or take it from the cache, and connect to it.

    Raises
    ------
    popflip.boards.tools.ToolError
        If the tools to build it are missing; names all of them.
    """
    board = virtual_board(params)
    try:
        return BoardMachine(params, board)
    except BaseException:
        board.close()
        raise


def cached_verilog(params: Params, bus: str = "uart", name: str = "top") -> str:
    """Generate the Verilog of a design, or take it from the cache.

    Generating takes longer than starting a compiled model, so the text is kept too.

    Parameters
    ----------
    params, bus, name
        As for :func:`popflip.rtl.verilog.generate`.
    """
    # How Verilog is written follows from the sources, not from the netlist behind the identity.
    key = key_of(source_digest(), params.digest, bus, name)
    return text_entry(cache_folder() / "verilog" / key, lambda: generate(params, bus, name))
