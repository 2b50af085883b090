"""A trained network on its way: from a board to a file, and from a file to a board.

The file is the checkpoint of a training. Weights and latents stand in it as arrays, whatever words
a machine keeps them in, so that it fits every machine of the same network.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

from popflip.boards.host.machine import BoardMachine
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError
from popflip.golden.training.checkpoint import CheckpointError
from popflip.golden.training.state import NetworkState, differences
from popflip.scripts.session import Target, TargetReport, open_machine, same_network
from popflip.scripts.tables import add_verdict, pairs, put, target_of

__all__ = [
    "ComparisonReport",
    "Settings",
    "check_machine",
    "check_words",
    "compare_board",
    "compared",
    "differences_of",
    "held_by",
    "show_comparison",
]


class ComparisonReport(TargetReport):
    """What ``popflip load`` and ``popflip verify`` with a checkpoint and a board print."""

    verb: str
    preset: str
    checkpoint: str
    verified: bool
    differences: list[str]
    compared_bits: int
    batch: int
    tau: list[int]


@dataclass(frozen=True)
class Settings:
    """What a board's registers hold that belongs to a training."""

    batch: int
    tau: tuple[int, ...]
    reset_on_flip: bool
    pending: int = 0

    @classmethod
    def on(cls, machine: BoardMachine) -> "Settings":
        values, registers = machine.registers(), machine.params.registers
        tau = tuple(values[registers.tau(layer).name] for layer in range(machine.params.depth))
        return cls(values["batch"], tau, bool(values["options"] & 1), values["pending"])

    @classmethod
    def of(cls, meta: dict) -> "Settings":
        """Those of a checkpoint."""
        origin = meta.get("origin")
        if origin and not meta["epoch"] and not meta["position"]:
            return cls(origin["batch"], tuple(origin["tau"]), origin["reset_on_flip"])
        learning = Params.build(meta["params"]).learning
        return cls(learning.batch, learning.tau_in_epoch(meta["epoch"]), learning.reset_on_flip)


def check_words(path: Path, saved: Params, wanted: Params) -> None:
    """Raise CheckpointError if a machine cannot hold the network of a file."""
    same_network(path, saved, wanted)
    mine, theirs = _latent_bits(saved), _latent_bits(wanted)
    if wanted.machine.training and mine != theirs:
        raise CheckpointError(f"{path} has latents of {mine} bits, and the board's have {theirs}")


def _latent_bits(params: Params) -> str:
    """Say how wide latents are, from the first layer to the last, each width once."""
    bits = [params.learning.latent_bits_of(layer) for layer in range(params.depth)]
    return " and ".join(map(str, dict.fromkeys(bits)))


def check_machine(path: Path, settings: Settings, params: Params) -> None:
    """Raise CheckpointError if a machine cannot learn as a file says."""
    learning = params.learning
    fixed = (learning.batch, learning.reset_on_flip)
    if params.machine.shared_update and (settings.batch, settings.reset_on_flip) != fixed:
        raise CheckpointError(
            f"{path} learns in batches of {settings.batch}"
            f"{' and resets on flip' * settings.reset_on_flip}; the board's shared update engine "
            "cannot"
        )


def held_by(params: Params, state: NetworkState) -> NetworkState:
    """What a machine of some parameters holds of a network: without training logic no latents."""
    if params.machine.training:
        return state
    return state.without_latents()


def compare_board(
    path: Path, meta: dict, state: NetworkState, params: Params, target: Target
) -> ComparisonReport:
    """Compare what a board holds with a checkpoint, and return the report.

    Parameters
    ----------
    path, meta, state, params, target
        Checkpoint, what it holds, and the parameters of the design that the board runs.
    """
    if target.virtual:
        raise InputError("board must be a serial port, not virtual: a new one has learned nothing")
    check_words(path, Params.build(meta["params"]), params)
    settings = Settings.of(meta)
    with open_machine(params, target) as machine:
        assert isinstance(machine, BoardMachine)
        found = differences_of(machine, held_by(params, state), None)
    return compared("verify", path, params, target, found, settings)


def differences_of(
    machine: BoardMachine, state: NetworkState, settings: Settings | None
) -> list[str]:
    """Say in what a board differs from a network, and from settings if they are given."""
    found = differences(machine.read_state(), state)
    if settings is not None:
        got = asdict(Settings.on(machine))
        found += [f"{k}: {got[k]}, not {v}" for k, v in asdict(settings).items() if got[k] != v]
    return found


def compared(
    verb: str,
    path: Path,
    params: Params,
    target: Target,
    found: list[str],
    settings: Settings,
) -> ComparisonReport:
    """Return the report of a comparison that has found some differences."""
    return {
        "verb": verb,
        "preset": params.name,
        "checkpoint": str(path),
        **target.report,
        "verified": not found,
        "differences": found,
        "compared_bits": params.memory_bits,
        "batch": settings.batch,
        "tau": list(settings.tau),
    }


def show_comparison(report: ComparisonReport) -> None:
    """Print the report of a network that was loaded into a board, or compared with it."""
    table = pairs(f"{report['preset']}: {target_of(report)} against {report['checkpoint']}")
    table.add_row("weights and latents", f"{report['compared_bits']:,} bits")
    if report["verb"] == "load":
        text = f"batch {report['batch']}, tau {', '.join(map(str, report['tau']))}"
        table.add_row("settings", text)
    add_verdict(table, report)
    put(table)
