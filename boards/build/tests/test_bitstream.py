"""Builds: with stand-ins for the tools, which fail and dawdle as told; slow ones with the tools."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import pytest

from popflip.boards.build import bitstream
from popflip.boards.build.bitstream import TimingError, build
from popflip.boards.build.estimate import estimate
from popflip.boards.build.inventory import inventory
from popflip.boards.build.step import BuildError
from popflip.boards.build.toolchain import find_tool
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO
from popflip.golden.description.params import Params

ICEBREAKER = BOARDS["icebreaker"]

#: What the stand-ins have in common: they write down that they ran.
HEAD = """\
#!{python}
import json, os, sys, time
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
if words in (["-V"], ["--version"]):
    print("Version 9.9")
    sys.exit()
def option(key):
    return words[words.index(key) + 1]
with open({calls!r}, "a") as file:
    file.write(name + " " + " ".join(words) + "\\n")
"""

YOSYS = """
assert "setparam -set COLLISION_X_MASK 1'b1 top.machine.core.memory*" in open("top.ys").read()
assert open("top.il").read().count("module") > 10
json.dump({"design": {"num_cells_by_type": {"SB_LUT4": 7}}}, open("stat.json", "w"))
open("top.json", "w").write("{}")
"""

PLACER = """
assert os.path.exists("top.pcf") and os.path.exists("top.json")
seed = int(option("--seed"))
how = json.load(open(HOW))
time.sleep(how.get("sleep", 0))
if how.get("full"):
    open("place.log", "w").write(
        "Info: Device utilisation:\\nInfo: ICESTORM_LC: 5281/ 5280 100%\\n"
        "Info: ICESTORM_RAM: 74/ 30 246%\\nERROR: Unable to place cell 'x'\\n")
    sys.exit(1)
if how.get("fail"):
    print("ERROR: something else\\nmore of it")
    sys.exit(1)
rounds = how.get("rounds", {}).get(str(seed), 0)
if rounds:
    open("place.log", "w").write(f"Info:     iter=1 wires=9\\nInfo:     iter={rounds} wires=9\\n")
    time.sleep(600 if rounds > 1000 else 1)
mhz = how["mhz"][seed - 1]
json.dump({
    "fmax": {"clk": {"achieved": mhz, "constraint": float(option("--freq"))}},
    "utilization": {"ICESTORM_LC": {"used": 11, "available": 5280},
                    "ICESTORM_RAM": {"used": 5, "available": 30}},
}, open("report.json", "w"))
open("top.routed", "w").write(f"routed {seed}")
"""

PACKER = """
open(words[-1], "w").write("packed " + open(words[-2]).read())
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Stand-ins on the path, and an empty cache; call it to say how the placer does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls, how = tmp_path / "calls", tmp_path / "how.json"
    calls.touch()
    head = HEAD.format(python=sys.executable, calls=str(calls))
    for name, body in (("yosys", YOSYS), ("nextpnr-ice40", PLACER), ("icepack", PACKER)):
        (folder / name).write_text(head + body.replace("HOW", repr(str(how))))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("POPFLIP_CACHE", str(tmp_path / "cache"))
    find_tool.cache_clear()

    def say(**values):
        how.write_text(json.dumps(values))
        calls.write_text("")
        return lambda: [line.split()[0] for line in calls.read_text().splitlines()]

    yield say
    find_tool.cache_clear()


def made(**options):
    return build(ICEBREAKER, MICRO, tools="native", **options)


def left(tmp_path):
    """Folders of the cache by what they are of, whole or not; identities apart."""
    return sorted(
        f"{path.parent.name}/{'partial' if path.name.startswith('.') else 'whole'}"
        for path in (tmp_path / "cache").glob("*/*")
        if path.is_dir() and path.parent.name != "identity"
    )


def test_a_build_and_what_is_known_of_it(tools):
    ran, stages = tools(mhz=[30.25]), []
    found = made(progress=lambda *stage: stages.append(stage))
    assert ran() == ["yosys", "nextpnr-ice40", "icepack"]
    assert found.bitstream.read_text() == "packed routed 1"
    facts = found.facts
    assert (facts["fmax_mhz"], facts["core_mhz"], facts["seed"]) == (30.25, 24.375, 1)
    assert facts["used"] == {"lut": 11, "block": 5}
    assert facts["available"] == {"lut": 5280, "block": 30}
    assert facts["cells"] == {"SB_LUT4": 7}
    assert facts["tools"][0] == "yosys 9.9 (native)"
    assert [stage[0] for stage in stages if stage[1] == stage[2]] == [
        "elaboration", "synthesis", "placement", "bitstream",
    ]  # fmt: skip


