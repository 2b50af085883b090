"""The command ``popflip``."""

import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from popflip import __version__
from popflip.golden.support.errors import InputError, PopflipError
from popflip.scripts.console import listen, say

__all__ = ["app", "main", "run"]

app = typer.Typer(
    name="popflip",
    help="Binary neural networks that train themselves on an FPGA by Equilibrium Propagation.",
    epilog="Begin with:  popflip demo",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Packages, and the extra that brings them.
_EXTRAS = {
    "cocotb": "sim",
    "cocotb_tools": "sim",
    "distributed": "sweep",
    "hypothesis": "test",
    "optuna": "sweep",
    "torch": "paper",
}

#: Whether an expected error shows where it came from.
_debug = False

Preset = Annotated[
    str | None,
    typer.Option(
        help="Named network; popflip info lists them. local-small if left out.", metavar="NAME"
    ),
]
Config = Annotated[
    Path | None, typer.Option(help="Network in a TOML file, instead of a preset.", metavar="FILE")
]
Board = Annotated[
    str | None,
    typer.Option(
        help="virtual, as if left out: the generated Verilog, compiled; or a serial port such as "
        "/dev/ttyUSB0.",
        metavar="BOARD",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Software, instead of a board. golden: the model that says what is right; fast: the "
        "same bits, sooner.",
        metavar="NAME",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Of the fast engine; all there are if left out.", metavar="N"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Processes on this computer, one thread each; as many as it has if left out.",
        metavar="N",
    ),
]
Baud = Annotated[
    int | None,
    typer.Option(
        help="Bits per second of a serial port: the board's clock over machine.uart_divisor. "
        "115200 if left out.",
        min=1,
        metavar="N",
    ),
]
Seed = Annotated[int, typer.Option(help="Of the initial weights and of the order of the samples.")]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and nothing else, on standard output."),
]
Data = Annotated[
    str | None,
    typer.Option(help="mnist, or a folder with four IDX files. mnist if left out.", metavar="DATA"),
]


Checkpoint = Annotated[Path, typer.Option(help="checkpoint.npz of a training.", metavar="FILE")]


def _verb(*examples: str):
    """Make a function a verb; its docstring is its help."""

    def register(function):
        paragraphs = inspect.cleandoc(function.__doc__).split("\n\n")
        text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        return app.command(help=text, epilog="\n\n".join(["Examples:", *examples]))(function)

    return register


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
):
    global _debug
    _debug = debug
    if version:
        print(f"popflip {__version__}")
        raise typer.Exit()
    if context.invoked_subcommand is None:
        # Where typer draws its own help this prints it and returns nothing.
        print(context.get_help(), end="")
        raise typer.Exit(2)


def _print_json(report: dict) -> None:
    print(json.dumps(report, indent=1), flush=True)  # here, not at the exit, if it fails


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
    _judge(report)


def _judge(report: dict) -> None:
    """End with status 1 if something is not as the golden model says."""
    if report["verified"] is False:
        say(f"popflip: not verified: {'; '.join(report['differences'])}")
        raise typer.Exit(1)


@_verb(
    "popflip train",
    "popflip train --epochs 10 --out runs/long",
    "popflip train --resume --out runs/long --epochs 20",
    "popflip train --preset dense-wide --samples 5000 --json",
    "popflip train --data ~/fashion-mnist --engine fast --epochs 10",
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
    board: Board = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the initial weights and of the order of samples. 1 if left out.", metavar="N"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/PRESET-seedN if left out.", metavar="DIR"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of results.")
    ] = False,
    verify: Annotated[
        bool | None,
        typer.Option(
            help="Have the golden model learn the same samples beside the board, and compare every "
            "bit at the end. Done if it is a board that learns."
        ),
    ] = None,
    as_json: Json = False,
):
    """Train a network on a board: checkpoints, logs, pictures, and proof that every bit is right.

    Ctrl-C saves a checkpoint and ends; a second one ends at once. Without --resume a training
    begins anew, and replaces the results of an earlier one in the same folder.
    """
    from popflip.golden.description.params import Params
    from popflip.golden.training.trainer import Trainer
    from popflip.scripts.session import (
        DEFAULT_PRESET,
        Target,
        choose_data,
        choose_params,
    )
    from popflip.scripts.training import Order, train

    target = Target(board, baud, engine, threads)
    params = choose_params(preset, config)
    meta, path = None, None
    if resume and out is not None:
        path = out / "checkpoint.npz"
        meta, _ = Trainer.read_checkpoint(path)
        params = params or Params.build(meta["params"])
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
        samples = meta["samples"] if samples is None else samples
        test_samples = meta["test_samples"] if test_samples is None else test_samples
    dataset, source = choose_data(data, path, meta)
    order = Order(
        params, dataset, source, out, epochs=epochs, seed=seed, samples=samples,
        test_samples=test_samples, target=target, resume=resume,
        verify=engine is None if verify is None else verify,
    )  # fmt: skip
    _conclude(order, train(order), as_json)


@_verb("popflip demo", "popflip demo --json > demo.json")
def demo(
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the results.", metavar="DIR")] = Path(
        "runs/demo"
    ),
    samples: Annotated[int | None, typer.Option(help="Training images; all if left out.")] = None,
    as_json: Json = False,
):
    """Watch the generated Verilog learn MNIST, with the golden model checking every bit."""
    from popflip.scripts.session import DEFAULT_PRESET, choose_data, choose_params
    from popflip.scripts.show import tell_story
    from popflip.scripts.training import Order, rehearse, train

    params = choose_params(DEFAULT_PRESET, None)
    assert params is not None
    dataset, source = choose_data(None)
    order = Order(params, dataset, source, out, seed=seed, samples=samples)
    rehearse(order)
    tell_story(order)
    _conclude(order, train(order), as_json)


