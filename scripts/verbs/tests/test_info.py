"""``popflip info``."""

import json

from matplotlib.image import imread

from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.rtl.identity import identity


def test_info_gives_what_follows_from_the_parameters(popflip):
    status, out, err = popflip("info", "--preset", "local-small", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["sizes"] == [784, 490, 40]
    assert report["synapses"] == 68600
    assert report["memory_bits"]["latents"] == 68600 * 8
    assert [preset["preset"] for preset in report["presets"]] == sorted(
        preset["preset"] for preset in report["presets"]
    )
    assert report["memory_map"][0]["region"] == "registers"
    status, out, _ = popflip("info")
    assert status == 0
    assert "68,600" in out


def test_the_windows_are_drawn(popflip, folder, tmp_path):
    words = ("info", "--config", folder / "tiny.toml", "--windows")
    status, _, err = popflip(*words, tmp_path / "w.png", "--data", folder)
    assert (status, err) == (0, f"popflip: the windows are drawn in {tmp_path / 'w.png'}\n")
    assert imread(tmp_path / "w.png").shape[2] == 4


def test_the_identity_is_given_if_it_is_known_or_asked_for(popflip, tmp_path, monkeypatch):
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path))
    # Of a name that no other test has asked for: this process remembers what it has computed.
    params, path = Params.load("ice40up5k").replace(name="unheard-of"), tmp_path / "a.toml"
    path.write_text(to_toml(params))
    told = [
        json.loads(popflip("info", "--config", path, *options, "--json")[1])["identity"]
        for options in ((), ("--identity",), ())
    ]
    known = identity(params).hex()
    assert told == [None, known, known]


def test_without_hardware_there_is_no_identity(popflip, tmp_path):
    path = tmp_path / "grey.toml"
    popflip("info", "--write", path)
    text = path.read_text()
    assert "pixel_bits = 1" in text
    path.write_text(text.replace("pixel_bits = 1", "pixel_bits = 8"))
    status, out, _ = popflip("info", "--config", path, "--json")
    assert (status, json.loads(out)["identity"]) == (0, None)
    assert popflip("info", "--config", path, "--identity") == (
        2, "", "popflip: network.pixel_bits must be 1 in hardware, not 8\n",
    )  # fmt: skip
