import re

import pytest

from popflip.boards.families.nexus import NEXUS


def test_names_with_brackets_get_braces():
    text = (
        "ldc_set_location -site {D16} [get_ports dq[3]]\nset [get_ports {dq[2]}] [get_ports cs]\n"
    )
    assert NEXUS.fix_constraints(text) == text.replace("get_ports dq[3]", "get_ports {dq[3]}")


def test_no_clock_but_the_boards():
    text = "core_mhz must be the 12 MHz of the board's clock for Nexus, whose PLL is not supported"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}, not 24$"):
        NEXUS.pll(12, 24)
