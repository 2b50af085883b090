"""The generated reference says all that there is, and the examples of the API run."""

import doctest
import re

from popflip.boards.host.frames import decode_frame
from popflip.golden.description.bus import BusMap, Refusal
from popflip.golden.description.params import Params
from popflip.golden.description.protocol import RunFlags, Status, Verb
from popflip.golden.description.reference import rows as key_rows
from popflip.rtl.proofs.catalogue import PROOFS
from popflip.scripts.cli import verb_modules
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.documentation.reference import FRAGMENTS, api, worked_frames, write


def cells(fragment):
    """Rows of all tables of a fragment, without their headings."""
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in FRAGMENTS[fragment]().splitlines()
        if line.startswith("|")
    ]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def test_every_key_is_there():
    found = [row[0] for row in cells("keys") if row[0] != "key"]
    assert found == [f"`{row.key}`" for row in key_rows()]
    sections = re.findall(r"^## Section `\[(\w+)\]`$", FRAGMENTS["keys"](), re.MULTILINE)
    assert sections == list(dict.fromkeys(row.section for row in key_rows() if row.section))


def test_every_register_and_region_is_there():
    params = Params.load("ice40up5k").replace(standalone={"flash": "quad"})
    assert [row[1] for row in cells("registers")[1:]] == [f"`{r.name}`" for r in params.registers]
    assert [row[1] for row in cells("regions")[1:]] == [f"`{r.name}`" for r in params.regions]


def test_every_control_register_window_and_refusal_is_there():
    params = Params.load("ice40up5k")
    axi, wishbone = BusMap(params, "axi"), BusMap(params, "wishbone")
    assert [row[1] for row in cells("control")[1:]] == [f"`{r.name}`" for r in axi.registers]
    assert {row[1] for row in cells("windows")[1:]} == {f"`{w.name}`" for w in wishbone.windows}
    assert [row[1] for row in cells("refusals")[1:]] == [f"`{r.name}`" for r in Refusal]


def test_every_request_status_and_flag_is_there():
    assert [row[0] for row in cells("requests")[1:]] == [str(verb.value) for verb in Verb]
    assert [row[0] for row in cells("statuses")[1:]] == [str(status.value) for status in Status]
    assert [row[0] for row in cells("run-flags")[1:]] == [f"`{flag.name}`" for flag in RunFlags]
    assert all(row[2] for row in cells("run-flags"))


def test_every_proof_is_there():
    assert {row[0] for row in cells("proofs")[1:]} == {f"`{proof.name}`" for proof in PROOFS}


def test_every_verb_is_there():
    headings = re.findall(r"^### `popflip (\S+)`$", FRAGMENTS["verbs"](), re.MULTILINE)
    assert headings == list(verb_modules())


def test_worked_frames_are_frames():
    for _, body, wire in worked_frames():
        assert wire[-1] == 0
        assert 0 not in wire[:-1]
        frame = decode_frame(wire[:-1])
        assert (frame.sequence, frame.kind, frame.payload) == (body[1], body[2], body[3:-2])


def test_the_check_value_of_the_page_is_right():
    from popflip.golden.description.protocol import CRC

    page = (ROOT / "docs/reference/link.md").read_text("utf-8")
    assert f"is {CRC.compute(b'123456789'):#06x}." in page


def test_the_examples_of_the_api_run():
    page = (ROOT / "docs/reference/python.md").read_text("utf-8")
    source = "\n".join(re.findall(r"```pycon\n(.*?)```", page, re.DOTALL))
    example = doctest.DocTestParser().get_doctest(source, {}, "python.md", "python.md", 0)
    said = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert result.attempted > 15
    assert result.failed == 0, "".join(said)


def test_pages_that_are_gone_are_removed(tmp_path):
    (tmp_path / "api-gone.md").write_text("old")
    (tmp_path / "drawing.svg").write_text("kept")
    write(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "drawing.svg", *(f"{name}.md" for name in FRAGMENTS), *(f"{name}.md" for name in api()),
    }  # fmt: skip
    assert "api-golden.md" in names
