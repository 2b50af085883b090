"""What Verilator counts of the Verilog."""

import pytest

from popflip.cocotb_tests.simulators import build
from popflip.scripts.campaigns.coverage import count_coverage, read_counts

POINTS = """\
# SystemC::Coverage-3
C '\x01f\x02top.v\x01l\x027\x01n\x023\x01t\x02branch\x01page\x02v_branch/top.core.update0' 4
C '\x01f\x02top.v\x01l\x027\x01n\x023\x01t\x02branch\x01page\x02v_branch/top.core.update0' 3
C '\x01f\x02top.v\x01l\x029\x01n\x023\x01t\x02line\x01page\x02v_line/top.core.update1' 0
C '\x01f\x02top.v\x01l\x022\x01n\x023\x01t\x02toggle\x01page\x02v_toggle/top' 1
"""


def test_counts_are_read_by_part_and_kind():
    counts = {key[:2]: n for key, n in read_counts(POINTS).items() if n}
    assert counts == {("core.update", "line"): 7, ("top", "toggle"): 1}
    assert len(read_counts(POINTS)) == 3


def test_icarus_counts_nothing():
    with pytest.raises(ValueError, match=r"^coverage is counted in verilator, not 'icarus'$"):
        build("icarus", "top", "module top; endmodule", coverage=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_core_that_trains_reaches_most_of_it():
    parts = count_coverage([("narrow", "core")])
    for part in ("core.update", "core.path.relax", "core.output"):
        for kind, least in (("line", 0.9), ("toggle", 0.7)):
            reached, all_ = parts[part][kind]
            assert reached > least * all_, (part, kind)