def test_what_was_built_is_not_built_again(tools):
    tools(mhz=[30, 40])
    first = made()
    ran = tools(mhz=[30, 40])
    assert made().folder == first.folder
    assert ran() == []
    # Another seed takes the same netlist; the fastest of both is taken.
    better = made(seeds=2)
    assert ran() == ["nextpnr-ice40", "icepack"]
    assert (better.facts["seed"], better.facts["seeds"]) == (2, {"1": 30, "2": 40})
    # Another clock is another design, as its PLL and its serial line differ.
    ran = tools(mhz=[60])
    made(core_mhz=30)
    assert ran() == ["yosys", "nextpnr-ice40", "icepack"]


def test_another_network_or_tool_is_another_build(tools, tmp_path):
    tools(mhz=[30])
    made()
    ran = tools(mhz=[30])
    build(ICEBREAKER, MICRO.replace(learning={"beta": 5}), tools="native")
    assert ran()[0] == "yosys"
    program = tmp_path / "bin" / "nextpnr-ice40"
    program.write_text(program.read_text().replace("9.9", "9.10"))
    find_tool.cache_clear()
    ran = tools(mhz=[30])
    made()
    assert ran() == ["nextpnr-ice40", "icepack"]


def test_the_key_of_a_step_is_what_goes_into_it(tools, monkeypatch):
    """A recipe whose options differ is another build; one whose texts differ is the same."""
    tools(mhz=[30])
    made()
    ran = tools(mhz=[30])
    build(replace(ICEBREAKER, title="An iCEBreaker", notes=("Nice.",)), MICRO, tools="native")
    assert ran() == []
    build(replace(ICEBREAKER, packer=("-v",)), MICRO, tools="native")
    assert ran() == ["icepack"]
    ran = tools(mhz=[30])
    build(replace(ICEBREAKER, placer=("--opt-timing",)), MICRO, tools="native")
    assert ran() == ["nextpnr-ice40", "icepack"]
    ran = tools(mhz=[30])
    build(replace(ICEBREAKER, synthesis="-device u"), MICRO, tools="native")
    assert ran() == ["yosys", "nextpnr-ice40", "icepack"]
    # What the pins are is in a file of its own.
    real = bitstream.design_files
    monkeypatch.setattr(
        bitstream, "design_files",
        lambda *words: real(*words) | {"top.pcf": real(*words)["top.pcf"] + "# moved\n"},
    )  # fmt: skip
    ran = tools(mhz=[30])
    made()
    assert ran() == ["yosys", "nextpnr-ice40", "icepack"]


def test_a_bitstream_that_is_cut_short_in_the_cache_is_packed_again(tools):
    tools(mhz=[30])
    path = made().bitstream
    path.write_text("pack")
    ran = tools(mhz=[30])
    assert made().bitstream.read_text() == "packed routed 1"
    assert ran() == ["icepack"]


def test_a_design_that_misses_its_timing_is_refused(tools, tmp_path):
    tools(mhz=[23.9])
    with pytest.raises(TimingError) as caught:
        made(seeds=1)
    assert str(caught.value) == (
        "1BitSquared iCEBreaker misses its timing: 23.90 MHz of 24.38 MHz with seed 1: try "
        "--seeds 8, or a lower clock with --freq"
    )
    assert left(tmp_path) == ["placements/whole", "synthesis/whole"]


@pytest.mark.slow
def test_more_seeds_are_tried_if_the_first_misses_and_nobody_said_how_many(tools):
    ran = tools(mhz=[23, 24, 26, 25])
    found = made()
    assert found.facts["seeds"] == {"1": 23, "2": 24, "3": 26, "4": 25}
    assert (found.facts["seed"], found.facts["fmax_mhz"]) == (3, 26)
    assert ran() == ["yosys", *["nextpnr-ice40"] * 4, "icepack"]
    ran = tools(mhz=[20] * 4)
    with pytest.raises(TimingError, match=r"the best of 4 seeds: try --seeds 8"):
        made(core_mhz=23.25)
    assert ran() == ["yosys", *["nextpnr-ice40"] * 4]


