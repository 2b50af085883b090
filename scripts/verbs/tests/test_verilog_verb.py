"""``popflip verilog``."""

import json


def test_verilog_writes_files_that_are_there(popflip, tmp_path):
    out = tmp_path / "verilog"
    status, stdout, err = popflip("verilog", "--config", "tiny.toml", "-o", out, "--json")
    assert (status, err) == (0, "")
    files = json.loads(stdout)["files"]
    assert sorted(files) == sorted(str(path) for path in out.iterdir())
