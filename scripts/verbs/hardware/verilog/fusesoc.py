"""A design as a core of FuseSoC."""

import json
import re

from popflip import __version__
from popflip.boards.driver.header import FRONT_ENDS
from popflip.golden.description.bus import MAPPED

__all__ = ["core_file"]

_CORE = """\
CAPI=2:
# {heading}
#
#   fusesoc --cores-root . run --target lint {core}
#   fusesoc --cores-root . run --target sim {core}
#   fusesoc --cores-root . run --target synth {core}
name: {core}
description: {about}

filesets:
  rtl:
    files: [{name}.v]
    file_type: verilogSource
  waivers:
    files: [waivers.vlt]
    file_type: vlt
  bench:
    files: [{name}_tb.v]
    file_type: systemVerilogSource
{more}
targets:
  # What a core gets that depends on this one.
  default:
    filesets: [waivers, rtl]
    toplevel: {name}

  lint:
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [waivers, rtl]
    toplevel: {name}

  # The machine answers with its identity.
  sim:
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2012]
    filesets: [rtl, bench]
    toplevel: {name}_tb

  # For another family: --flow_options or a core of your own that depends on this one.
  synth:
    flow: generic
    flow_options:
      tool: yosys
      arch: ecp5
      output_format: json
    filesets: [rtl]
    toplevel: {name}
"""

_MORE = """\
  {kind}:
    files: [{files}]
    file_type: user
"""


def core_file(name: str, bus: str, heading: str) -> str:
    """Write the core file.

    Parameters
    ----------
    name, bus : str
        What the design is called, and its front end.
    heading : str
        One line.
    """
    more = {}
    if bus in FRONT_ENDS:
        more["driver"] = ["popflip.h", "popflip.c", f"{name}_design.h"]
    if bus in MAPPED:
        more["registers"] = [f"{name}.rdl", f"{name}.svd", f"{name}_regs.h"]
    filesets = (_MORE.format(kind=kind, files=", ".join(files)) for kind, files in more.items())
    version = re.match(r"\d+(\.\d+)*", __version__)
    return _CORE.format(
        heading=heading,
        core=f"popflip::{name}:{version[0] if version else 0}",
        about=json.dumps(heading),
        name=name,
        more="".join(filesets),
    )
