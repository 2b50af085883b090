#!/usr/bin/env python3
"""Make the content of the flash, and a file of what the firmware has printed.

``flash.py make MACHINE NETWORK TRAIN TEST OUT`` joins what `popflip export` wrote, for the machine
in folder MACHINE. ``flash.py learned LOG OUT`` takes the network from the firmware's output, for
`popflip save --image`.
"""

import json
import struct
import sys
from pathlib import Path


def make(machine, network, train, test, out):
    """Write four numbers, the network, and the samples; see main.c."""
    sample = json.loads(Path(machine, "manifest.json").read_text())["sample"]["bytes"]
    parts = [Path(name).read_bytes() for name in (network, train, test)]
    counts = [len(parts[1]) // sample, len(parts[2]) // sample]
    content = struct.pack("<4I", len(parts[0]), *counts, 0)
    for part in parts:
        content += part + bytes(-len(part) % 4)
    Path(out).write_bytes(content)


def learned(log, out):
    """Write the image that the firmware has printed."""
    lines = [line.split() for line in Path(log).read_text(errors="replace").splitlines()]
    digits = [line[1] for line in lines if len(line) == 2 and line[0] == "image"]
    Path(out).write_bytes(bytes.fromhex("".join(digits)))


if __name__ == "__main__":
    {"make": make, "learned": learned}[sys.argv[1]](*sys.argv[2:])
