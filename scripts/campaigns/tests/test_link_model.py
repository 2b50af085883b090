"""The link model: what a board must answer."""

import random

import pytest
from cobs import cobs

from popflip.boards.host.frames import encode_frame
from popflip.golden.description.protocol import MAX_PAYLOAD, Status, Verb
from popflip.scripts.campaigns.attack.groups import TARGET
from popflip.scripts.campaigns.attack.link_model import LinkModel, open_frame, undo_cobs


@pytest.mark.parametrize("size", [0, 1, 2, 253, 254, 255, 600])
def test_the_link_model_undoes_cobs(size):
    data = random.Random(size).randbytes(size) if size % 2 else b"\7" * size
    assert undo_cobs(cobs.encode(data)) == (data, False)
    if size:
        assert undo_cobs(cobs.encode(data)[:-1])[1]


def test_the_link_model_answers_as_the_protocol_says():
    model = LinkModel(TARGET)
    index = model.regions.latents(0).index
    write = encode_frame(9, Verb.WRITE, bytes([index, 2, 0, 0, 0]) + b"\1\2\3\4")[:-1]
    assert model.execute(write)[:2] == (9, Status.OK)
    assert model.memory["latents0"][2] == 0x04030201
    read = encode_frame(10, Verb.READ, bytes([index, 2, 0, 0, 0, 1, 0]))[:-1]
    assert model.execute(read).payload == b"\1\2\3\4"
    assert model.judge(read, busy=True).status == Status.BUSY
    assert model.judge(read[:-1]).status == Status.BAD_FRAME
    assert open_frame(cobs.encode(bytes(MAX_PAYLOAD + 6))).status == Status.OVERSIZE