@_verb(
    "popflip watch",
    "popflip watch --preset ice40up5k --epochs 2 --samples 5000",
    "popflip watch --preset ecp5-85f --engine fast --epochs 20",
    "popflip watch --preset ice40up5k --board /dev/ttyUSB0 --start",
)
def watch(
    preset: Preset = None,
    config: Config = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Of the virtual board or an engine, instead of the network's.", min=1),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Training images in its flash; as many as fit.", min=1)
    ] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images, likewise.", min=1)] = None,
    data: Data = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Content of the virtual board's flash, as data --image writes it."),
    ] = None,
    board: Board = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    start: Annotated[
        bool, typer.Option("--start", help="Have the board begin anew, and watch it.")
    ] = False,
    verify: Annotated[
        bool, typer.Option(help="Have the fast engine train the same beside the virtual board.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/watch-PRESET if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
):
    """Watch a board train by itself, from the data set in its own flash; no host takes part.

    The virtual board is made with that data set in its flash, and what it has learned is compared
    with the software engine, bit for bit. A board at a serial port is only listened to.
    """
    from popflip.scripts.session import DEFAULT_PRESET, Target, choose_params
    from popflip.scripts.show import show_watch
    from popflip.scripts.standalone import Vigil, watch_board

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    vigil = Vigil(
        params, out or Path("runs") / f"watch-{params.name}",
        target=Target(board, baud, engine, threads), epochs=epochs, samples=samples,
        test_samples=test_samples, data=data, image=image, start=start, verify=verify,
    )  # fmt: skip
    report = watch_board(vigil)
    _print_json(report) if as_json else show_watch(report)
    _judge(report)


@_verb(
    "popflip infer --checkpoint runs/demo/checkpoint.npz",
    "popflip infer --checkpoint runs/demo/checkpoint.npz --samples 1000 --json",
    "popflip infer --checkpoint runs/demo/checkpoint.npz --predictions all.csv",
)
def infer(
    checkpoint: Checkpoint,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[int | None, typer.Option(help="Test images; all if left out.")] = None,
    data: Data = None,
    board: Board = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write all predictions as CSV.", metavar="FILE")
    ] = None,
    as_json: Json = False,
):
    """Predict the test images with a trained network, on a board.

    The network is that of the checkpoint. --preset or --config names another machine for it, such
    as one without the training logic.
    """
    from popflip.golden.description.params import Params
    from popflip.golden.training.trainer import Trainer
    from popflip.scripts.inference import infer
    from popflip.scripts.session import (
        Target,
        choose_data,
        choose_params,
        same_network,
    )
    from popflip.scripts.show import show_inference

    params = choose_params(preset, config)
    meta, state = Trainer.read_checkpoint(checkpoint)
    saved = Params.build(meta["params"])
    if params is None:
        params = saved
    else:
        same_network(checkpoint, saved, params)
    dataset, source = choose_data(data, checkpoint, meta)
    report = infer(
        params, state, dataset, checkpoint=checkpoint, source=source, samples=samples,
        target=Target(board, baud, engine, threads), table=predictions,
    )  # fmt: skip
    _print_json(report) if as_json else show_inference(report)


@_verb(
    "popflip verify --samples 500",
    "popflip verify --preset dense-wide --board /dev/ttyUSB0",
    "popflip verify --checkpoint runs/demo/checkpoint.npz",
    "popflip verify --checkpoint moved.npz --board /dev/ttyUSB0",
)
def verify(
    preset: Preset = None,
    config: Config = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Verify this file, instead of a board; or, with --board, compare the two.",
            metavar="FILE",
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Training images to learn. 1000 if left out.", min=1)
    ] = None,
    data: Data = None,
    board: Board = None,
    baud: Baud = None,
    engine: Engine = None,
    threads: Threads = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of the initial weights and of the order of samples. 1 if left out.", metavar="N"
        ),
    ] = None,
    as_json: Json = False,
):
    """Compare a board, or a checkpoint, with the golden model, bit for bit.

    A board learns some samples from scratch, and the golden model the same ones; then weights,
    latents, counters and predictions are read back and must be equal, and so must the cycles of
    each of the first 200 samples. For a checkpoint the golden model learns from scratch all that
    the checkpoint's network has learned. With --checkpoint and --board nothing is learned: what the
    board holds must be what the file holds.
    """
    from popflip.golden.description.params import Params
    from popflip.golden.training.trainer import Trainer
    from popflip.scripts.checks import verify_board, verify_checkpoint
    from popflip.scripts.moving import compare_board
    from popflip.scripts.session import (
        DEFAULT_PRESET,
        Target,
        choose_data,
        choose_params,
    )
    from popflip.scripts.show import show_comparison, show_verification

    if checkpoint is not None and board is not None:
        learning = {"samples": samples, "seed": seed, "data": data}
        for name, given in learning.items():
            if given is not None:
                raise InputError(f"--{name} has no place where nothing is learned")
        meta, state = Trainer.read_checkpoint(checkpoint)
        held = choose_params(preset, config) or Params.build(meta["params"])
        report = compare_board(checkpoint, meta, state, held, Target(board, baud, engine, threads))
        _print_json(report) if as_json else show_comparison(report)
        _judge(report)
        return
    if checkpoint is not None:
        says = {"preset": preset, "config": config, "samples": samples, "seed": seed}
        for name, value in (says | {"baud": baud, "engine": engine, "threads": threads}).items():
            if value is not None:
                why = "says it" if name in says else "is compared without a board"
                raise InputError(f"--{name} has no place beside --checkpoint, which {why}")
        meta, state = Trainer.read_checkpoint(checkpoint)
        dataset, source = choose_data(data, checkpoint, meta)
        report = verify_checkpoint(checkpoint, meta, state, dataset, source)
    else:
        params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
        assert params is not None
        dataset, source = choose_data(data)
        report = verify_board(
            params, dataset, source, target=Target(board, baud, engine, threads),
            samples=min(1000, len(dataset.train_labels)) if samples is None else samples,
            seed=1 if seed is None else seed,
        )  # fmt: skip
    _print_json(report) if as_json else show_verification(report)
    _judge(report)


