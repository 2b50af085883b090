"""The FPGAs that boards carry. Figures are of the makers' data sheets, as the tools count them."""

from dataclasses import replace

from popflip.boards.board import Device

__all__ = [
    "ARTY_35T",
    "ARTY_100T",
    "ECP5_12F",
    "ECP5_25F",
    "ECP5_45F",
    "ECP5_85F",
    "GW1NR_9",
    "GW2AR_18",
    "HX8K",
    "LIFCL_40",
    "UP5K",
]

_EBR = ((256, 16), (512, 8), (1024, 4), (2048, 2))

UP5K = Device(
    part="iCE40UP5K-SG48",
    flow="ice40",
    options=("--up5k", "--package", "sg48"),
    luts=5280,
    ffs=5280,
    blocks=30,
    shapes=_EBR,
    spram=4,
    dsps=8,
)

HX8K = Device(
    part="iCE40HX8K-CT256",
    flow="ice40",
    options=("--hx8k", "--package", "ct256"),
    luts=7680,
    ffs=7680,
    blocks=32,
    shapes=_EBR,
)

_DP16KD = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

ECP5_25F = Device(
    part="LFE5U-25F",
    flow="ecp5",
    options=("--25k",),
    luts=24288,
    ffs=24288,
    blocks=56,
    shapes=_DP16KD,
    distributed=24,
    dsps=28,
)
#: A 25F with another name, as far as the tools are concerned.
ECP5_12F = replace(ECP5_25F, part="LFE5U-12F", options=("--12k",))
ECP5_45F = replace(
    ECP5_25F, part="LFE5U-45F", options=("--45k",), luts=43848, ffs=43848, blocks=108, dsps=72
)
#: Where the memories of a network take up all of the chip, wires are long: their time has to weigh
#: more than their length, which the placer does not do by itself. (46.0 MHz after placement instead
#: of 40.0, with less wire, for a network with 207 of 208 block RAMs.)
ECP5_85F = replace(
    ECP5_25F,
    part="LFE5U-85F",
    options=("--85k", "--placer-heap-timingweight", "20"),
    luts=83640,
    ffs=83640,
    blocks=208,
    dsps=156,
)

_BSRAM = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

GW1NR_9 = Device(
    part="GW1NR-LV9QN88PC6/I5",
    flow="gowin",
    options=("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
    luts=8640,
    ffs=6480,
    blocks=26,
    shapes=_BSRAM,
    distributed=24,
    dsps=20,
)
GW2AR_18 = Device(
    part="GW2AR-LV18QN88C8/I7",
    flow="gowin",
    options=("--device", "GW2AR-LV18QN88C8/I7", "--vopt", "family=GW2A-18C"),
    luts=20736,
    ffs=15552,
    blocks=46,
    shapes=_BSRAM,
    distributed=24,
    dsps=48,
)

LIFCL_40 = Device(
    part="LIFCL-40-9BG400C",
    flow="nexus",
    options=("--device", "LIFCL-40-9BG400C"),
    luts=32256,
    ffs=32256,
    blocks=84,
    shapes=_DP16KD,
    distributed=24,
)

# Half of a block RAM of 36 kbit each.
_RAMB18 = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))

ARTY_35T = Device(
    part="xc7a35ticsg324-1L",
    flow="vivado",
    luts=20800,
    ffs=41600,
    blocks=100,
    shapes=_RAMB18,
    distributed=24,
    dsps=90,
)
ARTY_100T = replace(
    ARTY_35T, part="xc7a100ticsg324-1L", luts=63400, ffs=126800, blocks=270, dsps=240
)