@pytest.mark.slow
def test_a_router_without_an_end_is_ended_and_other_seeds_are_tried(tools, monkeypatch):
    monkeypatch.setattr("popflip.boards.tools._LOOK", 0.1)
    ran = tools(mhz=[30, 31, 32, 33], rounds={"1": 1001, "2": 1000, "3": 46000})
    assert made().facts["seeds"] == {"2": 31, "4": 33}
    assert ran() == ["yosys", *["nextpnr-ice40"] * 4, "icepack"]
    # Nor is the same found out twice.
    ran = tools(mhz=[30] * 4)
    assert made().facts["seed"] == 4
    with pytest.raises(BuildError) as caught:
        made(seeds=1)
    assert str(caught.value) == (
        "the router found no end for 1BitSquared iCEBreaker (seeds tried: 1): try --seeds 8, or a "
        "smaller network"
    )
    assert ran() == []


def test_the_message_names_how_many_seeds_were_tried(tools):
    tools(mhz=[20, 23, 22])
    with pytest.raises(
        TimingError, match=r"23\.00 MHz of 24\.38 MHz with the best of 3 seeds: try"
    ):
        made(seeds=3)


def test_a_network_that_is_too_large_is_refused_with_what_is_lacking(tools, tmp_path):
    tools(full=True)
    with pytest.raises(BuildError) as caught:
        made()
    assert str(caught.value) == (
        "the network does not fit 1BitSquared iCEBreaker: lut 5,281 of 5,280, block 74 of 30; "
        "popflip fit --board icebreaker names one that does"
    )
    assert left(tmp_path) == ["synthesis/whole"]


def test_a_tool_that_fails_is_told_with_its_words(tools, tmp_path):
    tools(fail=True)
    with pytest.raises(BuildError) as caught:
        made()
    first, *rest = str(caught.value).splitlines()
    assert first == "nextpnr-ice40 failed: something else"
    assert "more of it" in rest
    assert left(tmp_path) == ["synthesis/whole"]


def test_interruption_ends_all_placers_and_leaves_nothing_half_made(
    tools, tmp_path, default_signals
):
    tools(sleep=60, mhz=[30] * 4)
    program = textwrap.dedent("""
        from popflip.boards.registry import BOARDS
        from popflip.boards.build.bitstream import build
        from popflip.boards.tests.networks import MICRO
        build(BOARDS["icebreaker"], MICRO, tools="native", seeds=4, workers=2)
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while (tmp_path / "calls").read_text().count("nextpnr") < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert left(tmp_path) == ["synthesis/whole"]
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(tmp_path / "bin" / "nextpnr-ice40") not in listed


def test_seeds_are_at_least_one():
    with pytest.raises(ValueError, match=r"^seeds must be at least 1, not 0$"):
        made(seeds=0)


def test_a_board_without_open_tools_is_refused():
    board = BOARDS["arty-a7-35t"]
    with pytest.raises(BuildError, match="takes its maker's tools"):
        build(board, MICRO)


# With the tools -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name", ["hx8k-b-evn", "ulx3s-12f", "tang-nano-20k", "tang-primer-25k", "crosslink-nx-evn"]
)
def test_every_family_comes_to_a_bitstream(name):
    board = BOARDS[name]
    found = build(board, MICRO)
    assert found.facts["fmax_mhz"] >= board.core_mhz
    assert found.bitstream.stat().st_size > 10_000
    for kind, used in found.facts["used"].items():
        assert used <= found.facts["available"][kind]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "name",
    # One board for each FPGA and network: the estimate knows no more of it.
    {
        (b.device.part, b.preset): b.name
        for b in BOARDS.values()
        if b.device.family.makes_bitstreams
    }.values(),
)
def test_the_estimate_of_a_boards_network_is_near_what_is_routed(name):
    """Within 15%, of every resource that a build reports; small figures may be off by two."""
    board = BOARDS[name]
    params = Params.load(board.preset)
    guess = estimate(board.device, inventory(board.params(params)))
    if not guess.fits:
        pytest.skip(f"{params.name} does not fit: {guess.used}")
    used = build(board, params).facts["used"]
    for kind in ("lut", "ff", "block", "spram"):
        if kind in used and kind in guess.used:
            assert guess.used[kind] == pytest.approx(used[kind], rel=0.15, abs=2), kind