@_verb(
    "popflip save --board /dev/ttyUSB0 --out moved/checkpoint.npz",
    "popflip save --preset dense-wide --board /dev/ttyUSB0 --baud 1000000",
)
def save(
    board: Annotated[str, typer.Option(help="Serial port, such as /dev/ttyUSB0.", metavar="PORT")],
    preset: Preset = None,
    config: Config = None,
    baud: Baud = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The checkpoint. runs/saved-PRESET/checkpoint.npz if left out.", metavar="FILE"
        ),
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    as_json: Json = False,
):
    """Save what a board has learned, in a checkpoint.

    Weights, latents, flip thresholds, batch and the generator of nudge signs are read from the
    board. infer takes the file, load writes it to another board, and train --resume --out FOLDER
    goes on from a checkpoint.npz in that folder: with the data and the seed that are named here,
    from its first epoch on.
    """
    from popflip.scripts.moving import save_board
    from popflip.scripts.session import DEFAULT_PRESET, Target, choose_data, choose_params
    from popflip.scripts.show import show_saved

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    out = out or Path("runs") / f"saved-{params.name}" / "checkpoint.npz"
    dataset, _ = choose_data(data)
    report = save_board(params, dataset, Target(board, baud), out, seed=seed)
    _print_json(report) if as_json else show_saved(report)


@_verb(
    "popflip load --checkpoint runs/demo/checkpoint.npz --board /dev/ttyUSB0",
    "popflip load --checkpoint runs/demo/checkpoint.npz --board virtual --json",
)
def load(
    checkpoint: Checkpoint,
    preset: Preset = None,
    config: Config = None,
    board: Board = None,
    baud: Baud = None,
    as_json: Json = False,
):
    """Load the network of a checkpoint into a board, and read it back.

    The board may run another machine for the network, which --preset or --config names: other
    lanes, or no training logic, but not other layers, dynamics or latents. The virtual board ends
    with this command: it only shows that the file fits.
    """
    from popflip.golden.description.params import Params
    from popflip.golden.training.trainer import Trainer
    from popflip.scripts.moving import load_board
    from popflip.scripts.session import Target, choose_params
    from popflip.scripts.show import show_comparison

    meta, state = Trainer.read_checkpoint(checkpoint)
    params = choose_params(preset, config) or Params.build(meta["params"])
    report = load_board(checkpoint, meta, state, params, Target(board, baud))
    _print_json(report) if as_json else show_comparison(report)
    _judge(report)


@_verb(
    "popflip serve",
    "popflip serve --preset dense-wide --link /tmp/popflip",
)
def serve(
    preset: Preset = None,
    config: Config = None,
    link: Annotated[
        Path | None,
        typer.Option(help="A symbolic link to the port, for a name that you know.", metavar="PATH"),
    ] = None,
    as_json: Json = False,
):
    """Keep a virtual board at a serial port until Ctrl-C.

    Other commands take the port as --board, one after the other, and find the board as the one
    before has left it.
    """
    from popflip.rtl.interface import check_hardware
    from popflip.scripts.serving import serve
    from popflip.scripts.session import DEFAULT_PRESET, choose_params

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    check_hardware(params)

    def ready(report):
        if as_json:
            _print_json(report)
        else:
            say(f"{report['preset']} is at {report['port']}; Ctrl-C ends it")

    serve(params, link, ready)


@_verb("popflip verilog -o build/verilog", "popflip verilog --config mine.toml -o out --json")
def verilog(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.", metavar="DIR")],
    preset: Preset = None,
    config: Config = None,
    as_json: Json = False,
):
    """Write the Verilog of a network's machine: one file, a manifest, an instantiation template."""
    from popflip.rtl.interface import check_hardware
    from popflip.scripts.package import write_package
    from popflip.scripts.session import DEFAULT_PRESET, choose_params
    from popflip.scripts.show import show_files
    from popflip.scripts.training import prepare_folder

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    check_hardware(params)
    prepare_folder(out)
    files = [str(path) for path in write_package(params, out)]
    report = {"verb": "verilog", "preset": params.name, "digest": params.digest, "files": files}
    _print_json(report) if as_json else show_files(report)


