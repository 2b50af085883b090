import numpy as np
import pytest
from amaranth.hdl import Value

from popflip.golden.description.bus import BUSES
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import IDENTITY_BYTES
from popflip.golden.description.random_params import random_params
from popflip.golden.support.errors import InputError
from popflip.rtl.designs import check_design, design, ports
from popflip.rtl.identity import identity

PARAMS = Params.build({
    "network": {"image": [4, 4], "first": "dense", "hidden": [5], "classes": 3, "copies": 2},
    "dynamics": {"gains": [90, 40]},
    "learning": {"tau": [2, 1], "beta": 3},
    "machine": {"row_lanes": 16, "relax_lanes": 6, "latent_lanes": [4, 6]},
})


def _flat(signature):
    return [
        (path, member.flow, len(Value.cast(value)))
        for path, member, value in signature.flatten(signature.create())
    ]


@pytest.mark.parametrize("bus", BUSES)
def test_ports_are_those_of_the_machine(bus):
    for params in (PARAMS, random_params(np.random.default_rng(3))):
        made = design(params, bus, bytes(IDENTITY_BYTES))
        told = [_flat(each) for each in (ports(params, bus), made.signature)]
        assert told[0] == told[1]


def test_each_front_end_is_another_design():
    found = {bus: identity(PARAMS, bus) for bus in BUSES}
    assert len(set(found.values())) == len(BUSES)
    assert found["uart"] == identity(PARAMS)


def test_what_there_is_not():
    with pytest.raises(InputError, match=r"^bus must be one of .*, not 'pci'$"):
        check_design(PARAMS, "pci")
    grey = PARAMS.replace(network={"pixel_bits": 8})
    with pytest.raises(InputError, match=r"^network.pixel_bits must be 1 in hardware, not 8$"):
        check_design(grey, "axi")
