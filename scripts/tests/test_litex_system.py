"""The system of docs/examples/litex: a RISC-V processor, and a machine on its bus."""

import importlib.util
import random

import pytest

from popflip.golden.support.errors import PopflipError
from popflip.golden.training.state import differences
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.litex_system import (
    board_figures,
    compile_system,
    expected,
    missing,
    outcome,
    prepare,
    simulate,
)

PLACED = """\
Info:      TRELLIS_COMB:    2000/  24288     8%
Info: Max frequency for clock '$glbnet$sys_clk': 39.10 MHz (FAIL at 40.00 MHz)
Info:        TRELLIS_FF:    4000/  24288    16%
Info:            DP16KD:      36/     56    64%
Info:      TRELLIS_COMB:    8000/  24288    32%
Info: Max frequency for clock '$glbnet$sys_clk': 50.25 MHz (PASS at 40.00 MHz)
"""


def test_figures_of_a_board():
    assert board_figures(PLACED) == {
        "fmax_mhz": 50.25, "clock_mhz": 40.0,
        "lut": 8000, "lut available": 24288, "ff": 4000, "ff available": 24288,
        "block": 36, "block available": 56,
    }  # fmt: skip


def test_a_clock_that_is_missed():
    with pytest.raises(PopflipError, match=r"clock \$glbnet\$sys_clk reaches 39.10 MHz, and needs"):
        board_figures(PLACED.rsplit("\n", 2)[0])
    with pytest.raises(PopflipError, match="the placer says nothing of a clock"):
        board_figures("")


def test_firmware_that_prints_something_else():
    with pytest.raises(PopflipError, match="this is no image"):
        outcome("open: no answer in time", b"")


@pytest.mark.slow
@pytest.mark.litex
@pytest.mark.timeout(7200)
def test_the_system_learns_what_the_golden_model_learns(tmp_path):
    assert missing() == []
    prepare(tmp_path, 2000, 1000)
    compile_system(tmp_path)
    said, image = simulate(tmp_path)
    found, wanted = outcome(said, image), expected(2000, 1000)
    assert differences(found.state, wanted.state) == []
    assert found[1:] == wanted[1:]
    assert "interrupts: 5\n" in said  # a run to learn, and one for each 256 images


@pytest.mark.litex
def test_the_dma_of_the_page_makes_samples():
    """In Migen's simulator: every byte, and where samples end, whatever the machine's pauses."""
    from litex.soc.interconnect.wishbone import Interface
    from migen import passive, run_simulation

    path = ROOT / "docs" / "examples" / "litex_dma.py"
    spec = importlib.util.spec_from_file_location("litex_dma", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng, size, count = random.Random(1), 7, 5
    data = [rng.randrange(256) for _ in range(size * count + 1)]  # filled up to whole words
    bus = Interface(data_width=32, addressing="word")
    dma = module.SampleDma(bus, size)
    got = []

    def memory():
        while True:
            yield bus.ack.eq(0)
            yield
            if (yield bus.cyc) and (yield bus.stb) and rng.random() < 0.7:
                at = 4 * (yield bus.adr) - 64
                yield bus.dat_r.eq(int.from_bytes(data[at : at + 4], "little"))
                yield bus.ack.eq(1)
                yield

    def machine():
        yield dma.dma._base.storage.eq(64)
        yield dma.dma._length.storage.eq(len(data))
        yield dma.dma._enable.storage.eq(1)
        for _ in range(2000):
            ready = rng.random() < 0.6
            yield dma.source.ready.eq(ready)
            yield
            if ready and (yield dma.source.valid):
                got.append(((yield dma.source.data), (yield dma.source.last)))
        assert (yield dma.dma._done.status)

    run_simulation(dma, [machine(), passive(memory)()])
    assert [byte for byte, _ in got] == data
    assert [i for i, (_, last) in enumerate(got) if last] == [size * i - 1 for i in range(1, 6)]