@_verb(
    "popflip cosim",
    "popflip cosim --simulator both --samples 50 --json",
    "popflip cosim --preset dense-wide --simulator verilator",
)
def cosim(
    preset: Preset = None,
    config: Config = None,
    simulator: Annotated[
        str, typer.Option(help="icarus, verilator or both.", metavar="NAME")
    ] = "verilator",
    samples: Annotated[int, typer.Option(help="Training images to learn.", min=1)] = 20,
    batch: Annotated[
        int | None, typer.Option(help="Samples between flips, instead of the network's.", min=1)
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    as_json: Json = False,
):
    """Train the generated core in simulators and compare it with the golden model.

    Every weight, latent, prediction, counter and cycle must be equal.
    """
    from popflip.scripts.cosimulation import run_cosim
    from popflip.scripts.session import DEFAULT_PRESET, choose_data, choose_params
    from popflip.scripts.show import show_cosim

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    report = run_cosim(params, simulator, lambda: choose_data(data), samples, seed, batch)
    _print_json(report) if as_json else show_cosim(report)
    _judge(report)


@_verb(
    "popflip attack",
    "popflip attack --host-frames 0 --board-frames 2000 --seed 7 --json",
    "popflip attack --end board --group 17",
)
def attack(
    host_frames: Annotated[
        int, typer.Option(help="Damaged frames for the host's end of the link.", min=0)
    ] = 1_000_000,
    board_frames: Annotated[
        int, typer.Option(help="For the board's end: the RTL, as a virtual board.", min=0)
    ] = 20_000,
    seed: Annotated[int, typer.Option(help="Of all that is sent.", min=0)] = 1,
    end: Annotated[
        str | None, typer.Option(help="host or board: only this end.", metavar="END")
    ] = None,
    group: Annotated[
        int | None, typer.Option(help="Only this group of that end's frames.", min=0)
    ] = None,
    as_json: Json = False,
):
    """Attack the host link with damaged frames, lies, replays, resets and vanishing hosts.

    Nothing may hang, nothing change but by a good request that is answered, all memories be as
    they were, and the next good frame be heard. A group that fails is sent again by its number.
    """
    from popflip.scripts.attacks import run_attacks
    from popflip.scripts.show_proofs import show_attacks

    report = run_attacks(host_frames, board_frames, seed, end, group)
    _print_json(report) if as_json else show_attacks(report)
    _judge(report)


@_verb(
    "popflip differential",
    "popflip differential --cases 20 --verilog 2 --seed 7 --json",
)
def differential(
    cases: Annotated[int, typer.Option(help="Networks and machines to draw.", min=1)] = 500,
    verilog: Annotated[int, typer.Option(help="How many of them also run as Verilog.", min=0)] = 50,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 1,
    replay: Annotated[
        str | None,
        typer.Option(help="One case, as a failure has printed it, in every way.", metavar="CASE"),
    ] = None,
    as_json: Json = False,
):
    """Compute random machines in every way there is, and compare all bits and cycles.

    The golden model, the fast engine and the core in Amaranth's simulator compute all of them, the
    generated Verilog under Icarus and Verilator some. Of a failure the smallest like it is looked
    for, and printed as the command that repeats it.
    """
    from popflip.scripts.differential import replay_case, run_differential
    from popflip.scripts.show_proofs import show_differential

    report = run_differential(cases, verilog, seed) if replay is None else replay_case(replay)
    _print_json(report) if as_json else show_differential(report)
    if report["replay"]:
        say(report["replay"])
    _judge(report)


@_verb(
    "popflip soak",
    "popflip soak --preset local-small --samples 6000",
    "popflip soak --stop-samples 60000 --json",
)
def soak(
    preset: Annotated[str, typer.Option(help="Named network.", metavar="NAME")] = "ecp5-85f",
    config: Config = None,
    samples: Annotated[
        int | None, typer.Option(help="Training images of the epoch; all if left out.", min=1)
    ] = None,
    stops: Annotated[
        int, typer.Option(help="How often the second training is stopped.", min=0)
    ] = 10,
    stop_samples: Annotated[
        int | None,
        typer.Option(help="Images of the second training. A tenth if left out.", min=1),
    ] = None,
    data: Data = None,
    seed: Seed = 1,
    out: Annotated[Path, typer.Option(help="Folder of the checkpoints.", metavar="DIR")] = Path(
        "runs/soak"
    ),
    as_json: Json = False,
):
    """Learn a whole epoch on the virtual board, and again with stops; compare every bit.

    At each stop the network is saved and the board lost; a new one goes on from the checkpoint.
    What both come to must be what the fast engine comes to.
    """
    from popflip.scripts.session import choose_data, choose_params
    from popflip.scripts.show_proofs import show_soak
    from popflip.scripts.soak import run_soak

    params = choose_params(None if config else preset, config)
    assert params is not None
    if config is None:
        # The fastest line: states take less time to come and go, and no bit depends on it.
        params = params.replace(machine={"uart_divisor": 4})
    dataset, source = choose_data(data)
    report = run_soak(
        params, dataset, source, out, seed=seed, samples=samples, stops=stops,
        stop_samples=stop_samples,
    )  # fmt: skip
    _print_json(report) if as_json else show_soak(report)
    _judge(report)


@_verb(
    "popflip upsets",
    "popflip upsets --preset local-small --rate 0.01 --samples 6000",
)
def upsets(
    preset: Annotated[str, typer.Option(help="Named network.", metavar="NAME")] = "ice40up5k",
    config: Config = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Upsets per bit and epoch. Several times.", metavar="R"),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each rate.", min=1)] = 3,
    epochs: Annotated[int, typer.Option(help="Of each training.", min=1)] = 1,
    samples: Annotated[
        int | None, typer.Option(help="Training images per epoch; all if left out.", min=1)
    ] = None,
    board_samples: Annotated[
        int, typer.Option(help="Samples for the virtual board; 0 for none.", min=0)
    ] = 2000,
    data: Data = None,
    threads: Threads = None,
    picture: Annotated[Path, typer.Option(help="Picture of the errors.", metavar="PNG")] = Path(
        "runs/upsets.png"
    ),
    as_json: Json = False,
):
    """Turn bits of weights and latents over during training, and see what it costs.

    The fast engine trains at several rates of upsets. The virtual board learns with a bit turned
    over behind each sample, and has to end all of them within their bound of cycles.
    """
    from popflip.scripts.session import choose_data, choose_params
    from popflip.scripts.show_proofs import show_upsets
    from popflip.scripts.training import prepare_folder
    from popflip.scripts.upsets import RATES, run_upsets

    params = choose_params(None if config else preset, config)
    assert params is not None
    dataset, source = choose_data(data)
    prepare_folder(picture.parent)
    report = run_upsets(
        params, dataset, source, picture, rates=tuple(rate or RATES), seeds=seeds,
        samples=samples, epochs=epochs, board_samples=board_samples, threads=threads,
    )  # fmt: skip
    _print_json(report) if as_json else show_upsets(report)
    _judge(report)


@_verb("popflip coverage", "popflip coverage --json")
def coverage(as_json: Json = False):
    """Count the lines and bits of the generated Verilog that the benches reach, in Verilator.

    Small networks, which reach all parts of the hardware between them, learn random samples; every
    bit must be as golden says.
    """
    from popflip.scripts.cosimulation import run_coverage
    from popflip.scripts.show_proofs import show_coverage

    report = run_coverage()
    _print_json(report) if as_json else show_coverage(report)


