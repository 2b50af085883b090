"""The command: what it prints, how it ends, what it leaves behind."""

import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from popflip import __version__
from popflip.golden.description.params import Params
from popflip.golden.description.reference import to_toml
from popflip.scripts import verbs
from popflip.scripts.cli import GROUPS, verb_help, verb_modules
from popflip.scripts.verbs.train import info

pytestmark = pytest.mark.usefixtures("default_signals")


VERBS = list(verb_modules())


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_has_examples_that_are_accepted(popflip, verb, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, err = popflip(verb, "--help")
    assert (status, err) == (0, "")
    after = out.split("Examples:")[1]
    examples = importlib.import_module(verb_modules()[verb]).VERB.examples
    assert examples
    for example in examples:
        assert example in after
        words = shlex.split(example.split(" > ")[0])
        assert words[:2] == ["popflip", verb]
        # Options are known if asking for help besides them is no error.
        assert popflip(*words[1:], "--help")[0] == 0
        for option in (word for word in words if word.startswith("-")):
            assert option in out, f"{option} is not in the help of {verb}"


def test_without_a_verb_the_help_lists_all(popflip):
    status, out, err = popflip()
    assert (status, err) == (2, "")
    assert out.count("Usage:") == 1
    for verb in VERBS:
        assert re.search(rf"^\W*{verb} ", out, re.MULTILINE), verb


def test_the_version(popflip):
    assert popflip("--version") == (0, "popflip 0.1.0\n", "")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["trian"], r"No such command 'trian'.* \(popflip --help says more\)"),
        (
            ["train", "--epoch", "1"],
            r"No such option.*--epoch.* \(popflip train --help says more\)",
        ),
        (["train", "--epochs", "0"], r"Invalid value for '--epochs': .*\(popflip train --help.*"),
        (["infer"], r"Missing option '--checkpoint' \(popflip infer --help says more\)"),
        (
            ["train", "--preset", "huge"],
            r"preset must be one of dense-wide, .* or a \.toml file, not 'huge'",
        ),
        (
            ["info", "--preset", "dense-wide", "--config", "tiny.toml"],
            r"name one of --preset and --config, not both",
        ),
        (["info", "--config", "absent.toml"], r"cannot read absent\.toml: .*No such file.*"),
        (["info", "--config", "tiny.json"], r"config must be a \.toml file, not 'tiny\.json'"),
        (["train", "--samples", "0"], r"samples must be 1 to 3000, not 0"),
        (["train", "--samples", "3001"], r"samples must be 1 to 3000, not 3001"),
        (["train", "--test-samples", "101"], r"test_samples must be 1 to 100, not 101"),
        (["train", "--seed", "-1"], r"seed must be at least 0, not -1"),
        (["train", "--data", "absent"], r"there is no data set or folder 'absent'; .*"),
        (
            ["train", "--preset", "local-small"],
            r"network\.image must be 8 x 8 for \S+, not 28 x 28",
        ),
        (["train", "--board", "real"], r"board must be virtual or a serial port .*, not 'real'"),
        (
            ["train", "--board", "/dev/ttyNONE"],
            r"no serial port /dev/ttyNONE \(there are: .*\)",
        ),
        (["train", "--out", "tiny.toml/run"], r"tiny\.toml/run: Not a directory"),
        (["train", "--resume", "--out", "absent"], r"absent/checkpoint\.npz does not exist"),
        (["infer", "--checkpoint", "absent.npz"], r"absent\.npz does not exist"),
        (
            ["infer", "--checkpoint", "tiny.toml"],
            r"tiny\.toml is not a checkpoint of popflip, or is damaged",
        ),
        (
            ["verify", "--checkpoint", "a.npz", "--seed", "3"],
            r"--seed has no place beside --checkpoint, which says it",
        ),
        (
            ["verify", "--checkpoint", "a.npz", "--engine", "golden"],
            r"--engine has no place beside --checkpoint, which is compared without a board",
        ),
        (["train", "--engine", "slow"], r"engine must be fast or golden, not 'slow'"),
        (
            ["train", "--engine", "fast", "--threads", "4096"],
            r"threads must be 1 to \d+, as many as there are, not 4096",
        ),
        (
            ["train", "--board", "virtual", "--engine", "fast"],
            r"name one of --board and --engine, not both",
        ),
        (["train", "--threads", "2"], r"threads are the fast engine's: .* --engine fast"),
        (
            ["train", "--data", ""],
            r"data must be the name of a data set, a file or a folder, not ''",
        ),
        (
            ["train", "--data", "~nobody-here/x"],
            r"there is no data set or folder '~nobody-here/x'; .*",
        ),
        (
            ["cosim", "--batch", "70000", "--config", "tiny.toml"],
            r"learning\.batch must be at most 65535, not 70000",
        ),
        (["data", "--data", "./mnist"], r"there is no data set or folder '\./mnist'; .*"),
        (
            ["bench", "model"],
            r"what to bench must be engine, core, .*, buses or live, not 'model'",
        ),
        (["bench", "standalone", "--samples", "-1"], r"samples must be 0 to \d+, not -1"),
        (["bench", "engine", "--samples", "9"], r"samples must be 64 to \d+, not 9"),
        (
            ["bench", "engine", "--threads", "4096"],
            r"threads must be 1 to \d+, as many as there are, not 4096",
        ),
        (
            ["bench", "engine", "--data", ".", "--samples", "64"],
            r"network\.image must be 8 x 8 for .*, not 28 x 28",
        ),
        (["demo", "--seed", "-1"], r"seed must be at least 0, not -1"),
        (["demo", "--samples", "60001"], r"samples must be 1 to 60000, not 60001"),
        (["verify", "--samples", "9999"], r"samples must be 1 to 3000, not 9999"),
        (["cosim", "--simulator", "spice"], r"simulator must be icarus, .* or both, not 'spice'"),
        (["verilog", "-o", "tiny.toml"], r"tiny\.toml is a file, and must be a folder"),
        (["data", "--data", "absent"], r"there is no data set or folder 'absent'; .*"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_line_and_status_2(popflip, folder, argv, line):
    if argv[:1] in (["train"], ["verify"]) and "--checkpoint" not in argv:
        for option, value in (("--data", folder), ("--config", "tiny.toml")):
            if option not in argv and not (option == "--config" and "--preset" in argv):
                argv = [*argv, option, value]
        if argv[0] == "train" and not {"--board", "--engine"} & {*argv}:
            argv = [*argv, "--engine", "golden"]
    status, out, err = popflip(*argv)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("hidden = [12]", "hidden = [0]"), r"network\.hidden\.0 must be at least 1, not 0"),
        (("tau = [3, 2]", "tau = [300, 2]"), r".*tau\[0\] must be at most 127, .*, not 300"),
        (("row_lanes = 64", "row_lanes = 65"), r"machine\.row_lanes must be at most .*, not 65"),
        (("image = [8, 8]", "image = [8, 8"), r"\S+ is not valid TOML: .*"),
    ],
    ids=["no neurons", "narrow latents", "wide lanes", "syntax"],
)
def test_impossible_parameters_get_one_line_and_status_2(popflip, tmp_path, change, line):
    (tmp_path / "bad.toml").write_text(Path("tiny.toml").read_text().replace(*change))
    status, out, err = popflip("train", "--config", tmp_path / "bad.toml")
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"popflip: {line}\n", err), err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("pixel_bits = 8", r"network\.pixel_bits must be 1 in hardware, not 8; .*"),
        ("training = false", r"machine\.training must be true to train on a board, not false"),
        (
            "relax_lanes = 2500",
            r"a word of weights1 must be at most 1015 bytes .*; --engine fast .*",
        ),
    ],
)
def test_a_board_that_cannot_train_is_not_built(popflip, folder, tmp_path, change, line):
    section = "[network]" if "pixel_bits" in change else "[machine]"
    text = Path("tiny.toml").read_text().replace(section, f"{section}\n{change}")
    if "lanes" in change:
        text = Path("tiny.toml").read_text().replace("relax_lanes = 3", "relax_lanes = 9000")
        text = text.replace("classes = 3", "classes = 3\ncopies = 3000")
    (tmp_path / "bad.toml").write_text(text)
    config = ["--config", tmp_path / "bad.toml", "--data", folder]
    for argv in (["train", "--out", tmp_path / "out"], ["cosim"]):
        status, out, err = popflip(*argv, *config)
        assert (status, out) == (2, "")
        assert re.fullmatch(rf"popflip: {line}\n", err), err
    assert not (tmp_path / "out").exists()


