"""Every command that a page tells people to type is run here, or parsed and marked."""

import re
import shlex

import pytest

from popflip.golden.support.errors import InputError
from popflip.scripts.cli import run
from popflip.scripts.documentation.blocks import ROOT
from popflip.scripts.documentation.commands import find_commands, parse_verb

COMMANDS = find_commands()
RUN = sorted({shlex.join(one.words) for one in COMMANDS if not one.reason})


def where(command):
    return f"{command.page}:{command.line}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("typed")


def test_there_are_commands():
    assert len(COMMANDS) > 40
    assert len(RUN) > 8


@pytest.mark.parametrize("command", COMMANDS, ids=where)
def test_the_command_line_takes_it(command):
    if command.words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(command.words[1:]) <= set(targets)
    else:
        parse_verb(command.words)


@pytest.mark.parametrize("typed", RUN)
def test_it_runs(typed, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run(shlex.split(typed)[1:]) == 0, capsys.readouterr().err


def test_commands_are_found_with_their_reasons(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n```sh\npopflip info\n$ make test  # all\n```\n\n"
        "<!-- needs: board -->\n```console\npopflip flash --board 'x y'\n```\n\n"
        "```text\nnothing\n```\n- in a list:\n\n"
        "<!-- takes: hours -->\n```\npopflip soak\n```\n"
    )
    found = find_commands([page])
    assert [(one.line, one.words, one.reason) for one in found] == [
        (3, ["popflip", "info"], ""),
        (4, ["make", "test"], ""),
        (9, ["popflip", "flash", "--board", "x y"], "needs: board"),
        (19, ["popflip", "soak"], "takes: hours"),
    ]


def test_a_reason_may_hold_for_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- all commands take: minutes -->\n```\npopflip soak\n```\n")
    assert [one.reason for one in find_commands([page])] == ["takes: minutes"]


def test_a_reason_that_there_is_not_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- needs: luck -->\n```sh\npopflip info\n```\n")
    with pytest.raises(InputError, match=r"needs must be .* or your data, not 'luck'"):
        find_commands([page])


@pytest.mark.parametrize(
    "typed", ["popflip trian", "popflip train --epoch 3", "popflip bench", "popflip info extra"]
)
def test_what_the_command_line_does_not_take_is_found(typed):
    with pytest.raises(InputError):
        parse_verb(typed.split())