@_verb("popflip mutate", "popflip mutate --mutants 420 --seed 2", "popflip mutate --resume")
def mutate(
    mutants: Annotated[int, typer.Option(help="Faults to draw.", min=1)] = 280,
    network: Annotated[
        list[str] | None,
        typer.Option(help="Only in this one of the small networks. Several times.", metavar="NAME"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(help="Processes; as many as processors if left out.", min=1, metavar="N"),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the journal and of the report.", metavar="DIR")
    ] = Path("runs/mutation"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the journal in that folder ends.")
    ] = False,
    as_json: Json = False,
):
    """Put faults into the hardware, one at a time, and see whether the tests kill each.

    Small networks, which reach all parts of the hardware between them, are turned into netlists;
    yosys draws the faults. Each machine with a fault plays the tests' talks over the pins of the
    virtual board. Status 1: fewer than 95 % were killed. Ctrl-C loses nothing.
    """
    from popflip.cocotb_tests.mutation import NETWORKS
    from popflip.scripts.mutation import run_mutation
    from popflip.scripts.show_proofs import show_mutation

    report = run_mutation(mutants, seed, jobs, out, resume, network or tuple(NETWORKS))
    _print_json(report) if as_json else show_mutation(report)
    _judge(report)


@_verb("popflip info", "popflip info --preset dense-wide --json")
def info(preset: Preset = None, config: Config = None, as_json: Json = False):
    """Show what follows from a network's parameters: layers, memories, registers; list presets."""
    from popflip.scripts.facts import network_facts
    from popflip.scripts.session import DEFAULT_PRESET, choose_params
    from popflip.scripts.show import show_network

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    report = network_facts(params)
    _print_json(report) if as_json else show_network(report)


@_verb(
    "popflip data",
    "popflip data --folder ~/fashion-mnist --json",
    "popflip data --image mnist.img --preset ice40up5k",
)
def data(
    folder: Annotated[
        Path | None,
        typer.Option(help="With four IDX files, instead of MNIST.", metavar="DIR"),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Write it for a board's flash, as a network takes it.", metavar="FILE"),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images in the file; as many as fit if left out.", min=1),
    ] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images, likewise.", min=1)] = None,
    flash_bytes: Annotated[
        int, typer.Option(help="Size of the flash, the bitstream's part included.", min=1)
    ] = 1 << 24,
    as_json: Json = False,
):
    """Fetch MNIST, unless it is there, and check it; or check a folder of IDX files.

    With --image it is also packed for the flash of a board that trains by itself: pixels become
    bits, so that the file is for networks of one kind.
    """
    from popflip.scripts.facts import data_facts
    from popflip.scripts.session import DEFAULT_PRESET, choose_data, choose_params
    from popflip.scripts.show import show_data
    from popflip.scripts.standalone import write_flash_image

    # Here even a folder that is called mnist is meant.
    named = None if folder is None else "./mnist" if str(folder) == "mnist" else str(folder)
    dataset, source = choose_data(named)
    report = data_facts(dataset, source)
    if image is not None:
        params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
        assert params is not None
        report["image_file"] = write_flash_image(
            params, dataset, image, samples, test_samples, flash_bytes
        )
    _print_json(report) if as_json else show_data(report)


@_verb(
    "popflip sweep --vary learning.beta=1..6 --vary learning.tau.0=6..40:log --trials 50",
    "popflip sweep --vary learning.latent_bits=5,6,7,8 --grid --seeds 3 --epochs 5",
    "popflip sweep --preset ecp5-85f --epochs 60 --seeds 5 --validation 0",
    "popflip sweep --vary dynamics.gains=[20,8],[26,9] --scheduler tcp://10.0.0.1:8786",
)
def sweep(
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="A parameter and its values: SECTION.NAME=A,B,C or =LOW..HIGH or =LOW..HIGH:log. "
            "An entry of an array is SECTION.NAME.0. Several times.",
            metavar="AXIS",
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    trials: Annotated[int, typer.Option(help="In all, with those before a resumption.")] = 20,
    epochs: Annotated[int, typer.Option(help="Of each training.")] = 1,
    seeds: Annotated[int, typer.Option(help="Trainings of each trial; their mean counts.")] = 1,
    samples: Annotated[int | None, typer.Option(help="Training images per epoch.")] = None,
    validation: Annotated[
        int,
        typer.Option(
            help="Training images, the last so many, that judge instead. 0: the test set does."
        ),
    ] = 10000,
    grid: Annotated[
        bool, typer.Option("--grid", help="Try every combination of choices, once.")
    ] = False,
    data: Data = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 1,
    workers: Workers = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Of a Dask cluster, to work there instead.", metavar="ADDRESS"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the results. runs/sweep-PRESET if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
):
    """Search parameters: train many networks with the fast engine, side by side.

    The last training images judge; the test set is not touched, unless --validation is 0: to
    report what was chosen. Called again with the same options it goes on where it ended. Results
    are one table and one picture. Without --vary one network is trained, as often as there are
    seeds.
    """
    from popflip.scripts.session import DEFAULT_PRESET, choose_data, choose_params
    from popflip.scripts.show import show_sweep
    from popflip.scripts.sweep import Axis, Sweep, run_sweep
    from popflip.scripts.training import prepare_folder

    params = choose_params(preset, config) or choose_params(DEFAULT_PRESET, None)
    assert params is not None
    axes = tuple(Axis.parse(text) for text in vary or ())
    out = out or Path("runs") / f"sweep-{params.name}"
    _, source = choose_data(data)
    prepare_folder(out)
    plan = Sweep(
        params, axes, source, out, trials=trials, epochs=epochs, seeds=seeds, samples=samples,
        validation=validation, grid=grid, seed=seed, workers=workers, scheduler=scheduler,
    )  # fmt: skip
    report = run_sweep(plan)
    _print_json(report) if as_json else show_sweep(report)


@_verb("popflip ablate", "popflip ablate --epochs 20 --seeds 5 --page ablations.md")
def ablate(
    epochs: Annotated[int, typer.Option(help="Of each training.")] = 5,
    seeds: Annotated[int, typer.Option(help="Trainings of each setting.")] = 3,
    data: Data = None,
    workers: Workers = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the sweeps, to go on with.", metavar="DIR")
    ] = Path("runs/ablations"),
    page: Annotated[
        Path, typer.Option(help="Page to write; its plots go beside it.", metavar="MD")
    ] = Path("docs/ablations.md"),
    as_json: Json = False,
):
    """Vary the settings of a small network one by one, and write a page with what they are worth.

    Half an hour on two cores; called again it goes on where it ended.
    """
    from popflip.scripts.ablations import run_ablations
    from popflip.scripts.session import choose_data
    from popflip.scripts.training import prepare_folder

    _, source = choose_data(data)
    for folder in (out, page.parent):
        prepare_folder(folder)
    report = run_ablations(source, out, page, epochs, seeds, workers)
    _print_json(report) if as_json else typer.echo(f"written: {report['page']}")


