"""Damage to frames."""

import random

from popflip.boards.host.frames import encode_frame
from popflip.scripts.campaigns.attack.frame_damage import DAMAGES, damage
from popflip.scripts.campaigns.attack.link_model import pieces


def test_damage_is_drawn_from_the_generator():
    frame, other = encode_frame(1, 2, b"abc"), encode_frame(3, 4, bytes(range(30)))
    lines = [[damage(random.Random(s), frame, other) for s in range(200)] for _ in range(2)]
    assert lines[0] == lines[1]
    assert {name for name, _ in lines[0]} == set(DAMAGES)
    assert sum(len(pieces(line)) > 1 for _, line in lines[0]) > 10
