"""Attacks on the host's end of the link.

The host's code (:mod:`popflip.boards.host.link`) speaks with a line on which good answers come
behind damaged ones. What has to come of each byte :class:`.link_model.LinkModel` says.
"""

import random
from collections.abc import Callable

from popflip.boards.host.frames import Frame, FrameError, decode_frame, encode_frame
from popflip.boards.host.link import Link, LinkError
from popflip.boards.host.transport import Transport
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import MAX_PAYLOAD, Status
from popflip.scripts.campaigns.attack.frame_damage import damage
from popflip.scripts.campaigns.attack.groups import (
    GROUP,
    TARGET,
    Found,
    Outcome,
    attack_groups,
    expect,
)
from popflip.scripts.campaigns.attack.link_model import LinkModel, Verdict, open_frame, pieces

__all__ = ["attack_host"]


class _HostileLine(Transport):
    """A line on which a model answers, behind whatever else is drawn.

    Attributes
    ----------
    spoil : callable, optional
        Gets the next answer, and returns what comes instead; the one after it comes alone.
    endless : bytes
        If not empty, what comes without end.
    deaf : bool
        Nothing is answered.
    requests : int
        Requests that came.
    """

    def __init__(self, model: LinkModel):
        self._model, self._in = model, b""
        self.requests = 0
        self.spoil: Callable[[bytes, int], bytes] | None = None
        self.endless = b""
        self.deaf = False
        self._now = 0.0

    def write(self, data: bytes) -> None:
        for piece in pieces(data):
            self.requests += 1
            if self.deaf:
                continue
            verdict = self._model.execute(piece)
            answer = encode_frame(verdict.sequence, verdict.status, verdict.payload or b"")
            spoil, self.spoil = self.spoil, None
            self._in += spoil(answer, verdict.sequence) if spoil else answer

    def read(self, timeout: float) -> bytes:
        data, self._in = self._in or self.endless, b""
        self._now += 0.0 if data else timeout
        return data

    def idle(self, seconds: float) -> None:
        self._now += seconds

    def now(self) -> float:
        return self._now

    def close(self) -> None:
        pass


class _HostAttack:
    """Groups of damaged answers in front of good ones."""

    def __init__(self, params: Params, seed: int, outcome: Outcome):
        self._seed, self._outcome = seed, outcome
        self._model = LinkModel(params)
        rng = random.Random(seed)
        self._regions = [r for r in self._model.regions if r.name not in ("registers", "results")]
        for region in self._regions:
            words = [rng.getrandbits(region.width) for _ in range(region.depth)]
            self._model.memory[region.name] = words
        self._line = _HostileLine(self._model)
        self._params = params
        self.begin()

    def begin(self) -> None:
        """Have another host come."""
        self._line.deaf, self._line.endless, self._line.spoil = False, b"", None
        self._line.read(0)
        self._link = Link(self._line, self._params, timeout=1.0, retries=1)
        self._other = encode_frame(1, Status.OK, bytes(range(40)))

    def group(self, number: int) -> None:
        rng = random.Random(f"{self._seed}-{number}")
        region = rng.choice(self._regions)
        most = rng.choices([16, 260, MAX_PAYLOAD], [85, 12, 3])[0] // region.word_bytes
        count = rng.randint(1, max(1, min(most, region.depth)))
        address = rng.randint(0, region.depth - count)
        truth = self._model.bytes_of(region.name, address, count)
        if truth is None:  # across words that there are not
            return
        line, asked = b"", 0

        def spoil(answer: bytes, sequence: int) -> bytes:
            nonlocal line, asked
            asked = sequence
            for _ in range(GROUP):
                if rng.random() < 0.05:
                    # Whole frames, but late ones.
                    kind, spoiled = "late", encode_frame((sequence + 7) % 256, rng.randrange(10))
                else:
                    kind, spoiled = damage(rng, answer, self._other)
                self._outcome.kinds[kind] += 1
                line += spoiled
            line += answer
            self._other = answer
            return line

        plight = rng.random()
        if plight < 0.01:
            # The board falls silent, or babbles for ever: the host gives up, and asks again later.
            self._line.deaf, self._line.endless = True, b"" if plight < 0.005 else b"\x05abc\0" * 50
            try:
                self._link.read(region, address, count)
            except LinkError:
                self._outcome.answers["given up"] += 1
            else:
                raise Found("an answer came from nowhere")
            self._line.deaf, self._line.endless = False, b""
        requests, reports = self._line.requests, len(self._link.reports)
        self._line.spoil = spoil
        self._outcome.frames += GROUP
        try:
            got = self._link.read(region, address, count).tobytes()
        except LinkError as error:
            got = str(error).encode()
        for piece in pieces(line):
            self._same_decoding(piece)
        opened = [f for f in map(open_frame, pieces(line)) if not isinstance(f, Verdict)]
        at = next((at for at, frame in enumerate(opened) if frame[0] == asked), None)
        mine = None if at is None else opened[at][1:]
        if mine not in (None, (Status.OK, truth)):
            # One in 2**16 has the right CRC by chance, and nobody can tell.
            self._outcome.answers["passed the CRC"] += 1
            self.begin()
            return
        again = self._line.requests - requests > 1
        self._outcome.answers["asked again" if again else "found behind damage"] += 1
        # What is behind its answer, which may have come doubled, it does not look at yet.
        told = sum(frame[:2] == (0, Status.REPORT) for frame in opened[:at])
        expect(got == truth, f"READ of {region.name} brought {got[:80]!r}, not its words")
        expect(again == (mine is None), "a request was sent again that had its answer")
        expect(len(self._link.reports) - reports == told, "a report came from nowhere")
        self._link.resync()
        self._link.reports.clear()

    def _same_decoding(self, piece: bytes) -> None:
        wanted = open_frame(piece)
        try:
            got: Frame | None = decode_frame(piece)
        except FrameError:
            got = None
        right = got is None if isinstance(wanted, Verdict) else got == wanted
        self._outcome.answers["frames refused" if got is None else "frames whole"] += 1
        expect(right, f"{piece.hex()} was decoded as {got}, not {wanted}")


def attack_host(
    frames: int,
    seed: int,
    *,
    params: Params = TARGET,
    only: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Attack the host's end of the link.

    Every request is answered behind a group of damaged answers. The host has to find the good one,
    or to ask again, and must take nothing else; each piece is decoded besides, by the host's codec
    and by that of the model.

    Parameters
    ----------
    frames : int
        Damaged frames, at least.
    seed : int
    params : Params
    only : int, optional
        The one group to send.
    on_progress : callable, optional
        Gets the frames so far, after each group.
    """
    outcome = Outcome()
    attack = _HostAttack(params, seed, outcome)
    return attack_groups(outcome, attack.group, frames, only, on_progress, attack.begin)