@_verb(
    "popflip reproduce --list",
    "popflip reproduce full-fc1-integer",
    "popflip reproduce fc1-binary --epochs 10 --threads 1",
    "popflip reproduce fc1-binary --epochs 50 --resume",
    "popflip reproduce cifar-binary --data ~/cifar-10-batches-bin",
    "popflip reproduce --table",
)
def reproduce(
    row: Annotated[
        str | None, typer.Argument(help="System of the paper; --list shows them.", metavar="ROW")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="In all, with those before a resumption. The paper's if left out.", min=1
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Training images per epoch, the first so many.")
    ] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images, likewise.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with four IDX files, or with the binary version of CIFAR-10, which its "
            "rows need. MNIST if left out.",
            metavar="FOLDER",
        ),
    ] = None,
    seed: Seed = 1,
    threads: Annotated[
        int | None, typer.Option(help="All there are if left out.", metavar="N")
    ] = None,
    device: Annotated[
        str, typer.Option(help="What PyTorch computes on, such as cuda.", metavar="NAME")
    ] = "cpu",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results, runs/reproduce/ROW-seedN if left out; for --table, the "
            "folder above those.",
            metavar="DIR",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder of results.")
    ] = False,
    table: Annotated[
        bool, typer.Option("--table", help="Print every row with what came of it.")
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Print the rows.")] = False,
    as_json: Json = False,
):
    """Train a system of the paper, by the paper's equations and with its parameters.

    Ctrl-C saves a checkpoint and ends; --resume goes on, to the same bits on the same computer with
    as many threads. Rows need PyTorch, but for full-fc1-integer. --json prints a list for --table
    and --list.
    """
    from popflip.golden.paper.systems import find_row
    from popflip.scripts import reproduce as paper
    from popflip.scripts.show import show_reproduction, show_results, show_rows

    if (row is not None) + table + as_list != 1:
        raise InputError("name one of a row, --table and --list")
    if row is None:
        rows = paper.results(out or paper.RESULTS) if table else paper.list_rows()
        if as_json:
            print(json.dumps(rows, indent=1), flush=True)
        else:
            (show_results if table else show_rows)(rows)
        return
    found = find_row(row)
    order = paper.Order(
        found, data, out or paper.RESULTS / f"{row}-seed{seed}",
        epochs=found.epochs if epochs is None else epochs, seed=seed, samples=samples,
        test_samples=test_samples, threads=threads, device=device, resume=resume,
    )  # fmt: skip
    report = paper.reproduce(order)
    _print_json(report) if as_json else show_reproduction(report)
    if not report["finished"]:
        say(
            f"popflip: interrupted in epoch {report['epochs'] + 1} after {report['position']:,} of "
            f"{report['samples']:,} samples; go on with: {report['go_on']}"
        )
        raise typer.Exit(2)


@_verb(
    "popflip bench engine",
    "popflip bench core --preset ecp5-85f --samples 0 --json",
    "popflip bench standalone --samples 0",
    "popflip bench growth --board ulx3s-45f",
)
def bench(
    what: Annotated[str, typer.Argument(help="engine, core, standalone or growth", metavar="WHAT")],
    samples: Annotated[
        int | None,
        typer.Option(
            help="engine: training images that are timed, 20,000 if left out. core, standalone: "
            "images that each machine is simulated for, 256 and 512; 0 for none."
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help="core: a network, several times; those of the boards if left out.", metavar="NAME"
        ),
    ] = None,
    board: Annotated[
        str, typer.Option(help="growth: for which board.", metavar="BOARD")
    ] = "ulx3s-45f",
    data: Data = None,
    threads: Threads = None,
    seed: Seed = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture; runs/bench-WHAT.png if left out.", metavar="PNG"),
    ] = None,
    as_json: Json = False,
):
    """Time the fast engine, count the machines' cycles, or measure how they grow.

    engine: three networks, and how its speed scales with hidden neurons, threads and batch. Each
    figure is the median of three runs, after 4,096 samples to warm up. core: cycles per training
    sample by what they are spent on, after the first epoch, and whether the counters of the virtual
    board say the same. standalone: cycles of reading a sample from the flash and of learning it,
    and what the core of the virtual board waits. growth: bitstreams of 15 sizes, which takes about
    an hour. --json prints a list.
    """
    from popflip.scripts.session import choose_data
    from popflip.scripts.training import prepare_folder

    if what not in ("engine", "core", "standalone", "growth"):
        raise InputError(f"what to bench must be engine, core, standalone or growth, not {what!r}")
    if samples is None:
        samples = {"engine": 20000, "core": 256, "standalone": 512, "growth": 0}[what]
    out = out or Path("runs") / f"bench-{what}.png"
    prepare_folder(out.parent)
    dataset, _ = choose_data(data)
    most = len(dataset.train_labels)
    if not 0 <= samples <= most:
        raise InputError(f"samples must be 0 to {most}, not {samples}")
    show: Callable[[list[dict]], None]
    if what == "engine":
        from popflip.scripts.bench import bench_engine
        from popflip.scripts.show import show_bench

        rows = bench_engine(dataset, samples, seed, out, threads)
        show = partial(show_bench, picture=out)
    elif what == "standalone":
        from popflip.scripts.budget import bench_standalone
        from popflip.scripts.show_boards import show_standalone

        rows = bench_standalone(dataset, samples)
        show = show_standalone
    elif what == "core":
        from popflip.boards.registry import BOARDS
        from popflip.scripts.hardware import bench_core
        from popflip.scripts.show import show_core

        chosen = preset or list(dict.fromkeys(one.preset for one in BOARDS.values()))
        rows = bench_core(dataset, chosen, samples, out)
        show = partial(show_core, picture=out)
    else:
        from popflip.boards.registry import find_board
        from popflip.scripts.hardware import bench_growth
        from popflip.scripts.show import show_growth

        rows = bench_growth(find_board(board), dataset, out)
        show = partial(show_growth, picture=out)
    print(json.dumps(rows, indent=1)) if as_json else show(rows)


