"""Faults in netlists: what is drawn, and the proof that one changes nothing."""

import re
from dataclasses import replace

import pytest

from popflip.scripts.campaigns.mutation.fault_injection import faulty_netlist, is_no_fault
from popflip.scripts.campaigns.networks import NETWORKS

COUNT = 12


@pytest.fixture(scope="module")
def netlist():
    return faulty_netlist(NETWORKS["narrow"], COUNT, 1)


def test_faults_have_a_number_and_a_place(netlist):
    assert [fault.number for fault in netlist.faults] == list(range(1, COUNT + 1))
    assert len({fault.command for fault in netlist.faults}) == COUNT
    for fault in netlist.faults:
        assert fault.file.startswith("rtl/")
        assert fault.module in ("top", "core", "link", "sample") or "." in fault.module
    assert faulty_netlist(NETWORKS["narrow"], COUNT, 1) == netlist


def test_the_netlist_holds_every_fault(netlist):
    for number in range(1, COUNT + 1):
        assert f"4'h{number:x}" in netlist.verilog
    assert "POPFLIP_FAULT" in netlist.verilog
    assert "negedge" not in netlist.verilog


def test_a_register_that_does_not_begin_at_0_keeps_its_first_value():
    text = faulty_netlist(NETWORKS["standalone"], COUNT, 1).rtlil
    name = r"faulty.top.standalone\S*random\S*"
    [module] = re.findall(rf"^module .{name}\n(.*?)^end$", text, re.M | re.S)
    register = r"SRST_VALUE (\d+)\n(?:    .*\n)*    connect .Q .bits$"
    [begun_anew] = re.findall(register, module, re.M)
    [begins] = re.findall(r"attribute .init (\d+)\n  wire .* .bits$", module, re.M)
    assert begins == begun_anew


def test_a_fault_is_told_from_none(netlist):
    module = "faulty.top.core.readout"
    [text] = re.findall(rf"^module .{module}\n(.*?)^end$", netlist.rtlil, re.M | re.S)
    # The class whose votes are counted, plus one.
    cell = re.search(r"cell \$add (\S+)\n(?:    .*\n)*?    connect .B 1'1\n", text)[1]
    for place, nothing in (
        (f"-mode inv -port Y -portbit 0 -cell {cell}", False),
        (f"-mode const0 -port B -portbit 0 -cell {cell}", False),
        (f"-mode const1 -port B -portbit 0 -cell {cell}", True),
    ):
        fault = replace(netlist.faults[0], command=f"mutate -module {module} {place}")
        assert is_no_fault(netlist, fault) == nothing
