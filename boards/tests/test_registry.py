"""Every recipe, as far as it goes without a build: its design elaborates, with all its pins."""

import importlib
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from popflip.boards import families, recipes, registry
from popflip.boards.build.estimate import estimate, in_tables
from popflip.boards.build.inventory import inventory
from popflip.boards.build.memory_rules import UNSHARED, unshared
from popflip.boards.build.synthesis import design_files, synthesis_script
from popflip.boards.build.toolchain import toolchain
from popflip.boards.build.top import plan
from popflip.boards.families.ecp5 import ECP5
from popflip.boards.families.nexus import NEXUS
from popflip.boards.registry import BOARDS, FAMILIES, boards_in, families_in, find_board
from popflip.boards.tests.networks import MICRO, MICRO_SHARED, SMALL_LOCAL
from popflip.boards.tools import ToolError
from popflip.golden.description.params import Params

DOCS = Path(__file__).parents[2] / "docs"

every_board = pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)

#: Small boards of each family, with and without a flash. The others differ in pins and in size.
QUICK = {
    "icebreaker", "upduino-v3", "tang-nano-9k", "tang-primer-25k", "arty-a7-35t", "ulx3s-25f",
    "crosslink-nx-evn",
}  # fmt: skip

#: Those whose own network is looked into.
FITTED = {"icebreaker", "tang-nano-9k"}

#: What takes seconds for a board.
thorough = pytest.mark.parametrize(
    "board",
    [
        pytest.param(board, id=name, marks=[pytest.mark.slow] * (name not in QUICK))
        for name, board in BOARDS.items()
    ],
)


def files_of(board, params=MICRO):
    files = plan(board, board.params(params), board.core_mhz).files
    return {k: v if isinstance(v, str) else v.decode() for k, v in files.items()}


@thorough
def test_the_design_elaborates_with_the_pins_of_the_board(board):
    files = files_of(board)
    family = board.device.family
    if not family.makes_bitstreams:
        assert {"top.v", "top.xdc", "top.tcl", "build_top.sh"} <= set(files)
        assert board.device.part in files["top.tcl"]
        pins, design = files["top.xdc"], files["top.v"]
    else:
        pins, design = files[f"top{family.constraints}"], files["top.il"]
    lights = [name for name in (*board.leds, board.error_led) if name]
    for name in ("uart_0__rx", "uart_0__tx", board.clock, *lights, *board.inactive):
        assert name.replace(".", "_", 1).replace(".", "__") in pins, name
    assert len({*lights}) == len(lights)
    if board.flash.resource:
        lines = {"dual": 2, "quad": 4}[board.flash.lines]
        found = re.findall(rf"{board.flash.resource}_0__dq__io\W*(\d)", pins)
        assert {*found} == {*"0123"[:lines]}
        usrmclk = family is ECP5
        assert ("USRMCLK" in design) == usrmclk
        assert (f"{board.flash.resource}_0__clk" in pins) != usrmclk
    else:
        assert board.name == "upduino-v3"
        assert "spi_flash" not in pins
    if family is NEXUS:
        # Of a bare name with brackets nextpnr reads on without an end.
        assert "get_ports {spi_flash_4x_0__dq__io[3]}" in pins
        assert not re.search(r"get_ports \w+\[", pins)
    if board.core_mhz != board.clock_mhz:
        kind = {
            "pad": "SB_PLL40_PAD", "core": "SB_PLL40_CORE", "ecp5": "EHXPLLL", "gowin": "rPLL",
            "gw5a": "PLLA", "vivado": "PLLE2_BASE",
        }[board.pll or family.name]  # fmt: skip
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
            "GW5A-LV25MG121NC1/I0": 890_000, "GW5AST-LV138PG484AC1/I0": 5_500_000,
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


@pytest.mark.parametrize(
    "board",
    [
        pytest.param(board, id=name, marks=[pytest.mark.slow] * (name not in FITTED))
        for name, board in BOARDS.items()
    ],
)
def test_the_network_of_the_board_fits_it(board):
    found = estimate(board.device, inventory(board.params(Params.load(board.preset))))
    assert found.fits, found


def test_boards_come_by_family_small_ones_first():
    seen = list(dict.fromkeys(board.device.family for board in BOARDS.values()))
    assert [family.name for family in seen] == ["ice40", "gowin", "vivado", "gw5a", "ecp5", "nexus"]
    names = list(BOARDS)
    assert names[:4] == ["icebreaker", "upduino-v3", "upduino-v3-standalone", "hx8k-b-evn"]
    assert names.index("ulx3s-12f") < names.index("ulx3s-25f") < names.index("ulx3s-85f")


def test_every_family_has_a_board():
    assert {board.device.family for board in BOARDS.values()} == set(FAMILIES.values())


def example(page):
    """Return the file that a page shows: its path, and its code."""
    text = (DOCS / page).read_text("utf-8")
    (found,) = re.findall(r"`(boards/\w+/\w+\.py)`:\n\n```python\n(.*?)```", text, re.S)
    return found


@pytest.fixture
def add(tmp_path, monkeypatch):
    """Add files to a package of boards, as if they lay in its folder."""

    def put(package, path, code):
        folder = tmp_path / package.__name__
        folder.mkdir(exist_ok=True)
        (folder / Path(path).name).write_text(code)
        if str(folder) not in package.__path__:
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        importlib.invalidate_caches()
        stem = Path(path).stem
        # Imported anew, and forgotten afterwards.
        monkeypatch.setitem(sys.modules, f"{package.__name__}.{stem}", None)
        del sys.modules[f"{package.__name__}.{stem}"]
        monkeypatch.setattr(package, stem, None, raising=False)

    return put


