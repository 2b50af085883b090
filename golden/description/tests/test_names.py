import re

import pytest

from popflip.golden.description.names import LONGEST, checked_name, default_name, is_legal
from popflip.golden.description.params import Params
from popflip.golden.description.presets import preset_names
from popflip.golden.support.errors import InputError

SMALL = Params.build({
    "network": {"image": [6, 6], "first": "dense", "hidden": [5]},
    "dynamics": {"gains": [4, 8]},
    "learning": {"tau": [3, 3]},
})


@pytest.mark.parametrize("name", ["a", "Net1", "digits_10", "x" * LONGEST])
def test_legal(name):
    assert is_legal(name)
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "1net", "_net", "net_", "a__b", "a-b", "a b", "é", "a.b", "a$", "x" * (LONGEST + 1)],
)
def test_no_name(name):
    message = (
        f"name must be a letter, then letters, digits and single underscores, the last of them no "
        f"underscore, at most {LONGEST} in all, not {name!r}"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checked_name(name)


@pytest.mark.parametrize("name", ["module", "Entity", "always_ff", "class", "int", "out", "std"])
def test_words_of_the_languages(name):
    message = f"name must be no word that Verilog, VHDL, C or C++ keep to themselves, not {name!r}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        checked_name(name)


def test_every_network_has_a_legal_name():
    names = [default_name(Params.load(preset)) for preset in preset_names()]
    assert len(set(names)) == len(names)
    for name in [
        *names,
        *(default_name(SMALL.replace(name=n)) for n in ("-", "__", "é ß", "9" * 64)),
    ]:
        assert checked_name(name) == name
    assert default_name(SMALL.replace(name="odd  name-1_")) == "popflip_odd_name_1"
