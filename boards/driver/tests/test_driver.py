"""The C driver on buses that are made up: what it says, and that every wait ends."""

import pytest

from popflip.boards.driver.tests.native import Driver, Result, compile_driver
from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params

PARAMS, IDENTITY = Params.load("ice40hx8k"), bytes(range(1, 17))
MAP = BusMap(PARAMS, "wishbone")


class Bus:
    """Words at addresses; a run that is on never ends."""

    def __init__(self, identity=IDENTITY):
        self.words, self.writes, self.reads = {}, [], 0
        for i in range(4):
            word = int.from_bytes(identity[4 * i : 4 * i + 4], "little")
            self.set(f"id{i}", word)
        self.set("layout", MAP.registers["layout"].reset)

    def set(self, name, value):
        self.words[4 * MAP.registers[name].index] = value

    def read(self, address):
        self.reads += 1
        return self.words.get(address, 0)

    def write(self, address, value):
        self.writes.append(address)
        if address == 4 * MAP.registers["run"].index:
            self.set("status", 1)
        else:
            self.words[address] = value
        return True


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return compile_driver(tmp_path_factory.mktemp("driver"), PARAMS, "wishbone", IDENTITY)


@pytest.fixture
def driver(library):
    return Driver(library, PARAMS)


def test_an_address_with_nothing_behind(driver):
    assert driver.open_bus(lambda address: None, lambda *_: False) == Result.REFUSED
    assert driver.open_bus(lambda address: 0, lambda *_: True) == Result.OTHER_DESIGN
    assert driver.open_bus(lambda address: 0xFFFFFFFF, lambda *_: True) == Result.OTHER_DESIGN


def test_another_design(driver):
    bus = Bus(bytes(16))
    assert driver.open_bus(bus.read, bus.write) == Result.OTHER_DESIGN
    bus = Bus()
    bus.set("layout", 1 | 1 << 8)  # AXI
    assert driver.open_bus(bus.read, bus.write) == Result.OTHER_DESIGN
    assert bus.writes == []


def test_a_run_that_does_not_go_on(driver):
    bus = Bus()
    assert driver.open_bus(bus.read, bus.write, patience=100) == Result.OK
    assert driver.begin(1, 0, 1) == Result.OK
    assert driver.wait() == Result.TIMEOUT
    assert bus.reads < 500
    # Two samples wait, and no run takes them.
    bus.set("status", 1 | 2 << 1)
    bus.reads = 0
    assert driver.wait() == Result.TIMEOUT
    assert bus.reads < 500


def test_what_would_be_refused_is_not_tried(driver):
    """A processor may take a bus's error as the end of its program."""
    bus = Bus()
    assert driver.open_bus(bus.read, bus.write) == Result.OK
    assert driver.write("results", 0, b"x") == Result.RANGE
    assert driver.set("pending", 1) == Result.RANGE
    assert driver.set("tau1", 1) == Result.OK
    assert driver.begin(1, 0, 1) == Result.OK
    writes = len(bus.writes)
    assert driver.read("weights0", 0, 1)[0] == Result.BUSY
    assert driver.write("latents0", 0, bytes(4)) == Result.BUSY
    assert driver.set("tau0", 1) == Result.BUSY
    assert driver.begin(1, 0, 1) == Result.BUSY
    assert driver.write("samples", 1, b"abcd") == Result.BUSY
    assert len(bus.writes) == writes
    assert driver.write("samples", 4, b"abcd") == Result.OK
    assert driver.read("results", 0, 1) == (Result.OK, b"\0")
    assert driver.get("tau0")[0] == Result.OK


def test_bytes_of_a_packed_region_stay_as_they_were(driver):
    bus = Bus()
    assert driver.open_bus(bus.read, bus.write) == Result.OK
    assert driver.write("samples", 0, b"0123456789ab") == Result.OK
    assert driver.write("samples", 3, b"xyzuvw") == Result.OK
    assert driver.read("samples", 0, 12) == (Result.OK, b"012xyzuvw9ab")
    assert driver.read("samples", 5, 2) == (Result.OK, b"zu")


def test_events(driver):
    bus = Bus()
    assert driver.open_bus(bus.read, bus.write) == Result.OK
    assert driver.interrupt(8) == Result.RANGE
    assert bus.writes == []
    assert driver.interrupt(5) == Result.OK
    assert bus.words[4 * MAP.registers["enable"].index] == 5
    bus.set("events", 3)
    assert driver.events() == (Result.OK, 3)
    assert bus.writes[-1] == 4 * MAP.registers["events"].index


def test_a_line_is_no_bus(driver):
    assert driver.open_line(lambda byte: True, lambda: None) == Result.OTHER_DESIGN
