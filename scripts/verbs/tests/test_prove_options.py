"""Campaigns refuse what cannot be."""

import pytest


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["attack", "--end", "both"], "end must be host or board, not 'both'"),
        (["attack", "--group", 3], "a group is one of an end: name it with --end"),
        (["attack", "--end", "host", "--host-frames", 0], "frames must be at least 1 for one end"),
        (["differential", "--cases", 3, "--verilog", 4], "verilog must be 0 to 3, as many as"),
        (["differential", "--seed", -1], "seed must be at least 0, not -1"),
        (["differential", "--replay", "x"], "replay must be a case as it was printed, not 'x'"),
        (["soak", "--samples", 1000], "stop_samples must be 2561 to 1000, more than a chunk"),
        (["upsets", "--rate", -1], "rates must be 0 to 100 upsets per bit and epoch, not -1.0"),
    ],
)
def test_bad_input_is_refused_in_one_line(popflip, folder, argv, line):
    if argv[0] in ("soak", "upsets"):
        argv += ["--config", "tiny.toml", "--data", folder]
    status, out, err = popflip(*argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"popflip: {line}")
    assert err.count("\n") == 1
