"""An AXI machine as an IP of Vivado: IP-XACT (IEEE 1685-2009), and a Tcl script.

To beware of: nobody here has shown them to Vivado.
"""

import re
from xml.etree import ElementTree

from popflip import __version__
from popflip.golden.description.bus import BusMap
from popflip.golden.description.params import Params
from popflip.golden.description.registers import REGISTER_BITS
from popflip.scripts.verbs.hardware.verilog.ports import Port

__all__ = ["SPIRIT", "component_xml", "vivado_tcl"]

#: Namespace of IEEE 1685-2009.
SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"

#: Interfaces: prefix of the ports, type and role; by the names that Vivado has for them.
_BUSES = {
    "s_axi": ("interface", "aximm", "slave"),
    "s_axis": ("interface", "axis", "slave"),
    "m_axis": ("interface", "axis", "master"),
}

#: Single wires: port, type, role, logical name, parameters.
_SIGNALS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "clk": (
        "clock", "slave", "CLK", {"ASSOCIATED_BUSIF": ":".join(_BUSES), "ASSOCIATED_RESET": "rst"},
    ),
    "rst": ("reset", "slave", "RST", {"POLARITY": "ACTIVE_HIGH"}),
    "irq": ("interrupt", "master", "INTERRUPT", {"SENSITIVITY": "LEVEL_HIGH"}),
}  # fmt: skip

#: Views: what Vivado calls them.
_VIEWS = {
    "xilinx_anylanguagesynthesis": ":vivado.xilinx.com:synthesis",
    "xilinx_anylanguagebehavioralsimulation": ":vivado.xilinx.com:simulation",
}

_TCL = """\
# {heading}
#
# Adds the IP to the catalogue of the project that is open:
#   source {name}_vivado.tcl
# and then, in a block design:
#   create_bd_cell -type ip -vlnv {vlnv} {name}_0
# Nobody has run this in Vivado yet.
set folder [file dirname [file normalize [info script]]]
set paths [get_property ip_repo_paths [current_project]]
set_property ip_repo_paths [lsort -unique [concat $paths [list $folder]]] [current_project]
update_ip_catalog
"""


def _version() -> str:
    """Return two numbers, as Vivado has versions of IPs."""
    return ".".join((re.findall(r"\d+", __version__) + ["0", "0"])[:2])


def vivado_tcl(name: str, heading: str) -> str:
    """Write the script."""
    return _TCL.format(heading=heading, name=name, vlnv=f"popflip:popflip:{name}:{_version()}")


def component_xml(params: Params, name: str, heading: str, ports: list[Port]) -> str:
    """Write the component.

    Parameters
    ----------
    params, name, heading, ports
        The design, its name, a line of comment, its ports.
    """
    ElementTree.register_namespace("spirit", SPIRIT)
    root = ElementTree.Element(_tag("component"))
    for key, value in {
        "vendor": "popflip", "library": "popflip", "name": name, "version": _version(),
    }.items():  # fmt: skip
        _put(root, key, value)
    interfaces = _put(root, "busInterfaces")
    for prefix, (library, kind, role) in _BUSES.items():
        logical = {
            port.name.removeprefix(f"{prefix}_").upper(): port.name
            for port in ports
            if port.name.startswith(f"{prefix}_")
        }
        _interface(interfaces, prefix, library, kind, role, logical, {})
    for wire, (kind, role, word, told) in _SIGNALS.items():
        _interface(interfaces, wire, "signal", kind, role, {word: wire}, told)
    block = _put(_memory_map(root), "addressBlock")
    _put(block, "name", "machine")
    _put(block, "baseAddress", 0)
    _put(block, "range", 1 << BusMap(params, "axi").address_bits)
    _put(block, "width", REGISTER_BITS)
    _put(block, "usage", "register")
    _model(root, name, ports)
    files = _put(_put(root, "fileSets"), "fileSet")
    _put(files, "name", "sources")
    file = _put(files, "file")
    _put(file, "name", f"{name}.v")
    _put(file, "fileType", "verilogSource")
    _put(root, "description", heading)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _tag(name: str) -> str:
    return f"{{{SPIRIT}}}{name}"


def _put(parent, key: str, value=None, **attributes):
    element = ElementTree.SubElement(parent, _tag(key))
    for name, text in attributes.items():
        element.set(_tag(name), text)
    if value is not None:
        element.text = str(value)
    return element


def _interface(parent, name, library, kind, role, logical, told) -> None:
    """Put an interface: from logical names to ports, and what is told of it."""
    interface = _put(parent, "busInterface")
    _put(interface, "name", name)
    for element, suffix in (("busType", ""), ("abstractionType", "_rtl")):
        _put(
            interface, element, vendor="xilinx.com", library=library, name=kind + suffix,
            version="1.0",
        )  # fmt: skip
    inner = _put(interface, role)
    if kind == "aximm":
        _put(inner, "memoryMapRef", memoryMapRef=name)
        told = {"PROTOCOL": "AXI4LITE"} | told
    maps = _put(interface, "portMaps")
    for word, port in logical.items():
        both = _put(maps, "portMap")
        _put(_put(both, "logicalPort"), "name", word)
        _put(_put(both, "physicalPort"), "name", port)
    if told:
        parameters = _put(interface, "parameters")
        for key, value in told.items():
            parameter = _put(parameters, "parameter")
            _put(parameter, "name", key)
            _put(parameter, "value", value, id=f"BUSIFPARAM_VALUE.{name.upper()}.{key}")


def _memory_map(root):
    """Put the memory map, and return it."""
    memory_map = _put(_put(root, "memoryMaps"), "memoryMap")
    _put(memory_map, "name", "s_axi")
    return memory_map


def _model(root, name: str, ports: list[Port]) -> None:
    """Put views and ports."""
    model = _put(root, "model")
    views = _put(model, "views")
    for view, environment in _VIEWS.items():
        element = _put(views, "view")
        _put(element, "name", view)
        _put(element, "envIdentifier", environment)
        _put(element, "language", "Verilog")
        _put(element, "modelName", name)
        _put(_put(element, "fileSetRef"), "localName", "sources")
    listed = _put(model, "ports")
    for port in ports:
        element = _put(listed, "port")
        _put(element, "name", port.name)
        wire = _put(element, "wire")
        _put(wire, "direction", "in" if port.direction == "input" else "out")
        if port.width > 1:
            vector = _put(wire, "vector")
            _put(vector, "left", port.width - 1)
            _put(vector, "right", 0)
