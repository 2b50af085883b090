"""``popflip load``: from a checkpoint into a board."""

from pathlib import Path

from popflip.boards.host.machine import BoardMachine
from popflip.golden.description.params import Params
from popflip.golden.training.state import NetworkState
from popflip.golden.training.trainer import Trainer
from popflip.scripts.options import Baud, Board, Checkpoint, Config, Json, Port, Preset
from popflip.scripts.session import Target, choose_params, open_machine
from popflip.scripts.transfer import (
    ComparisonReport,
    Settings,
    check_machine,
    check_words,
    compared,
    differences_of,
    held_by,
    show_comparison,
)
from popflip.scripts.verb import Verb, fail_unless_verified, print_json

__all__ = ["VERB", "load_board"]


def load(
    checkpoint: Checkpoint,
    preset: Preset = None,
    config: Config = None,
    board: Board = None,
    port: Port = None,
    baud: Baud = None,
    as_json: Json = False,
) -> None:
    """Load the network of a checkpoint into a board, and read it back.

    The board may run another machine for the network, which --preset or --config names: other
    lanes, or no training logic, but not other layers, dynamics or latents. The virtual board ends
    with this command: it only shows that the file fits.
    """
    from popflip.golden.description.params import Params

    target = Target(board, baud, port=port, config=config)
    meta, state = Trainer.read_checkpoint(checkpoint)
    params = choose_params(preset, config, board) or Params.build(meta["params"])
    report = load_board(checkpoint, meta, state, params, target)
    print_json(report) if as_json else show_comparison(report)
    fail_unless_verified(report)


VERB = Verb(
    load,
    examples=(
        "popflip load --checkpoint runs/demo/checkpoint.npz --board /dev/ttyUSB0",
        "popflip load --checkpoint runs/demo/checkpoint.npz --board virtual --json",
    ),
)


def load_board(
    path: Path, meta: dict, state: NetworkState, params: Params, target: Target
) -> ComparisonReport:
    """Load a checkpoint's network into a board, read it back, and return the report.

    Parameters
    ----------
    path : Path
        Of the checkpoint.
    meta : dict
    state : NetworkState
        What it holds.
    params : Params
        Of the design that the board runs.
    target : Target

    Raises
    ------
    CheckpointError
        If the board's network is another one, or has other latents.
    """
    check_words(path, Params.build(meta["params"]), params)
    settings, held = Settings.of(meta), held_by(params, state)
    check_machine(path, settings, params)
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        machine.write_state(held)
        machine.configure(
            batch=settings.batch, tau=settings.tau, reset_on_flip=settings.reset_on_flip
        )
        found = differences_of(machine, held, settings)
    return compared("load", path, params, target, found, settings)
