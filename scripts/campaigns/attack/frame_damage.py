"""Damage to what goes over a line: frames cut, bent, joined, mixed and made up.

Each takes a generator, a whole frame and another one to lend its bytes, both with the zeros that
close them, and returns what is on the line now, perhaps without a zero at its end.
"""

import random

__all__ = ["DAMAGES", "damage"]

#: Bytes of rubbish, at most; of a frame that grows beyond all bounds.
_RUBBISH, _ENDLESS = 64, 2600


def _flip_bits(rng, frame, other):
    bent = bytearray(frame)
    for _ in range(rng.randint(1, 8)):
        bent[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    return bytes(bent)


def _replace(rng, frame, other):
    at, length = rng.randrange(len(frame)), rng.randint(1, 6)
    return frame[:at] + rng.randbytes(length) + frame[at + length :]


def _insert(rng, frame, other):
    at = rng.randrange(len(frame))
    return frame[:at] + rng.randbytes(rng.randint(1, 4)) + frame[at:]


def _insert_zero(rng, frame, other):
    at = rng.randrange(len(frame))
    return frame[:at] + b"\0" + frame[at:]


def _delete(rng, frame, other):
    at = rng.randrange(len(frame))
    return frame[:at] + frame[at + rng.randint(1, 4) :]


def _truncate(rng, frame, other):
    return frame[: rng.randrange(len(frame))]


def _truncate_and_close(rng, frame, other):
    return frame[: rng.randrange(len(frame))] + b"\0"


def _behead(rng, frame, other):
    return frame[rng.randrange(len(frame)) :]


def _repeat(rng, frame, other):
    at = rng.randrange(len(frame))
    return frame[:at] + frame[max(0, at - rng.randint(1, 20)) :]


def _swap(rng, frame, other):
    bent = bytearray(frame)
    a, b = rng.randrange(len(frame)), rng.randrange(len(frame))
    bent[a], bent[b] = bent[b], bent[a]
    return bytes(bent)


def _splice(rng, frame, other):
    return frame[: rng.randrange(len(frame))] + other[rng.randrange(len(other)) :]


def _interleave(rng, frame, other):
    # Two hosts on one line.
    sources, mixed = [list(reversed(frame)), list(reversed(other))], bytearray()
    while all(sources):
        mixed.append(rng.choice(sources).pop())
    return bytes(mixed) + bytes(reversed(sources[0] or sources[1]))


def _rubbish(rng, frame, other):
    return rng.randbytes(rng.randint(1, _RUBBISH)) + b"\0"


def _lengthen(rng, frame, other):
    most = _ENDLESS if rng.random() < 0.05 else _RUBBISH
    return frame[:-1] + bytes(rng.choices(range(1, 256), k=rng.randint(1, most))) + b"\0"


#: Damages by name.
DAMAGES = {
    "bits flipped": _flip_bits,
    "bytes replaced": _replace,
    "bytes inserted": _insert,
    "a zero inserted": _insert_zero,
    "bytes deleted": _delete,
    "cut short": _truncate,
    "cut short and closed": _truncate_and_close,
    "beheaded": _behead,
    "bytes repeated": _repeat,
    "bytes swapped": _swap,
    "two spliced": _splice,
    "two interleaved": _interleave,
    "rubbish": _rubbish,
    "lengthened": _lengthen,
}


def damage(rng: random.Random, frame: bytes, other: bytes) -> tuple[str, bytes]:
    """Damage a frame in a way that is drawn; return its name, and what is on the line now."""
    name = rng.choice(list(DAMAGES))
    return name, DAMAGES[name](rng, frame, other)