OnBoard = Annotated[
    str, typer.Option("--board", help="popflip boards lists them.", metavar="BOARD")
]
Freq = Annotated[
    float | None,
    typer.Option(help="Clock of the machine in MHz, if not the board's own.", metavar="MHZ"),
]
Tools = Annotated[
    str | None,
    typer.Option(
        help="yowasp or native. If left out: YoWASP's packages if all of them are there, else "
        "native ones.",
        metavar="SOURCE",
    ),
]


def _on_board(name: str, preset: str | None, config: Path | None):
    """Return the board of a name, and the network that was named or is the board's own."""
    from popflip.boards.registry import find_board
    from popflip.scripts.session import choose_params

    board = find_board(name)
    params = choose_params(preset, config) or choose_params(board.preset, None)
    assert params is not None
    return board, params


@_verb("popflip fit --board icebreaker", "popflip fit --board ulx3s-85f --config mine.toml --json")
def fit(
    board: OnBoard,
    preset: Preset = None,
    config: Config = None,
    freq: Freq = None,
    search: Annotated[
        bool, typer.Option(help="Look for the largest network of the family.")
    ] = True,
    cycles: Annotated[
        bool, typer.Option(help="Count cycles, on real images after some training.")
    ] = True,
    data: Data = None,
    as_json: Json = False,
):
    """Say whether a network fits a board, before any synthesis, and what limits it.

    Memories are counted exactly, logic by a model of routed designs. Without --preset or --config
    the network is the board's own.
    """
    from popflip.scripts.fitting import fit_board
    from popflip.scripts.session import choose_data
    from popflip.scripts.show_boards import show_fit

    chosen, params = _on_board(board, preset, config)
    dataset = choose_data(data)[0] if cycles else None
    report = fit_board(chosen, params, dataset, core_mhz=freq, search=search)
    _print_json(report) if as_json else show_fit(report)
    if not report["fits"]:
        say(f"popflip: {params.name} does not fit {chosen.title}: too few {report['lacking']}")
        raise typer.Exit(1)


@_verb(
    "popflip build --board icebreaker",
    "popflip build --board ulx3s-85f --seeds 8 --freq 60",
    "popflip build --board tang-nano-20k --config mine.toml --out build/mine --json",
)
def build(
    board: OnBoard,
    preset: Preset = None,
    config: Config = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Placements to try, side by side; the fastest is taken. If left out, one, and "
            "three more if it misses the clock or cannot be routed.",
            min=1,
        ),
    ] = None,
    freq: Freq = None,
    tools: Tools = None,
    data: Data = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the bitstream. build/BOARD if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
):
    """Build a bitstream: synthesis, placement and routing, packing, and a report.

    A design that is slower than its clock is refused. What was built before comes from the cache.
    """
    from popflip.scripts.building import build_board
    from popflip.scripts.session import choose_data
    from popflip.scripts.show_boards import show_build
    from popflip.scripts.training import prepare_folder

    chosen, params = _on_board(board, preset, config)
    out = out or Path("build") / chosen.name
    prepare_folder(out)
    dataset, _ = choose_data(data)
    report = build_board(
        chosen, params, dataset, out, core_mhz=freq, seeds=seeds, tools=tools
    )  # fmt: skip
    _print_json(report) if as_json else show_build(report)


@_verb(
    "popflip flash --board icebreaker --persistent",
    "popflip flash --board ulx3s-85f --bitstream build/ulx3s-85f/ulx3s-85f-ecp5-85f.bit",
    "popflip flash --board ulx3s-85f --persistent --with-data mnist",
    "popflip flash --board ulx3s-85f --with-data mnist.img",
)
def flash(
    board: OnBoard,
    bitstream: Annotated[
        Path | None,
        typer.Option(help="What to write. The one in build/BOARD if left out.", metavar="FILE"),
    ] = None,
    persistent: Annotated[
        bool,
        typer.Option(
            "--persistent/--volatile",
            help="Into the board's flash, or into memory that holds until the power goes.",
        ),
    ] = False,
    with_data: Annotated[
        str | None,
        typer.Option(
            help="For the flash behind the bitstream: mnist or a folder of IDX files, packed "
            "for the network; or an image that data --image wrote.",
            metavar="DATA",
        ),
    ] = None,
    preset: Preset = None,
    config: Config = None,
    samples: Annotated[
        int | None,
        typer.Option(help="Training images of the data; as many as fit if left out.", min=1),
    ] = None,
    test_samples: Annotated[int | None, typer.Option(help="Test images, likewise.", min=1)] = None,
    cable: Annotated[
        str | None,
        typer.Option(help="openFPGALoader's name of a cable, if not the board's own."),
    ] = None,
    as_json: Json = False,
):
    """Configure a board through its cable, with openFPGALoader.

    The network that data are packed for is the one that the build left beside the bitstream, unless
    --preset or --config names it. Nothing of this has been run with a board here, only up to the
    cable.
    """
    from popflip.boards.registry import find_board
    from popflip.scripts.flashing import FlashData, flash_board
    from popflip.scripts.session import choose_params

    params = choose_params(preset, config)
    data = with_data and FlashData(
        source=with_data, params=params, samples=samples, test_samples=test_samples
    )
    report = flash_board(find_board(board), bitstream, persistent, data or None, cable)
    _print_json(report) if as_json else say(f"popflip: {report['board']} is configured")


