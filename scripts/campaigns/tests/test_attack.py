"""Short attacks on both ends of the host link; the long ones are `popflip attack`."""

import pytest

from popflip.boards.host import frames
from popflip.golden.description.protocol import Status
from popflip.scripts.campaigns.attack.board_end import attack_board
from popflip.scripts.campaigns.attack.frame_damage import DAMAGES
from popflip.scripts.campaigns.attack.groups import GROUP
from popflip.scripts.campaigns.attack.host_end import attack_host
from popflip.scripts.campaigns.attack.link_model import LinkModel

pytestmark = pytest.mark.timeout(600)


def well(outcome):
    assert outcome.found == []
    return outcome


def test_the_host_survives_damage():
    outcome = well(attack_host(6000, 1))
    assert set(outcome.kinds) == {*DAMAGES, "late"}
    assert min(outcome.kinds.values()) > 50
    for what in ("asked again", "found behind damage", "given up", "frames whole"):
        assert outcome.answers[what] > 0, what


@pytest.mark.slow
def test_the_board_survives_damage():
    outcome = well(attack_board(500, 1))
    assert {*DAMAGES, "a lie", "replayed", "a reset inside", "a host vanished"} <= {*outcome.kinds}
    for status in (Status.OK, Status.BAD_FRAME, Status.BAD_CRC, Status.OUT_OF_RANGE):
        assert outcome.answers[status.name] > 0, status
    assert outcome.answers["samples learned under attack"] > 100


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("end", "frames"), [(attack_host, 1_000_000), (attack_board, 20_000)])
def test_long_attacks(end, frames):
    assert well(end(frames, 2)).frames >= frames


def test_a_codec_without_a_checksum_is_found(monkeypatch):
    monkeypatch.setattr(frames.CRC, "compute", lambda data: 0, raising=False)
    found = attack_host(200, 1).found
    assert any("was decoded as" in line or "not its words" in line for line in found)


@pytest.mark.slow
def test_a_silent_change_is_found(monkeypatch):
    """Of the board, or of what it should have been: it comes to the same."""
    monkeypatch.setattr(LinkModel, "_store", lambda *arguments: None)
    found = attack_board(40, 1).found
    assert any("differ, the first at" in line for line in found)


def test_one_group_can_be_sent_again():
    whole, one = attack_host(64, 5), attack_host(64, 5, only=3)
    assert whole.groups == 4
    assert one.groups == 1
    assert one.frames == GROUP
