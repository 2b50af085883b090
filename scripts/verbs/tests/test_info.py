"""``popflip info``."""

import json


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
