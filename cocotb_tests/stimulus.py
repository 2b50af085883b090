"""Stimuli of a host with a machine, over the pins of its serial line."""

import numpy as np
from cobs import cobs

from popflip.boards.host.frames import decode_frame, encode_frame
from popflip.cocotb_tests.cosim import train_steps
from popflip.cocotb_tests.simulators import Design, play
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import (
    MAX_PAYLOAD,
    READ,
    RUN,
    WRITE,
    RunFlags,
    Status,
    Verb,
)

__all__ = ["Stimulus"]


class Stimulus:
    """Requests in the order in which they are sent, and what becomes of them.

    Parameters
    ----------
    params : Params

    Attributes
    ----------
    steps : list
        Of the bench ``tb_top``.
    expected : list
        For each of its results ``(status, sequence)`` of a frame, None for silence, or ``"asked"``.
    """

    def __init__(self, params: Params):
        self.params, self.expected, self.sequence = params, [], 0
        self.steps: list = [("params", params)]
        self._regions = params.regions

    def frame(self, verb, payload=b""):
        """Encode the next request, without sending it."""
        self.sequence = self.sequence % 255 + 1
        return encode_frame(self.sequence, verb, payload)

    def ask(self, data, status=Status.OK, sequence=None):
        """Send bytes and expect an answer; return its number."""
        self.steps.append(("ask", data))
        self.expected.append((status, self.sequence if sequence is None else sequence))
        return len(self.expected) - 1

    def request(self, verb, payload=b"", status=Status.OK):
        """Send a request and expect a status; return the number of the answer."""
        return self.ask(self.frame(verb, payload), status)

    def read(self, name, count=None):
        """Read a region, or its first ``count`` words; return the numbers of the answers."""
        region, answers = self._regions[name], []
        depth = region.depth if count is None else count
        most = MAX_PAYLOAD // region.word_bytes
        for start in range(0, depth, most):
            n = min(most, depth - start)
            answers.append(self.request(Verb.READ, READ.pack(region.index, start, n)))
        return answers

    def write(self, name, address, words):
        """Write words of a region, in as many requests as it takes."""
        region = self._regions[name]
        most = (MAX_PAYLOAD - WRITE.size) // region.word_bytes
        for start in range(0, len(words), most):
            head = WRITE.pack(region.index, address + start)
            self.request(Verb.WRITE, head + words[start : start + most].tobytes())

    def set(self, **values):
        """Write registers."""
        for name, value in values.items():
            word = np.frombuffer(value.to_bytes(4, "little"), np.uint8)
            self.write("registers", self.params.registers[name].index, word[None])

    def train(self, model, x, labels, *, internal=True, train=True, stop=0, first=0):
        """Load a model, train it on samples, and read all back.

        Parameters
        ----------
        model : Model
        x, labels : ndarray
            As many samples as there are slots, unless they come from a store.
        internal : bool
            Whether they come from the slots.
        train : bool
            Otherwise they are only predicted.
        stop : int
            Bits' time after the answer to the request until the run is stopped; 0 for never.
        first : int
            Number of the first sample in the store, or of its slot.

        Returns
        -------
        list of (Region, list of int)
            What is read, in the order of :func:`popflip.cocotb_tests.cosim.train_steps`, with the
            numbers of the answers.
        """
        reads = []
        for what, *arguments in train_steps(model, x, labels, internal=internal)[1:]:
            if what == "write" and arguments[0] == "samples":
                self._fill_slots(arguments[2], first)
            elif what == "write":
                self.write(*arguments)
            elif what == "samples":
                [packed] = arguments
                self.steps.append(("samples", packed, first))
            elif what == "run":
                flags = RunFlags.TRAIN * train | RunFlags.INTERNAL * internal
                flags |= RunFlags.FLUSH * train
                self.request(Verb.RUN, RUN.pack(flags, first, len(x)))
                if stop:
                    self.silence(stop)
                    self.request(Verb.STOP)
                self.wait()
            else:
                name, start, count = arguments
                assert start == 0
                reads.append((self._regions[name], self.read(name, count)))
        return reads

    def _fill_slots(self, packed, first):
        """Write packed samples to the slots from one on; behind the last slot is the first."""
        room = (self.params.machine.sample_slots - first) * self.params.sample_bytes
        for address, part in (
            (first * self.params.sample_bytes, packed[:room]),
            (0, packed[room:]),
        ):
            self.write("samples", address, part)

    @staticmethod
    def words(answers, reads):
        """Put the words together that :meth:`train` has read."""
        return [
            np.frombuffer(b"".join(answers[i] for i in numbers), np.uint8).reshape(
                -1, region.word_bytes
            )
            for region, numbers in reads
        ]

    def silence(self, bits=200):
        """Wait for so many bits' time, and expect nothing."""
        self.steps.append(("silence", bits))
        self.expected.append(None)

    def wait(self):
        """Ask for the status until the machine is not busy."""
        self.steps.append(("wait", self.frame(Verb.STATUS)))
        self.expected.append("asked")

    def play(
        self, design: Design, *, seconds: float = 240, counts: list[str] | None = None
    ) -> list:
        """Return the payloads of all answers; those that are not expected fail.

        Parameters
        ----------
        design : Design
            A machine with the ports of the generated top.
        seconds : float
            Wall-clock time that it may take.
        counts : list of str, optional
            As for :func:`popflip.cocotb_tests.simulators.play`.
        """
        return self.payloads(play(design, "tb_top", self.steps, seconds=seconds, counts=counts))

    def payloads(self, results: list) -> list:
        """Return the payloads of all answers; those that are not expected fail.

        Parameters
        ----------
        results : list
            Of the bench.
        """
        payloads = []
        for number, (result, expected) in enumerate(zip(results, self.expected, strict=True)):
            if expected is None:
                assert result == b"", f"answer {number}"
                payloads.append(None)
            elif expected == "asked":
                assert result >= 1
                payloads.append(result)
            else:
                frame = decode_frame(result)
                status, sequence = expected
                assert Status(frame.kind) == status, f"answer {number}"
                assert frame.sequence == sequence, f"answer {number}"
                # Some answers could be encoded in another way, too.
                assert cobs.encode(cobs.decode(result)) == result, f"answer {number}"
                payloads.append(frame.payload)
        return payloads