def test_debug_shows_where_an_error_came_from(popflip):
    status, out, err = popflip("--debug", "info", "--preset", "huge")
    assert (status, out) == (2, "")
    first, *_, last = err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith("popflip: preset must be one of")


@pytest.mark.parametrize(
    "error", [ValueError("odd"), OSError(5, "odd"), AssertionError("odd"), RuntimeError("odd")]
)
def test_a_fault_of_ours_shows_its_trace_and_asks_for_a_report(popflip, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(info, "describe", fail)
    status, out, err = popflip("info")
    assert (status, out) == (1, "")
    first, *_, last = err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith(f"popflip: this is a fault of popflip {__version__}, not yours: please")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_end_before_any_work_is_one_line(folder, tmp_path, number):
    fifo = tmp_path / "slow.toml"
    os.mkfifo(fifo)
    command = [sys.executable, "-m", "popflip.scripts.cli", "info", "--config", str(fifo)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with open(fifo, "w"):  # opens once the other side reads
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "popflip: interrupted; what was saved before is whole\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_a_reader_that_leaves_is_not_scolded(options):
    command = [sys.executable, "-m", "popflip.scripts.cli", "info", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 2


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="only Linux has a device that is always full"
)
@pytest.mark.parametrize("words", ["info", "info --json", "--help", "--version"])
def test_an_output_that_is_full_is_named(words):
    command = [sys.executable, "-m", "popflip.scripts.cli", *words.split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert re.fullmatch(
        r"popflip: standard output(, or a temporary file)?: No space left on device\n", done.stderr
    )
    assert done.returncode == 2


def test_the_help_imports_nothing_that_takes_long():
    heavy = [
        *("amaranth", "cocotb", "distributed", "hypothesis", "matplotlib", "numba", "numpy"),
        *("optuna", "pydantic", "serial", "torch"),
    ]
    code = (
        "import sys; from popflip.scripts.cli import run; run(['--help']); "
        f"sys.exit(','.join(name for name in {heavy} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_verb_is_a_module_and_has_its_group():
    modules = verb_modules()
    assert {"train", "verilog", "sweep", "mutate"} < {*modules}
    for name, module in modules.items():
        verb = importlib.import_module(module).VERB
        assert verb.name == name
        assert verb_help(module) == verb.help  # which the list of all verbs reads from the source
        assert module.split(".")[3] in GROUPS


def test_a_verb_is_one_file(tmp_path, monkeypatch, command):
    """The worked example of docs: a file in a group's folder, and nothing else."""
    page = (Path(__file__).parents[2] / "docs" / "layout.md").read_text("utf-8")
    (code,) = re.findall(r"group `prove`, is this file:\n\n```python\n(.*?)```", page, re.S)
    (tmp_path / "prove").mkdir()
    (tmp_path / "prove" / "greet.py").write_text(code)
    group = importlib.import_module("popflip.scripts.verbs.prove")
    monkeypatch.setattr(verbs, "__path__", [*verbs.__path__, str(tmp_path)])
    monkeypatch.setattr(group, "__path__", [*group.__path__, str(tmp_path / "prove")])
    assert command("greet", "--name", "you") == (0, "hello, you\n", "")
    status, out, _ = command("--help")
    assert (status, "greet " in out.partition("Prove")[2]) == (0, True)


def test_an_old_name_is_said_once_in_a_line(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text(to_toml(Params.load("local-small")).replace("[standalone]", "[alone]"))
    command = [sys.executable, "-m", "popflip", "info", "--config", path, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        0,
        "popflip: parameter 'alone' is called 'standalone' now; the old name stops with the next "
        "version\n",
    )


def test_the_package_is_the_command():
    for module in ("popflip", "popflip.scripts.cli"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "popflip 0.1.0\n", "")
