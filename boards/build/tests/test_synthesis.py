"""Synthesis: the script, and with the tools what memories become."""

import json

import pytest

from popflip.boards.build.estimate import in_tables
from popflip.boards.build.inventory import inventory
from popflip.boards.build.memory_rules import UNSHARED
from popflip.boards.build.synthesis import synthesis_script, synthesize
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO

LEAKY = MICRO.replace(dynamics={"kind": "leaky"})


def script(name, params=MICRO, **options):
    return synthesis_script(BOARDS[name], params, **options).splitlines()


def test_what_every_script_does():
    lines = script("ulx3s-12f")
    assert lines[0] == "read_rtlil top.il"
    masked = [line.split()[-1] for line in lines if "COLLISION_X_MASK 1'b1" in line]
    assert masked == [f"top.machine.{name}/t:$memrd_v2" for name in UNSHARED]
    mask = "setparam -set COLLISION_X_MASK 1'b1 top.machine.core.*.relax/t:$memrd_v2"
    assert mask in script("ulx3s-12f", LEAKY)
    assert mask not in lines
    assert lines[-3:] == [
        "check -assert",
        "tee -q -o stat.json stat -json -top top",
        "write_json top.json",
    ]


def test_a_core_by_itself_has_other_names():
    lines = script("ulx3s-12f", top="core", machine="")
    assert "setparam -set COLLISION_X_MASK 1'b1 core.path.items/t:$memrd_v2" in lines
    assert "synth_ecp5 -top core" in lines


def test_single_port_ram_holds_no_content_at_the_start():
    forget = "delete top.machine.core.latents*/t:$meminit_v2"
    assert forget in script("icebreaker")
    assert "synth_ice40 -abc9 -device u -spram -top top" in script("icebreaker")
    assert forget not in script("hx8k-b-evn")


def test_what_families_do_otherwise():
    assert "scratchpad -copy abc9.script.flow2 abc9.script" in script("icebreaker")
    shallow = 'setattr -set ram_style "distributed" a:shallow'
    assert shallow in script("ulx3s-12f")
    assert shallow not in script("tang-nano-9k")
    assert "synth_gowin -top top -json top.json" in script("tang-nano-9k")
    assert "write_json top.json" not in script("tang-nano-9k")
    synth = "synth_gowin -family gw5a -nolutram -top top -json top.json"
    assert synth in script("tang-primer-25k")


def test_a_techmap_comes_before_the_last_cells():
    lines = script("crosslink-nx-evn")
    assert lines[0] == "read_verilog <<END"
    begin = lines.index("synth_nexus -top top -run begin:map_cells")
    assert lines[begin + 1 : begin + 3] == [
        "techmap -max_iter 1 -map %replacements",
        "synth_nexus -top top -run map_cells:",
    ]


def test_latents_go_to_single_port_rams_where_there_are_such():
    forced = 'setattr -set ram_style "huge" top.machine.core.latents*/m:*'
    assert forced in script("icebreaker")
    assert forced not in script("hx8k-b-evn")


# With the tools -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["hx8k-b-evn", "ulx3s-12f"])
def test_memories_become_block_rams(name):
    """As many as their shapes come to, and none of them flip-flops."""
    board = BOARDS[name]
    params = MICRO.replace(network={"image": [16, 16], "hidden": [40]})
    _, cells = synthesize(board, params)
    found = inventory(board.params(params))
    wanted = sum(
        board.device.blocks_for(m.depth, m.width)
        for m in found.memories
        if not in_tables(board.device, m)
    )
    got = sum(cells.get(cell, 0) for cell in board.device.family.memories)
    assert got == pytest.approx(wanted, abs=1)
    flops = sum(n for cell, n in cells.items() if "FF" in cell)
    assert flops <= 1.05 * found.ffs + 200


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_block_ram_of_gw5a_clears_what_it_has_read():
    """By its RESET, which is no good (yosys's issue 6163)."""
    board = BOARDS["tang-primer-25k"]
    folder, _ = synthesize(board, MICRO)
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"]
    (ground,) = (
        cell["connections"]["G"][0] for cell in cells.values() if cell["type"] == "GND"
    )  # fmt: skip
    blocks = [cell for cell in cells.values() if cell["type"] in board.device.family.memories]
    assert len(blocks) >= 5
    for cell in blocks:
        pins = [bits for port, bits in cell["connections"].items() if port.startswith("RESET")]
        assert pins
        assert all(bits in ([ground], ["0"]) for bits in pins)
