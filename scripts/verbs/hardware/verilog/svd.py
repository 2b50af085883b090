"""What a bus sees of a machine, as CMSIS-SVD."""

from xml.etree import ElementTree

from popflip import __version__
from popflip.golden.description.bus import BusMap, Window
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS, REGISTER_BYTES, Register
from popflip.golden.support.integers import ceil_div
from popflip.scripts.verbs.hardware.verilog.systemrdl import access_of, fields_of

__all__ = ["svd"]

_ACCESS = {"r": "read-only", "w": "write-only", "rw": "read-write", "w1c": "read-write"}


def svd(params: Params, bus: str, name: str, heading: str, identity: bytes) -> str:
    """Write what a bus sees.

    Parameters
    ----------
    params, bus, name, heading, identity
        As for :func:`popflip.scripts.verbs.hardware.verilog.systemrdl.system_rdl`.
    """
    bus_map = BusMap(params, bus)
    device = ElementTree.Element("device", schemaVersion="1.3")
    for key, value in {
        "name": name,
        "version": __version__,
        "description": heading,
        "addressUnitBits": 8,
        "width": REGISTER_BITS,
        "size": REGISTER_BITS,
        "access": "read-write",
        "resetValue": "0x0",
        "resetMask": "0xFFFFFFFF",
    }.items():
        _put(device, key, value)
    peripheral = _put(_put(device, "peripherals"), "peripheral")
    end = max(window.base + window.span for window in bus_map.windows)
    _put(peripheral, "name", name)
    _put(peripheral, "description", heading)
    _put(peripheral, "baseAddress", "0x0")
    block = _put(peripheral, "addressBlock")
    for key, value in {"offset": "0x0", "size": f"{end:#x}", "usage": "registers"}.items():
        _put(block, key, value)
    interrupt = _put(peripheral, "interrupt")
    _put(interrupt, "name", f"{name}_irq")
    _put(interrupt, "value", 0)
    registers = _put(peripheral, "registers")
    for register in bus_map.registers:
        reset = register.reset
        if register.name.startswith("id"):
            at = REGISTER_BYTES * register.index
            reset = int.from_bytes(identity[at : at + REGISTER_BYTES], "little")
        _register(registers, register, 0, register.name, reset)
    for window in list(bus_map.windows)[1:]:
        if window.name == "registers":
            for register in params.registers:
                _register(registers, register, window.base, f"core_{register.name}", register.reset)
        else:
            _memory(registers, window)
    ElementTree.indent(device)
    return ElementTree.tostring(device, "unicode", xml_declaration=True) + "\n"


def _put(parent, key: str, value=None):
    element = ElementTree.SubElement(parent, key)
    if value is not None:
        element.text = str(value)
    return element


def _register(parent, register: Register, base: int, name: str, reset: int) -> None:
    element = _put(parent, "register")
    access = access_of(register)
    for key, value in {
        "name": name,
        "description": register.about,
        "addressOffset": f"{base + REGISTER_BYTES * register.index:#x}",
        "access": _ACCESS[access],
        "resetValue": f"{reset:#x}",
    }.items():
        _put(element, key, value)
    if access == "w1c":
        _put(element, "modifiedWriteValues", "oneToClear")
    fields = _put(element, "fields")
    for field in fields_of(register):
        inner = _put(fields, "field")
        _put(inner, "name", field.name)
        _put(inner, "description", field.meaning)
        _put(inner, "bitRange", f"[{field.low + field.bits - 1}:{field.low}]")
        if field.values:
            values = _put(inner, "enumeratedValues")
            for each in field.values:
                value = _put(values, "enumeratedValue")
                _put(value, "name", each.name)
                _put(value, "description", each.meaning)
                _put(value, "value", each.value)


def _memory(parent, window: Window) -> None:
    """Put the words of a window as an array of registers."""
    access = "rw" if window.readable and window.writable else "r" if window.readable else "w"
    element = _put(parent, "register")
    for key, value in {
        "dim": ceil_div(window.n_bytes, REGISTER_BYTES),
        "dimIncrement": REGISTER_BYTES,
        "name": f"{window.name}[%s]",
        "description": window.meaning,
        "addressOffset": f"{window.base:#x}",
        "access": _ACCESS[access],
    }.items():
        _put(element, key, value)
