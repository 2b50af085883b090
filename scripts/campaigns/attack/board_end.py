"""Attacks on the board's end of the link: the RTL, as a virtual board.

Hosts of all kinds speak with the board, and all of its memories are compared between the groups.
What has to come of each byte :class:`.link_model.LinkModel` says.
"""

import random
from collections.abc import Callable

import numpy as np

from popflip.boards.host.frames import decode_frame, encode_frame
from popflip.boards.host.link import Link
from popflip.boards.host.machine import virtual_board
from popflip.golden.description.packing import latents_to_bytes, pack_samples, weights_to_bytes
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import FILL, MAX_PAYLOAD, READ, RUN, WRITE, Status, Verb
from popflip.golden.training.machine import GoldenMachine
from popflip.golden.training.state import NetworkState
from popflip.rtl.identity import identity
from popflip.scripts.campaigns.attack.frame_damage import damage
from popflip.scripts.campaigns.attack.groups import (
    GROUP,
    TARGET,
    Found,
    Outcome,
    attack_groups,
    expect,
)
from popflip.scripts.campaigns.attack.link_model import WHOLE, LinkModel, pieces

__all__ = ["attack_board"]

#: Cycles of silence after which a board has nothing more to say.
_QUIET = 4_000

#: Samples in the board's store.
_SAMPLES = 4096