def test_a_new_board_is_one_file(add, monkeypatch):
    path, code = example("add-a-board.md")
    assert Path(path).parent == Path("boards/recipes")
    add(recipes, path, code)
    monkeypatch.setattr(registry, "BOARDS", boards_in(recipes))
    assert set(registry.BOARDS) == {*BOARDS, "example"}
    board = find_board("example")
    params = board.params(Params.load(board.preset))
    assert (params.machine.uart_divisor, params.standalone.flash) == (48, "dual")
    assert estimate(board.device, inventory(params)).fits
    files = design_files(board, board.params(MICRO), board.core_mhz)
    assert 'LOCATE COMP "uart_0__rx__io" SITE "B9";' in files["top.lpf"]
    assert "EHXPLLL" in files["top.il"]
    assert "USRMCLK" in files["top.il"]
    assert files["top.ys"] == synthesis_script(board, MICRO)
    arguments = ECP5.place(board, 3, 48)
    assert arguments[:5] == ["--25k", "--package", "CABGA256", "--speed", "6"]
    assert ECP5.pack(board)[0] == "--compress"


def test_a_new_family_is_one_file(add, monkeypatch):
    path, code = example("add-a-family.md")
    assert Path(path).parent == Path("boards/families")
    add(families, path, code)
    found = families_in(families)
    assert set(found) == {*FAMILIES, "nova"}
    nova = found["nova"]
    with pytest.raises(ToolError, match=r"for nova: .*pip install yowasp-nextpnr-nova"):
        toolchain(nova)

    # With the board of the other page, on the new device.
    code = example("add-a-board.md")[1].replace(
        "popflip.boards.families.ecp5 import ECP5_25F",
        "popflip.boards.families.nova import NOVA_10",
    )
    add(recipes, "on_nova.py", code.replace("ECP5_25F", "NOVA_10"))
    board = boards_in(recipes)["example"]
    assert board.device.family is nova
    files = design_files(board, board.params(MICRO), board.core_mhz)
    for primitive in ("NOVA_PLL", "CFGCLK"):
        assert primitive in files["top.il"]
    assert "\\MULT 36" in files["top.il"]  # 432 MHz, by 9
    assert "synth_nova -top top\n" in files["top.ys"]
    assert nova.place(board, 3, 48) == [
        "--device", "NV10", "--package", "CABGA256", "--speed", "6",
        "--json", "top.json", "--report", "report.json", "--log", "place.log", "--quiet",
        "--seed", "3", "--freq", "48", "--timing-allow-fail", "--lpf", "top.lpf",
        "--write", "top.routed",
    ]  # fmt: skip
    assert nova.pack(board) == ["--compress", "top.routed", "top.bit"]
    guess = estimate(board.device, inventory(board.params(MICRO)))
    assert (guess.fits, guess.available["block"]) == (True, 40)
    with pytest.raises(ValueError, match=r"^core_mhz must be what the PLL of Nova can make of 12"):
        nova.pll(12, 2000)


def test_two_boards_or_families_of_one_name_are_refused(add):
    path, code = example("add-a-board.md")
    add(recipes, path, code)
    add(recipes, "another.py", code)
    with pytest.raises(ValueError, match=r"^there must be one board example, not two: "):
        boards_in(recipes)
    path, code = example("add-a-family.md")
    add(families, path, code.replace('name = "nova"', 'name = "ecp5"'))
    with pytest.raises(ValueError, match=r"^there must be one family ecp5, not two: "):
        families_in(families)


def test_a_recipe_may_import_a_board_of_another(add):
    add(recipes, "again.py", "from popflip.boards.recipes.icebreaker import ICEBREAKER\n")
    assert dict(boards_in(recipes)) == dict(BOARDS)


def test_an_old_name_finds_its_board_with_a_notice():
    text = "board 'upduino-v3-alone' is called 'upduino-v3-standalone' now; the old name stops"
    with pytest.warns(FutureWarning, match=f"^{text}"):
        assert find_board("upduino-v3-alone") is BOARDS["upduino-v3-standalone"]
    assert find_board("upduino-v3-standalone").former == ("upduino-v3-alone",)


def test_old_names_are_nobodys_names():
    former = [name for board in BOARDS.values() for name in board.former]
    assert len({*former, *BOARDS}) == len(former) + len(BOARDS)


def test_every_board_is_in_the_manual():
    text = (DOCS / "boards.md").read_text("utf-8")
    for name in BOARDS:
        family, _, size = name.rpartition("-")
        assert f"`{name}`" in text or (f"`{family}-" in text and f"`-{size}`" in text), name


def test_a_board_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^board must be one of icebreaker, .*, not 'de10'$"):
        find_board("de10")


def test_the_memories_that_never_collide_are_in_the_design():
    """Yosys's selection of a name that is not there would silently be empty."""
    with_memory = set()
    leaky = MICRO.replace(
        network={"hidden": [12, 5]},
        dynamics={"kind": "leaky", "gains": [40] * 3},
        learning={"tau": [3, 2, 2]},
        machine={"latent_lanes": [4, 3, 3]},
    )
    for params in (MICRO, MICRO_SHARED, SMALL_LOCAL.replace(machine={"overlap": True}), leaky):
        text = files_of(BOARDS["icebreaker"], params)["top.il"]
        module = ""
        for line in text.splitlines():
            if line.startswith("module "):
                module = line.split()[1].removeprefix("\\")
            elif re.match(r"\s+memory ", line):
                with_memory.add(module.removeprefix("top.machine."))
    assert unshared(MICRO) == UNSHARED
    for pattern in unshared(leaky):
        assert any(fnmatchcase(name, pattern) for name in with_memory), pattern
    shared = {
        name
        for name in with_memory
        if not any(fnmatchcase(name, pattern) for pattern in unshared(leaky))
    }
    assert shared == {"core.results", "core.feeder"}
