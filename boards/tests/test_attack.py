"""Short attacks on both ends of the host link; the long ones are `popflip attack`."""

import random

import pytest
from cobs import cobs

from popflip.boards import attack
from popflip.boards.attack import TARGET, attack_board, attack_host
from popflip.boards.host import link
from popflip.boards.host.link import encode_frame
from popflip.boards.mutations import MUTATIONS, mutate
from popflip.boards.peer import Peer, open_frame, pieces, undo_cobs
from popflip.golden.description.protocol import MAX_PAYLOAD, Status, Verb

pytestmark = pytest.mark.timeout(600)


def well(outcome):
    assert outcome.found == []
    return outcome


def test_the_host_survives_damage():
    outcome = well(attack_host(6000, 1))
    assert set(outcome.kinds) == {*MUTATIONS, "late"}
    assert min(outcome.kinds.values()) > 50
    for what in ("asked again", "found behind damage", "given up", "frames whole"):
        assert outcome.answers[what] > 0, what


def test_the_board_survives_damage():
    outcome = well(attack_board(500, 1))
    assert {*MUTATIONS, "a lie", "replayed", "a reset inside", "a host vanished"} <= {
        *outcome.kinds
    }
    for status in (Status.OK, Status.BAD_FRAME, Status.BAD_CRC, Status.OUT_OF_RANGE):
        assert outcome.answers[status.name] > 0, status
    assert outcome.answers["samples learned under attack"] > 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("end", "frames"), [(attack_host, 1_000_000), (attack_board, 20_000)])
def test_long_attacks(end, frames):
    assert well(end(frames, 2)).frames >= frames


def test_a_codec_without_a_checksum_is_found(monkeypatch):
    monkeypatch.setattr(link.CRC, "compute", lambda data: 0, raising=False)
    found = attack_host(200, 1).found
    assert any("was decoded as" in line or "not its words" in line for line in found)


def test_a_silent_change_is_found(monkeypatch):
    """Of the board, or of what it should have been: it comes to the same."""
    monkeypatch.setattr(Peer, "_store", lambda *arguments: None)
    found = attack_board(40, 1).found
    assert any("are others, the first at" in line for line in found)


def test_one_group_can_be_sent_again():
    whole, one = attack_host(64, 5), attack_host(64, 5, only=3)
    assert whole.groups == 4
    assert one.groups == 1
    assert one.frames == attack.GROUP


@pytest.mark.parametrize("size", [0, 1, 2, 253, 254, 255, 600])
def test_the_peer_undoes_cobs(size):
    data = random.Random(size).randbytes(size) if size % 2 else b"\7" * size
    assert undo_cobs(cobs.encode(data)) == (data, False)
    if size:
        assert undo_cobs(cobs.encode(data)[:-1])[1]


def test_the_peer_answers_as_the_protocol_says():
    peer = Peer(TARGET)
    index = next(r.index for r in peer.regions if r.name == "latents0")
    write = encode_frame(9, Verb.WRITE, bytes([index, 2, 0, 0, 0]) + b"\1\2\3\4")[:-1]
    assert peer.execute(write)[:2] == (9, Status.OK)
    assert peer.memory["latents0"][2] == 0x04030201
    read = encode_frame(10, Verb.READ, bytes([index, 2, 0, 0, 0, 1, 0]))[:-1]
    assert peer.execute(read).payload == b"\1\2\3\4"
    assert peer.judge(read, busy=True).status == Status.BUSY
    assert peer.judge(read[:-1]).status == Status.BAD_FRAME
    assert open_frame(cobs.encode(bytes(MAX_PAYLOAD + 6))).status == Status.OVERSIZE


def test_mutations_are_drawn_from_the_generator():
    frame, other = encode_frame(1, 2, b"abc"), encode_frame(3, 4, bytes(range(30)))
    lines = [[mutate(random.Random(s), frame, other) for s in range(200)] for _ in range(2)]
    assert lines[0] == lines[1]
    assert {name for name, _ in lines[0]} == set(MUTATIONS)
    assert sum(len(pieces(line)) > 1 for _, line in lines[0]) > 10