@_verb("popflip doctor", "popflip doctor --json")
def doctor(as_json: Json = False):
    """Look for every tool, permission and cable that a verb may need, and say how to get it."""
    from popflip.scripts.doctor import examine, report
    from popflip.scripts.show_boards import show_doctor

    found = report(examine())
    _print_json(found) if as_json else show_doctor(found)


@_verb("popflip boards", "popflip boards --build --seeds 4", "popflip boards --json")
def boards(
    build: Annotated[bool, typer.Option("--build", help="Build what is missing.")] = False,
    seeds: Annotated[
        int | None, typer.Option(help="Placements of each build, as for popflip build.", min=1)
    ] = None,
    tools: Tools = None,
    runs: Annotated[
        Path, typer.Option(help="Folder of sweeps, which tell errors.", metavar="DIR")
    ] = Path("runs"),
    page: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown.", metavar="MD")
    ] = None,
    data: Data = None,
    as_json: Json = False,
):
    """List the boards with what they carry: figures of builds and sweeps that were made.

    --json prints a list. Errors are those that popflip sweep --validation 0 has left in runs/.
    """
    from popflip.golden.support.files import write_atomically
    from popflip.scripts.boards import board_rows, table_markdown
    from popflip.scripts.session import choose_data
    from popflip.scripts.show_boards import show_boards

    dataset = choose_data(data)[0] if build else None
    rows = board_rows(runs, build_with=dataset, seeds=seeds, tools=tools)
    if page is not None:
        write_atomically(page, table_markdown(rows).encode())
    print(json.dumps(rows, indent=1)) if as_json else show_boards(rows)


@_verb("popflip prove", "popflip prove link cobs-encoder", "popflip prove --all --json")
def prove(
    names: Annotated[
        list[str] | None, typer.Argument(help="Proofs; all but the slow ones if left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The slow ones, too.")] = False,
    faults: Annotated[
        bool, typer.Option(help="Seed the fault of each claim too, which it has to find.")
    ] = True,
    list_only: Annotated[
        bool, typer.Option("--list", help="Say what would be proven, and run nothing.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(help="Folder for the waveforms of counterexamples.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
):
    """Prove properties of the components, and that each fails on a fault seeded for it.

    Status 1 if a proof fails or a fault is not found. docs/proof.md says what is proven.
    """
    from popflip.scripts.proving import chosen, list_proofs, prove_all
    from popflip.scripts.show import show_proofs

    proofs = chosen(names or [], everything)
    rows = list_proofs(proofs) if list_only else prove_all(proofs, faults=faults, traces=trace)
    report = {"proofs": rows, "passed": all(row["good"] for row in rows)}
    _print_json(report) if as_json else show_proofs(rows)
    if not report["passed"]:
        raise typer.Exit(1)


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
        status = int(app(args=argv, prog_name="popflip", standalone_mode=False) or 0)
        if status == 130:  # what some versions of typer make of Ctrl-C
            raise KeyboardInterrupt
        return status
    except (KeyboardInterrupt, typer.Abort):
        say("popflip: interrupted; what was saved before is whole")
        return 2
    except typer.Exit as done:
        return done.exit_code
    except usage_error as error:
        return _refuse_usage(error)
    except (BrokenPipeError, SystemExit):  # the latter is what click makes of the former
        # Whoever read our words has gone, and wants no complaint; nor may Python's exit make one.
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 2
    except ModuleNotFoundError as error:
        # Of an extra that a verb needs; everything else that is imported has to be there.
        missing = (error.name or "").split(".")[0]
        if _debug or missing not in _EXTRAS:
            raise
        verb = next(word for word in argv if not word.startswith("-"))
        mend = f"pip install 'popflip[{_EXTRAS[missing]}]'"
        say(f"popflip: {verb} needs {missing}, which is not installed: {mend}")
        return 2
    except MemoryError as error:
        say(f"popflip: out of memory: {_one_line(error)}")
        return 2
    except (PopflipError, OSError, RuntimeError, AssertionError) as error:
        if _debug or not _expected(error):
            raise
        say(f"popflip: {_one_line(error)}")
        return 2


def _refuse_usage(error) -> int:
    where = error.ctx.command_path if error.ctx else "popflip"
    text = " ".join(error.format_message().split()).rstrip(".")
    say(f"popflip: {text} ({where} --help says more)")
    return 2


def _expected(error: BaseException) -> bool:
    """Whether an error says something to the user, rather than that popflip is wrong."""
    if isinstance(error, (PopflipError, OSError)):
        return True
    # Of a module that takes a while to import, and has been if it raises.
    return any(kind.__name__ == "BenchError" for kind in type(error).__mro__)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    # A tool's own log may follow the first line.
    first, *more = str(error).rstrip().splitlines() or [type(error).__name__]
    return f"{first} (popflip --debug shows {len(more)} lines of it)" if more else first


def main() -> None:
    """Run the command; the console script."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
