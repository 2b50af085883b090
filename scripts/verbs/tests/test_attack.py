"""``popflip attack``."""

import json


def test_attack_reports_what_was_sent(popflip):
    argv = ["attack", "--end", "host", "--host-frames", 640, "--seed", 3]
    status, out, err = popflip(*argv, "--json")
    assert status == 0, err
    report = json.loads(out)
    assert (report["verified"], report["differences"]) == (True, [])
    assert report["ends"]["host"]["frames"] == 640
    assert sum(report["ends"]["host"]["kinds"].values()) == 640
    status, out, _ = popflip(*argv, "--group", 5)
    assert status == 0
    assert "16 frames in 1 groups" in out
