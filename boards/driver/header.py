"""What the C driver has to know of a design, as a C header."""

from importlib import resources

from popflip import __version__
from popflip.boards.driver.image import image_bytes
from popflip.golden.description.bus import MAPPED, BusMap
from popflip.golden.description.params import Params
from popflip.golden.description.registers import COUNTER_WORDS

__all__ = ["FRONT_ENDS", "design_header", "driver_files"]

#: Front ends that the driver knows, and the number of each.
FRONT_ENDS = {"uart": 0, **MAPPED}

#: Settings that a machine with a shared update engine lacks.
_BATCH = "batch"


def driver_files() -> dict[str, str]:
    """Return the driver: from file name to text."""
    folder = resources.files("popflip.boards.driver")
    return {name: (folder / name).read_text("utf-8") for name in ("popflip.h", "popflip.c")}


def design_header(params: Params, bus: str, name: str, identity: bytes) -> str:
    """Write the header of a design: ``NAME_design``, and numbers of its regions and counters.

    Parameters
    ----------
    params : Params
    bus : str
        A name of :data:`FRONT_ENDS`.
    name : str
        What the design is called.
    identity : bytes
        Of the design.
    """
    windows = BusMap(params, bus).windows if bus in MAPPED else None
    registers, regions = params.registers, params.regions
    guard = f"{name.upper()}_DESIGN_H"
    rows = [
        f"    {{{windows[region.name].base if windows else 0:#x}, {region.depth}, {region.width}}},"
        f" /* {region.name} */"
        for region in regions
    ]
    counters = [
        f"    {name}_count_{counter.name} = {i}, /* {counter.meaning} */"
        for i, counter in enumerate(registers.counters)
    ]
    sample = windows["sample"].base if windows and "sample" in windows.names else 0
    fields = [
        ("{" + ", ".join(f"{byte:#04x}" for byte in identity) + "}", "identity"),
        (FRONT_ENDS[bus], f"front end: {bus}"),
        (params.depth, "weight layers"),
        (int(params.machine.training), "trains"),
        (int(not registers[_BATCH].writable), "batch and options are fixed"),
        (len(regions), "regions"),
        (f"{name}_regions", ""),
        (registers.counters[0].index, "address of the first counter"),
        (len(registers.counters), "counters"),
        (params.network.classes, "classes"),
        (params.machine.sample_slots, "slots"),
        (params.sample_bytes, "bytes of a sample"),
        (f"{sample:#x}", "window `sample`"),
        (params.network.image[0] * params.network.image[1], "pixels"),
        (params.planes, "planes"),
        (f"{name}_thresholds", ""),
        (params.sample_word_bits, "bits of a sample's word"),
        (image_bytes(params), "bytes of an image"),
    ]
    thresholds = ", ".join(map(str, params.network.thresholds))
    lines = [
        f"/* popflip {__version__}, {params.name}, {identity.hex()} */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        '#include "popflip.h"',
        "",
        "/* Regions by number. */",
        "enum {",
        *(f"    {name}_region_{r.name} = {r.index}, /* {r.meaning} */" for r in regions),
        "};",
        "",
        f"/* Counters, for popflip_count; each takes {COUNTER_WORDS} registers. */",
        "enum {",
        *counters,
        "};",
        "",
        f"static const struct popflip_region {name}_regions[] = {{",
        *rows,
        "};",
        "",
        f"static const uint8_t {name}_thresholds[] = {{{thresholds}}};",
        "",
        f"static const struct popflip_design {name}_design = {{",
        *(f"    {value},{f' /* {about} */' if about else ''}" for value, about in fields),
        "};",
        "",
        f"#endif /* {guard} */",
        "",
    ]
    return "\n".join(lines)
