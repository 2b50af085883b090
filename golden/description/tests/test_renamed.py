"""Old names read for one version, with a notice of one line."""

import pytest

from popflip.golden.description.params import Params, ParamsError
from popflip.golden.description.renamed import with_current_keys

NOTICE = r"^parameter 'alone' is called 'standalone' now; the old name stops with the next version$"


def old_tree():
    tree = Params.load("local-small").model_dump(mode="json")
    tree["alone"] = tree.pop("standalone")
    return tree


def test_an_old_section_reads():
    with pytest.warns(FutureWarning, match=NOTICE):
        params = Params.build(old_tree())
    assert params == Params.load("local-small")


def test_an_old_section_of_a_file_reads(tmp_path):
    path = tmp_path / "old.toml"
    (tmp_path / "new.toml").write_text("[standalone]\nepochs = 3\n")
    path.write_text("[alone]\nepochs = 3\n")
    with pytest.warns(FutureWarning, match=NOTICE), pytest.raises(ParamsError, match="missing"):
        Params.load(path)


def test_an_old_section_of_a_change_reads():
    with pytest.warns(FutureWarning, match=NOTICE):
        params = Params.load("local-small").replace(alone={"epochs": 3})
    assert params.standalone.epochs == 3


def test_both_names_at_once_are_refused():
    tree = old_tree() | {"standalone": {}}
    with pytest.raises(ParamsError) as caught:
        Params.build(tree)
    assert str(caught.value) == ("standalone and its old name, alone, are both given: delete alone")


def test_keys_within_sections_may_change_too(monkeypatch):
    monkeypatch.setattr("popflip.golden.description.renamed.KEYS", {"network.kind": "machine.sort"})
    tree = {"network": {"kind": 1, "copies": 2}, "name": "x"}
    with pytest.warns(FutureWarning, match=r"^parameter 'network.kind' is called 'machine.sort'"):
        assert with_current_keys(tree) == {
            "network": {"copies": 2}, "machine": {"sort": 1}, "name": "x",
        }  # fmt: skip
    assert tree["network"]["kind"] == 1, "what was given stays"


def test_todays_names_pass_in_silence():
    tree = Params.load("local-small").model_dump(mode="json")
    assert with_current_keys(tree) == tree


@pytest.mark.parametrize("tree", [3, None, [], "x"])
def test_what_is_no_tree_is_left_to_complain_about(tree):
    assert with_current_keys(tree) == tree


def test_an_old_register_is_found():
    params = Params.load("local-small").replace(standalone={"flash": "single"})
    with pytest.warns(FutureWarning, match=r"^register 'alone' is called 'standalone' now"):
        assert params.registers["alone"] is params.registers["standalone"]
