import re

import numpy as np
import pytest

from popflip.golden.description.bus import BUSES, MAPPED, BusMap, check_bus
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.description.random_params import random_params
from popflip.golden.support.errors import InputError

DESIGNS = [
    *(Params.load(name) for name in preset_names()),
    *(random_params(np.random.default_rng(seed)) for seed in range(30)),
]
DESIGNS = [params for params in DESIGNS if not params.standalone.lines]


@pytest.mark.parametrize("bus", MAPPED)
def test_windows_lie_apart_at_multiples_of_their_spans(bus):
    for params in DESIGNS:
        bus_map = BusMap(params, bus)
        windows = sorted(bus_map.windows, key=lambda window: window.base)
        end = 0
        for window in windows:
            assert window.base >= end
            assert window.base % window.span == 0
            assert window.n_bytes <= window.span < 2 * window.n_bytes
            end = window.base + window.span
        assert end <= 1 << bus_map.address_bits < 2 * end
        assert bus_map.windows["control"].base == 0
        assert 4 * len(bus_map.registers) <= bus_map.windows["control"].n_bytes


@pytest.mark.parametrize("bus", MAPPED)
def test_every_bit_of_a_region_has_its_place(bus):
    for params in DESIGNS:
        bus_map = BusMap(params, bus)
        assert [w.name for w in bus_map.windows if w.region] == params.regions.names
        for region in params.regions:
            window = bus_map.windows[region.name]
            last = region.depth - 1
            if region.word_bytes == 1:
                assert window.packed
                assert window.address(last) == window.base + last < window.base + window.n_bytes
            else:
                assert 32 * (window.lanes - 1) < region.width <= 32 * window.lanes
                top = window.address(last, window.lanes - 1)
                assert top + 4 <= window.base + window.n_bytes
                assert window.address(1) - window.address(0) == 4 << window.lane_bits


def test_fields_fit_their_registers():
    for bus in MAPPED:
        for register in BusMap(DESIGNS[0], bus).registers:
            ends = [0]
            for field in register.fields:
                assert field.low >= ends[-1]
                ends.append(field.low + field.bits)
            assert ends[-1] <= register.bits
            assert not register.reset >> max(register.bits, 1)


def test_no_such_bus():
    with pytest.raises(
        InputError, match=r"^bus must be one of uart, axi, wishbone, none, not 'i2c'$"
    ):
        check_bus(DESIGNS[0], "i2c")
    with pytest.raises(ValueError, match=r"^bus must be one of axi, wishbone, not 'uart'$"):
        BusMap(DESIGNS[0], "uart")


def test_a_machine_with_a_flash_has_a_serial_line():
    params = DESIGNS[0].replace(standalone={"flash": "quad", "order_bits": 4, "epochs": 2})
    for bus in BUSES:
        if bus in MAPPED:
            message = f"bus must be uart for a machine with a flash (standalone), not {bus!r}"
            with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
                check_bus(params, bus)
        else:
            check_bus(params, bus)
