"""``popflip calibrate``: a file with gains that suit the data."""

import json

from popflip.golden.description.params import Params

DEAD = """\
[network]
image = [8, 8]
hidden = [100]
classes = 3
copies = 4

[dynamics]
gains = [1, 1]

[learning]
tau = [3, 2]
"""


def test_a_dead_network_is_brought_to_life(popflip, folder, tmp_path):
    (tmp_path / "dead.toml").write_text(DEAD)
    words = ["calibrate", tmp_path / "dead.toml", "--data", folder, "--seed", 5]
    status, out, err = popflip(*words, "--write", tmp_path / "alive.toml", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["before"]["active_percent"] == [0.0]
    assert report["before"]["gains"] == [1, 1]
    assert 5 <= report["after"]["active_percent"][0] <= 8
    assert 0.2 <= report["after"]["output_sum"] <= 0.3
    assert report["warnings"] == []
    assert report["file"] == str(tmp_path / "alive.toml")
    dead, alive = (Params.load(tmp_path / name) for name in ("dead.toml", "alive.toml"))
    assert report["after"]["gains"] == list(alive.dynamics.gains)
    assert alive.replace(dynamics=dead.dynamics.model_dump(mode="json")) == dead
    assert "# gains:" in (tmp_path / "alive.toml").read_text()
    # The same again says the same, of what is calibrated already as well.
    words[1] = tmp_path / "alive.toml"
    again = json.loads(popflip(*words, "--json")[1])
    assert again["before"] == again["after"] == report["after"]
    assert again["file"] is None


def test_a_person_sees_both_side_by_side(popflip, folder, tmp_path):
    (tmp_path / "dead.toml").write_text(DEAD)
    status, out, _ = popflip("calibrate", tmp_path / "dead.toml", "--data", folder)
    assert status == 0
    rows = {line.strip().split("  ")[0]: line.split() for line in out.splitlines()}
    assert rows["dynamics.gains"][1:3] == ["[1,", "1]"]
    assert rows["before"] == ["before", "after"]
    assert "hidden layer 1: moved by a nudge" in out


def test_data_of_another_shape_are_refused_in_a_line(popflip, folder, tmp_path):
    (tmp_path / "dead.toml").write_text(DEAD.replace("[8, 8]", "[8, 9]"))
    status, _, err = popflip("calibrate", tmp_path / "dead.toml", "--data", folder)
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("popflip: network.image must be 8 x 8 for ")
