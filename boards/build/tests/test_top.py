from popflip.boards.build.top import write_project
from popflip.boards.registry import BOARDS
from popflip.boards.tests.networks import MICRO


def test_a_board_for_its_makers_tools_gets_a_project(tmp_path):
    board = BOARDS["arty-a7-35t"]
    paths = write_project(board, board.params(MICRO), board.core_mhz, tmp_path)
    assert {path.name for path in paths} >= {"top.v", "top.tcl", "top.xdc", "build_top.sh"}
    assert "module top" in (tmp_path / "top.v").read_text()
    assert "write_bitstream" in (tmp_path / "top.tcl").read_text()
