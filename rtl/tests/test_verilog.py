import gc
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from popflip.golden.description.random_params import random_params
from popflip.rtl.verilog import convert, generate, waivers


class Partly(wiring.Component):
    """Has a signal of which only bit 0 is ever assigned, and one without bits.

    Also a memory of more words than yosys likes to read in one block.
    """

    words = 200

    def __init__(self):
        super().__init__({"choice": In(1), "bits": Out(2, init=2), "word": Out(4), "none": Out(0)})

    def elaborate(self, platform):
        m = Module()
        with m.If(self.choice):
            m.d.comb += self.bits[0].eq(1)
        kept = Signal(0)
        m.d.sync += kept.eq(self.choice)
        init = [i % 13 for i in range(self.words)]
        m.submodules.memory = memory = Memory(shape=4, depth=self.words, init=init)
        read = memory.read_port()
        address = Signal(range(self.words))
        m.d.sync += address.eq(address + 1)
        m.d.comb += [read.addr.eq(address), read.en.eq(1), self.word.eq(read.data)]
        return m


@pytest.fixture(scope="module")
def partly():
    return convert(Partly(), "partly")


def test_nothing_has_ascending_bits(partly):
    assert "[-1:0]" not in partly


def test_no_block_waits_for_ever(partly):
    """A lone assignment of a constant would have nothing to wait for."""
    lines = partly.splitlines()
    blocks = [i for i, line in enumerate(lines) if line.strip().startswith("always @*")]
    assert blocks, partly
    for i in blocks:
        assert lines[i].endswith("begin"), lines[i]
        assert "$auto$" in lines[i + 1], lines[i + 1]


def test_memories_begin_in_short_blocks(partly):
    blocks = [block.split("  end\n")[0] for block in partly.split("  initial begin\n")[1:]]
    assert [block.count("\n") for block in blocks] == [64, 64, 64, 8]
    words = [int(line.split("'h")[1].rstrip(";"), 16) for b in blocks for line in b.splitlines()]
    assert words == [i % 13 for i in range(Partly.words)]


class Registers(wiring.Component):
    """Registers that change as a whole, in part, and always; and logic of the same shape."""

    def __init__(self):
        super().__init__({"en": In(1), "i": In(4), "kept": Out(4), "part": Out(4), "free": Out(4)})
        self.comb = Signal(4)

    def elaborate(self, platform):
        m = Module()
        with m.If(self.en):
            m.d.sync += [self.kept.eq(self.i), self.part[1:3].eq(self.i)]
            m.d.comb += self.comb.eq(self.i + 1)
        m.d.sync += self.free.eq(self.comb)
        return m


def test_registers_are_assigned_where_they_are_clocked():
    text = re.sub(r"[ \n]+", " ", convert(Registers(), "registers"))
    assert (
        "always @(posedge clk) begin if (en) begin kept <= i; end "
        "if (rst) begin kept <= 4'h0; end end"
    ) in text
    assert "if (en) begin part [2:1] <= i[1:0]; end if (rst) begin part <= 4'h0; end end" in text
    # One of combinational logic is left, and no next state.
    assert text.count("always @*") == 1
    assert not re.search(r"= (kept|part|free) ?;", text), text


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_left_as_it_was(enabled):
    try:
        gc.enable() if enabled else gc.disable()
        convert(Partly(), "partly")
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


def test_collector_is_back_after_a_failure():
    class Broken(Partly):
        def elaborate(self, platform):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        convert(Broken(), "broken")
    assert gc.isenabled()


def test_constant_ports_are_left_out():
    class Fixed(wiring.Component):
        def __init__(self):
            super().__init__({"a": In(1), "b": Out(1), "c": Out(1)})
            self.c = Const(1)

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.b.eq(self.a)
            return m

    text = convert(Fixed(), "fixed")
    assert "input a;" in text
    assert "output b;" in text
    assert not re.search(r"\bc\b", text), text


_PRINT = """
import hashlib, numpy
from popflip.golden.description.random_params import random_params
from popflip.rtl.verilog import generate
text = generate(random_params(numpy.random.default_rng(3)), name="some")
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_same_text_in_any_environment(tmp_path):
    """The seed of Python's hashes differs between processes; the yosys named here does not run."""
    texts = set()
    for seed, yosys in (("1", "system"), ("2", "system,builtin")):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "AMARANTH_USE_YOSYS": yosys,
            "YOSYS": "/does/not/exist",
        }
        run = subprocess.run(
            [sys.executable, "-c", _PRINT],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert run.returncode == 0, run.stderr
        texts.add(run.stdout)
    assert len(texts) == 1, texts


def test_the_core_alone():
    text = generate(random_params(np.random.default_rng(3)), "none", "mine")
    assert "\nmodule mine(" in text
    assert "mine.link" not in text


def test_each_waiver_has_a_reason():
    """Beside it, and none for what could be a fault of the design."""
    text = waivers()
    head, *paragraphs = text.split("\n\n")
    assert head.startswith("`verilator_config\n//")
    for paragraph in paragraphs:
        first, *rest = paragraph.strip().splitlines()
        assert first.startswith("// "), paragraph
        assert any(line.startswith("lint_off -rule ") for line in rest), paragraph
        for line in rest:
            assert line.startswith(("// ", "lint_off -rule ")), line
    for rule in ("LATCH", "UNOPTFLAT", "MULTIDRIVEN", "UNDRIVEN", "ASCRANGE", "PINMISSING"):
        assert rule not in text
