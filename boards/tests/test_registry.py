"""Every recipe, as far as it goes without a build: its design elaborates, with all its pins."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from popflip.boards.build.estimate import estimate, in_tables
from popflip.boards.build.inventory import inventory
from popflip.boards.build.synthesis import plan
from popflip.boards.families.flows import FLOWS, UNSHARED
from popflip.boards.registry import BOARDS, find_board
from popflip.boards.tests.networks import MICRO, MICRO_SHARED, SMALL_LOCAL
from popflip.golden.description.params import Params

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)


def files_of(board, params=MICRO):
    files = plan(board, board.params(params), board.core_mhz).files
    return {k: v if isinstance(v, str) else v.decode() for k, v in files.items()}


@every_board
def test_the_design_elaborates_with_the_pins_of_the_board(board):
    files = files_of(board)
    if board.device.flow not in FLOWS:
        assert {"top.v", "top.xdc", "top.tcl", "build_top.sh"} <= set(files)
        assert board.device.part in files["top.tcl"]
        pins, design = files["top.xdc"], files["top.v"]
    else:
        flow = FLOWS[board.device.flow]
        pins, design = files[f"top{flow.constraints}"], files["top.il"]
    lights = [name for name in (*board.leds, board.error_led) if name]
    for name in ("uart_0__rx", "uart_0__tx", board.clock, *lights, *board.inactive):
        assert name.replace(".", "_", 1).replace(".", "__") in pins, name
    assert len({*lights}) == len(lights)
    if board.flash.resource:
        lines = {"dual": 2, "quad": 4}[board.flash.lines]
        found = re.findall(rf"{board.flash.resource}_0__dq__io\W*(\d)", pins)
        assert {*found} == {*"0123"[:lines]}
        usrmclk = board.device.flow == "ecp5"
        assert ("USRMCLK" in design) == usrmclk
        assert (f"{board.flash.resource}_0__clk" in pins) != usrmclk
    else:
        assert board.name == "upduino-v3"
        assert "spi_flash" not in pins
    if board.device.flow == "nexus":
        # Of a bare name with brackets nextpnr reads on without an end.
        assert "get_ports {spi_flash_4x_0__dq__io[3]}" in pins
        assert not re.search(r"get_ports \w+\[", pins)
    if board.core_mhz != board.clock_mhz:
        kind = {
            "pad": "SB_PLL40_PAD", "core": "SB_PLL40_CORE", "ehxplll": "EHXPLLL", "rpll": "rPLL",
            "plle2": "PLLE2_BASE",
        }[board.pll]  # fmt: skip
        assert kind in design


@every_board
def test_the_recipe_is_whole(board):
    Params.load(board.preset)
    assert BOARDS[board.name] is board is find_board(board.name)
    assert re.fullmatch(r"[a-z0-9-]+", board.name)
    assert board.loader
    assert all(note.endswith(".") for note in board.notes)
    # The longest bitstream of the device lies in front of the data.
    if board.flash:
        longest = {
            "iCE40UP5K-SG48": 104_161, "iCE40HX8K-CT256": 135_182, "LFE5U-12F": 582_376,
            "LFE5U-25F": 582_376, "LFE5U-45F": 1_032_750, "LFE5U-85F": 1_927_728,
            "xc7a35ticsg324-1L": 2_192_012, "xc7a100ticsg324-1L": 3_825_788,
            "GW2AR-LV18QN88C8/I7": 900_000, "GW1NR-LV9QN88PC6/I5": 0, "LIFCL-40-9BG400C": 1_020_000,
        }  # fmt: skip
        assert longest[board.device.part] <= board.flash.data_offset


@pytest.fixture(scope="module")
def micro():
    return inventory(MICRO)


@every_board
def test_a_small_network_has_an_estimate(board, micro):
    found = estimate(board.device, micro)
    assert found.fits == (max(found.shares.values()) <= 1)
    assert found.shares[found.limiting] == max(found.shares.values())
    assert found.used["ff"] >= micro.ffs
    large = [m for m in micro.memories if not in_tables(board.device, m)]
    assert 1 <= len(large) <= found.used["block"]
    assert found.memory_bits == sum(memory.bits for memory in micro.memories)
    assert found.available["lut"] == board.device.luts


@every_board
def test_the_network_of_the_board_fits_it(board):
    found = estimate(board.device, inventory(board.params(Params.load(board.preset))))
    assert found.fits, found


def test_the_example_of_the_manual_is_a_board():
    text = (Path(__file__).parents[2] / "docs" / "boards.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    made = {}
    exec(compile(code, "docs/boards.md", "exec"), made)
    files = files_of(made["EXAMPLE"])
    assert 'LOCATE COMP "uart_0__rx__io" SITE "B9";' in files["top.lpf"]
    assert "EHXPLLL" in files["top.il"]


def test_every_board_is_in_the_manual():
    text = (Path(__file__).parents[2] / "docs" / "boards.md").read_text("utf-8")
    for name in BOARDS:
        family, _, size = name.rpartition("-")
        assert f"`{name}`" in text or (f"`{family}-" in text and f"`-{size}`" in text), name


def test_a_board_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^board must be one of icebreaker, .*, not 'de10'$"):
        find_board("de10")


def test_the_memories_that_never_collide_are_in_the_design():
    """Yosys's selection of a name that is not there would silently be empty."""
    with_memory = set()
    for params in (MICRO, MICRO_SHARED, SMALL_LOCAL.replace(machine={"overlap": True})):
        text = files_of(BOARDS["icebreaker"], params)["top.il"]
        module = ""
        for line in text.splitlines():
            if line.startswith("module "):
                module = line.split()[1].removeprefix("\\")
            elif re.match(r"\s+memory ", line):
                with_memory.add(module.removeprefix("top.machine."))
    for pattern in UNSHARED:
        assert any(fnmatchcase(name, pattern) for name in with_memory), pattern
    shared = {
        name for name in with_memory if not any(fnmatchcase(name, pattern) for pattern in UNSHARED)
    }
    assert shared == {"core.results", "core.feeder"}