class _Siege:
    """A virtual board, what has to be in its memories, and hosts that come and go."""

    def __init__(self, params: Params, seed: int, outcome: Outcome):
        self._params, self._seed, self._outcome = params, seed, outcome
        self.board = virtual_board(params, resettable=True)
        self._identity = identity(params)
        self._model = LinkModel(params, self._identity)
        self._registers = params.registers
        rng = np.random.default_rng(seed)
        self._x = rng.random((_SAMPLES, params.n_in)) < 0.4
        self._labels = rng.integers(0, params.network.classes, _SAMPLES)
        self.board.store(pack_samples(params, self._x, self._labels))
        self._old = [encode_frame(1, Verb.STATUS)]
        self._sequence = 0
        self.begin()

    def begin(self) -> None:
        """Reset the board, have a host come, and write everything."""
        self.board.reset()
        self._model.reset()
        self._new_host()
        self._write_network(random.Random(self._seed))
        self._check()

    def _new_host(self) -> None:
        cycle = 1 / self.board.clock_hz
        self._link = Link(
            self.board, self._params, timeout=20 * _QUIET * cycle, retries=0, quiet=_QUIET * cycle
        )
        # What the host before it said may still be on its way: silence would not yet mean an end,
        # and a request behind it may come while that is answered, when nobody listens.
        self.board.idle(10 * self._params.machine.uart_divisor * self.board.queued * cycle)
        self._link.resync()
        expect(self._link.identify().bitstream == self._identity, "it says that it is another")

    # What is sent ---------------------------------------------------------------------------

    def _next(self) -> int:
        self._sequence = self._sequence % 255 + 1
        return self._sequence

    def _good(self, rng: random.Random) -> bytes:
        """Draw a request that a board at rest does."""
        verb = rng.choice([Verb.READ, Verb.WRITE, Verb.WRITE, Verb.FILL, Verb.STATUS, Verb.STOP])
        payload = b""
        if verb in (Verb.READ, Verb.WRITE, Verb.FILL):
            region = rng.choice(self._model.regions)
            most = rng.choices([16, 260, MAX_PAYLOAD - WRITE.size], [85, 12, 3])[0]
            count = rng.randint(1, max(1, min(most // region.word_bytes, region.depth)))
            address = rng.randint(0, region.depth - count)
            if region.name == "registers" and verb != Verb.READ:
                return self._setting(rng)
            if verb == Verb.READ:
                payload = READ.pack(region.index, address, count)
            elif verb == Verb.WRITE:
                words = rng.randbytes(count * region.word_bytes)
                payload = WRITE.pack(region.index, address) + words
            else:
                word = rng.randbytes(region.word_bytes)
                payload = FILL.pack(region.index, address, count) + word
        return encode_frame(self._next(), verb, payload)

    def _setting(self, rng: random.Random) -> bytes:
        address = rng.choice(list(self._model.settings))
        word = rng.randrange(1, 1 << 32).to_bytes(4, "little")
        return encode_frame(self._next(), Verb.WRITE, WRITE.pack(0, address) + word)

    def _lie(self, rng: random.Random) -> bytes:
        """Draw a request with a valid CRC whose fields may be anything."""
        edges = [0, 1, 255, 256, 1024, 65535, 1 << 16, (1 << 24) - 1, 1 << 24, (1 << 32) - 1]
        edges += [r.depth + d for r in self._model.regions for d in (-1, 0, 1)]
        verb = rng.choice([*Verb, rng.randrange(256)])
        index = rng.choice([rng.randrange(len(self._model.regions)), rng.randrange(256)])
        flags, first, count = rng.randrange(256), rng.choice(edges), rng.choice(edges)
        words = rng.randbytes(rng.choice([0, 1, 2, 3, 4, 6, 9, 40, MAX_PAYLOAD - FILL.size]))
        if verb == Verb.READ:
            payload = READ.pack(index, first, count % 65536) + words[: rng.choice([0, 0, 0, 1])]
        elif verb == Verb.WRITE:
            payload = WRITE.pack(index, first) + words
        elif verb == Verb.FILL:
            payload = FILL.pack(index, first, count) + words
        elif verb == Verb.RUN:
            payload = RUN.pack(flags, first, count)
        else:
            payload = words
        if rng.random() < 0.1:
            payload = payload[: rng.randint(0, len(payload))]
        return encode_frame(self._next(), verb, payload)

    def _draw(self, rng: random.Random) -> tuple[str, bytes]:
        """Draw a frame to attack with; none that starts a run."""
        while True:
            chance = rng.random()
            if chance < 0.7:
                kind, line = damage(rng, self._good(rng), rng.choice(self._old))
            elif chance < 0.85:
                kind, line = "a lie", self._lie(rng)
            elif chance < 0.9:
                kind, line = "replayed", rng.choice(self._old)
            else:
                kind, line = "good", self._good(rng)
                self._old = [*self._old[-20:], line]
            verdicts = [self._model.judge(piece) for piece in pieces(line)]
            if not any(v.verb == Verb.RUN and v.status == Status.OK for v in verdicts):
                if kind != "good":
                    self._outcome.frames += 1
                self._outcome.kinds[kind] += 1
                return kind, line

    # What comes of it -----------------------------------------------------------------------

    def _listen(self) -> bytes:
        """Let time pass until nobody says anything any more."""
        heard, busy = b"", True
        while busy:
            busy = self.board.queued > 0
            chunk = self.board.read(_QUIET / self.board.clock_hz)
            heard += chunk
            busy |= bool(chunk)
        return heard

    def _send(self, line: bytes, busy: bool = False) -> None:
        """Send a line to a board at rest, and see that each answer is one that it has to give.

        An answer is that to a piece, and those to later pieces come later. Whatever is answered
        with OK is done, and nothing else. Of pieces without an answer, the board has begun to
        receive them during an earlier request.
        """
        before = self._link.status()
        self.board.write(b"\0" + line + b"\0")
        answers = [decode_frame(piece) for piece in pieces(self._listen())]
        sent = pieces(line)
        waiting = iter(sent)
        for answer in answers:
            for piece in waiting:
                verdict = self._model.judge(piece, busy)
                if verdict[:2] == answer[:2]:
                    break
            else:
                raise Found(f"{answer} answers nothing in {line.hex()}")
            verdict = self._model.execute(piece, busy)
            self._outcome.answers[f"{verdict.status.name}"] += 1
            if verdict.payload is not None:
                expect(answer.payload == verdict.payload, f"{answer} brings other words")
        self._outcome.answers["none"] += len(sent) - len(answers)
        whole = [a for a in answers if a.kind in WHOLE]
        judged = [self._model.judge(piece, busy) for piece in sent]
        first = next((v for v in judged if v.status in WHOLE), None)
        if first is not None:
            # Damage in front of it does not keep it from being heard.
            heard = bool(whole) and whole[0][:2] == first[:2]
            expect(heard, f"{first} was not the first answer to whole frames in {line.hex()}")
        elif sent:
            expect(bool(answers), f"not a word to {line.hex()}")
        after = self._link.status()
        good = (after.good_frames - before.good_frames) % 65536 - 1
        bad = (after.bad_frames - before.bad_frames) % 65536
        expect(good == len(whole), f"{good} good frames counted, not {len(whole)}")
        expect(good + bad == len(sent), f"{good + bad} frames counted, not {len(sent)}")

    def _read(self, name: str) -> list[int]:
        return [int.from_bytes(word.tobytes(), "little") for word in self._link.read(name)]

    def _check(self) -> None:
        """Compare all memories with what has to be there."""
        for region in self._model.regions:
            wanted, got = self._model.memory[region.name], self._read(region.name)
            wrong = [
                at
                for at, (a, b) in enumerate(zip(got, wanted, strict=True))
                if self._model.knows(region.name, at) and a != b
            ]
            if wrong:
                self._model.memory[region.name] = got
                raise Found(f"{len(wrong)} words of {region.name} differ, the first at {wrong[0]}")

    # Groups ---------------------------------------------------------------------------------

    def group(self, number: int) -> None:
        """Send a group, and see that all is as it should be."""
        rng = random.Random(f"{self._seed}-{number}")
        kind = rng.choices(
            [self._one_by_one, self._volley, self._reset, self._vanish, self._in_a_run],
            [8, 10, 3, 3, 2],
        )[0]
        kind(rng)
        self._check()

    def _one_by_one(self, rng: random.Random) -> None:
        for _ in range(GROUP):
            self._send(self._draw(rng)[1])

    def _volley(self, rng: random.Random) -> None:
        """Without waiting for answers."""
        self._send(b"".join(self._draw(rng)[1] for _ in range(GROUP)))

    def _reset(self, rng: random.Random) -> None:
        """The board is reset in the middle of a frame, a request or an answer."""
        for _ in range(GROUP // 4):
            frame = self._good(rng)
            if rng.random() < 0.5:
                frame = frame[: rng.randrange(1, len(frame) - 1)]
            self._outcome.kinds["a reset inside"] += 1
            self._outcome.frames += 1
            self.board.write(b"\0" + frame)
            cycles = 10 * self._params.machine.uart_divisor * len(frame)
            self.board.idle(rng.uniform(0.2, 1.3) * cycles / self.board.clock_hz)
            self.board.reset(rng.randint(1, 40))
            # What still arrives is cut somewhere, and is no frame: it lacks its beginning.
            self._listen()
            self._new_host()
            self._adopt(frame)

    def _adopt(self, frame: bytes) -> None:
        """After a reset each word of the last request is as before or as it says."""
        before = {name: list(words) for name, words in self._model.memory.items()}
        for piece in pieces(frame):
            self._model.execute(piece)
        written = {name: list(words) for name, words in self._model.memory.items()}
        self._model.memory = before
        for region in self._model.regions:
            old, new = before[region.name], written[region.name]
            if region.name != "registers" and new != old:
                words = self._read(region.name)
                before[region.name] = [
                    word if word == new[at] else old[at] for at, word in enumerate(words)
                ]
        self._model.reset()

    def _vanish(self, rng: random.Random) -> None:
        """A host leaves in the middle of a request or an answer, and another comes."""
        for _ in range(GROUP // 4):
            frame = self._good(rng)
            cut = rng.random() < 0.6
            if cut:
                frame = frame[: rng.randrange(1, len(frame) - 1)]
            self._outcome.kinds["a host vanished"] += 1
            self._outcome.frames += 1
            self.board.write(b"\0" + frame)
            if rng.random() < 0.5:
                cycles = 10 * self._params.machine.uart_divisor * len(frame)
                self.board.idle(rng.uniform(0, 3) * cycles / self.board.clock_hz)
            self._new_host()
            for piece in pieces(frame):
                self._model.execute(piece)

    def _in_a_run(self, rng: random.Random) -> None:
        """While the board learns; it has to come to what golden comes to."""
        self._write_network(rng)
        state = self._state
        run = {"first": rng.randrange(64), "count": _SAMPLES - 64}
        self._link.run(train=True, internal=False, flush=False, **run)
        self._send(b"".join(self._draw_for_a_run(rng) for _ in range(GROUP)), busy=True)
        expect(self._link.status().busy, "the run is over already")
        self._link.stop()
        for _ in range(1000):
            if not self._link.status().busy:
                break
        else:
            raise Found("the run does not end")
        learned = self._read("registers")[self._registers["samples_lo"].index]
        golden = GoldenMachine(self._params)
        golden.write_state(state)
        golden.load(self._x, self._labels)
        golden.train(run["first"], learned, flush=False)
        self._outcome.answers["samples learned under attack"] += learned
        self._know(golden.read_state())

    def _draw_for_a_run(self, rng: random.Random) -> bytes:
        while True:
            _, line = self._draw(rng)
            if all(self._model.judge(piece).verb != Verb.STOP for piece in pieces(line)):
                return line

    def _write_network(self, rng: random.Random) -> None:
        """Write a network that can learn, and the settings for it, and know them."""
        params = self._params
        draw = np.random.default_rng(rng.getrandbits(32))
        shapes = [params.synapses(layer) for layer in range(params.depth)]
        most = params.learning.latent_max
        self._state = NetworkState(
            [draw.random((s.rows, s.row_bits)) < 0.5 for s in shapes],
            [draw.integers(-most, most + 1, (s.rows, s.row_bits), np.int16) for s in shapes],
            rng.randrange(1, 1 << 32),
        )
        learning = params.learning
        settings = {"options": 0, "seed": self._state.sign_state, "batch": learning.batch}
        settings |= {f"tau{layer}": tau for layer, tau in enumerate(learning.tau)}
        for name, value in (settings | {"clear": 1}).items():
            self._link.write("registers", self._registers[name].index, value.to_bytes(4, "little"))
            if name in settings:
                self._model.memory["registers"][self._registers[name].index] = value
        for name, data in self._layout(self._state).items():
            self._link.write(name, 0, data)
        samples = self._model.regions["samples"]
        self._link.fill(samples, 0, samples.depth, 0)
        self._model.memory["samples"] = [0] * samples.depth
        self._know(self._state)

    def _layout(self, state: NetworkState) -> dict:
        out = {}
        for layer in range(self._params.depth):
            shape = self._params.synapses(layer)
            out[f"weights{layer}"] = weights_to_bytes(shape, state.weights[layer])
            out[f"latents{layer}"] = latents_to_bytes(shape, state.latents[layer])
        return out

    def _know(self, state: NetworkState) -> None:
        for name, data in self._layout(state).items():
            self._model.memory[name] = [int.from_bytes(word.tobytes(), "little") for word in data]


def attack_board(
    frames: int,
    seed: int,
    *,
    params: Params = TARGET,
    only: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Attack the board's end of the link: the RTL, as a virtual board, at its pins.

    Every answer must be one that the protocol asks for, every frame be counted once, good or bad,
    and the first whole frame behind any damage be answered. After each group all memories are read
    back: only requests that were answered with OK have changed them. In some groups the board is
    reset or its host vanishes; in some it learns meanwhile, and has to come to what the golden
    model comes to.

    Parameters
    ----------
    frames, seed, params, only, on_progress
        As for :func:`attack_host`.
    """
    outcome = Outcome()
    siege = _Siege(params, seed, outcome)
    with siege.board:
        return attack_groups(outcome, siege.group, frames, only, on_progress, siege.begin)
