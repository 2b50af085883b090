"""The command ``popflip``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from popflip import __version__
from popflip.scripts.console import listen, say

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="popflip",
    help="Binary neural networks that train themselves on an FPGA by Equilibrium Propagation.",
    epilog="Begin with:  popflip demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Whether an expected error shows where it came from.
_debug = False

Preset = Annotated[
    str | None,
    typer.Option(help="Named network; `popflip info` lists them.  [default: local-small]"),
]
Config = Annotated[
    Path | None, typer.Option(help="Network in a TOML file, instead of a preset.", metavar="FILE")
]
Board = Annotated[
    str,
    typer.Option(
        help="virtual: the generated Verilog, compiled; golden: the software model; "
        "or a serial port such as /dev/ttyUSB0.",
        metavar="BOARD",
    ),
]
Baud = Annotated[int, typer.Option(help="Bits per second of a serial port.", min=1)]
Seed = Annotated[int, typer.Option(help="Of the initial weights and of the order of the samples.")]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and nothing else, on standard output."),
]
Data = Annotated[
    str | None,
    typer.Option(help="mnist, or a folder with four IDX files.  [default: mnist]", metavar="DATA"),
]


def _examples(*lines: str) -> str:
    return "\n\n".join(["Examples:", *lines])


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
):
    global _debug
    _debug = debug
    if version:
        print(f"popflip {__version__}")
        raise typer.Exit()


def _print_json(report: dict) -> None:
    print(json.dumps(report, indent=1))


def _conclude(order, report: dict, as_json: bool) -> None:
    """Print the report of a training, and end with the status that it deserves."""
    from popflip.scripts.show import show_training
    from popflip.scripts.training import resume_command

    if as_json:
        _print_json(report)
    else:
        show_training(report)
    if not report["finished"]:
        say(
            f"popflip: interrupted in epoch {report['epochs'] + 1} after {report['position']:,} of "
            f"{report['samples']:,} samples; go on with: {resume_command(order)}"
        )
        raise typer.Exit(2)
    if report["verified"] is False:
        say(f"popflip: not verified: {'; '.join(report['differences'])}")
        raise typer.Exit(1)


@app.command(
    epilog=_examples(
        "popflip train",
        "popflip train --epochs 10 --out runs/long",
        "popflip train --resume --out runs/long --epochs 20",
        "popflip train --preset dense-wide --samples 5000 --json",
        "popflip train --data ~/fashion-mnist --board golden",
    )
)
def train(
    preset: Preset = None,
    config: Config = None,
    epochs: Annotated[int, typer.Option(help="In all, with those before a resumption.", min=1)] = 1,
    samples: Annotated[
        int | None, typer.Option(help="Training images per epoch, the first so many.")
    ] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images, likewise.")] = None,
    data: Data = None,
    board: Board = "virtual",
    baud: Baud = 115200,
    seed: Annotated[
        int | None,
        typer.Option(help="Of the initial weights and of the order of samples.  [default: 1]"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results.  [default: runs/PRESET-seedSEED]", metavar="DIR"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of results.")
    ] = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            help="Have the golden model learn the same samples beside the board, and compare every "
            "bit at the end.  [default: --verify, except on the golden model itself]"
        ),
    ] = None,
    as_json: Json = False,
):
    """Train a network on a board: checkpoints, logs, pictures, and proof that every bit is right.

    Ctrl-C saves a checkpoint and ends; a second one ends at once. Without --resume a training
    begins anew, and replaces the results of an earlier one in the same folder.
    """
    from popflip.golden.trainer import Trainer
    from popflip.scripts.session import DEFAULT_PRESET, choose_data, choose_params, params_of
    from popflip.scripts.training import Order, train

    params = choose_params(preset, config)
    meta, path = None, None
    if resume and out is not None:
        path = out / "checkpoint.npz"
        meta, _ = Trainer.read_checkpoint(path)
        params = params or params_of(path, meta)
    params = params or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    if seed is None:
        seed = meta["seed"] if meta else 1
    if out is None:
        out = Path("runs") / f"{params.name}-seed{seed}"
        if resume:
            path = out / "checkpoint.npz"
            meta, _ = Trainer.read_checkpoint(path)
    if meta:
        samples = samples or meta["samples"]
        test_samples = test_samples or meta["test_samples"]
    dataset, source = choose_data(data, path, meta)
    order = Order(
        params, dataset, source, out, epochs=epochs, seed=seed, samples=samples,
        test_samples=test_samples, board=board, baud=baud, resume=resume,
        verify=board != "golden" if verify is None else verify,
    )  # fmt: skip
    _conclude(order, train(order), as_json)


@app.command(epilog=_examples("popflip demo", "popflip demo --json > demo.json"))
def demo(
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="DIR")] = Path(
        "runs/demo"
    ),
    samples: Annotated[int | None, typer.Option(help="Training images; all if left out.")] = None,
    as_json: Json = False,
):
    """Watch the generated Verilog learn MNIST, with the golden model checking every bit."""
    from popflip.scripts.session import choose_data, choose_params
    from popflip.scripts.show import tell_story
    from popflip.scripts.training import Order, train

    params = choose_params("local-small", None)
    assert params is not None
    dataset, source = choose_data(None)
    order = Order(params, dataset, source, out, seed=seed, samples=samples)
    tell_story(order)
    _conclude(order, train(order), as_json)


def run(argv: list[str]) -> int:
    """Run the command with some arguments and return its exit status.

    What the user can cause ends in one line and status 2.
    """
    global _debug
    _debug = False
    listen()
    # typer keeps its own copy of click from some version on; this is the class in either.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        return int(app(args=argv, prog_name="popflip", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        say("popflip: interrupted; files that were there are as they were")
        return 2
    except typer.Exit as done:
        return done.exit_code
    except usage_error as error:
        return _refuse_usage(error)
    except (ValueError, RuntimeError, OSError, AssertionError) as error:
        if _debug or not _expected(error):
            raise
        say(f"popflip: {_one_line(error)}")
        return 2


def _refuse_usage(error) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.ctx.get_help())
        return 2
    where = error.ctx.command_path if error.ctx else "popflip"
    text = " ".join(error.format_message().split()).rstrip(".")
    say(f"popflip: {text} ({where} --help says more)")
    return 2


def _expected(error: BaseException) -> bool:
    """Whether an error says something to the user, rather than that popflip is wrong."""
    if isinstance(error, (ValueError, OSError)):
        return True
    from popflip.boards.link import LinkError
    from popflip.boards.tools import ToolError
    from popflip.boards.transport import TransportError
    from popflip.scripts.session import Failure

    if isinstance(error, (Failure, LinkError, ToolError, TransportError)):
        return True
    return type(error).__name__ == "BenchError"


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def main() -> None:
    """Run the command; the console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
