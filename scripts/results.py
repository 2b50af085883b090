"""The store of recorded results: every figure that the documentation quotes, with its origin.

One JSON file for each kind of result lies in ``scripts/recorded/``, inside the package, so that an
installed wheel has them too. An entry says which command gave its values, at which commit, with
which tools and seeds, on what kind of machine, and when. Entries are only added: of several with
one name the last one counts, and the others are history.

``popflip record`` adds an entry. README, the documentation and the tables of ``popflip boards``,
``popflip bench`` and ``popflip reproduce --table`` show what is here.
"""

import datetime
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from popflip.golden.support.errors import InputError
from popflip.golden.support.files import read_json, write_atomically

__all__ = [
    "KINDS",
    "PUBLISHED",
    "Accuracy",
    "BoardBuild",
    "Entry",
    "Measured",
    "PaperRow",
    "Published",
    "Training",
    "append",
    "entry_class",
    "latest",
    "read",
    "store_folder",
]

Scalar = bool | int | float | str | None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoardBuild(_Record):
    """A bitstream that was built: ``popflip build``.

    Parameters
    ----------
    device, network : str
        The FPGA's part, and the preset.
    latent_bits : int
    lut, luts, bram, brams, spram : int
        Used, and there are; ``spram`` is used.
    fmax_mhz, clock_mhz : float
        What the routed design reaches (an estimate after placing and routing), and its clock.
    cycles_per_sample, samples_per_s, inferences_per_s : float
        Of training and inference after the first epoch, by the cycle model.
    """

    device: str
    network: str
    latent_bits: int
    lut: int
    luts: int
    bram: int
    brams: int
    spram: int = 0
    fmax_mhz: float
    clock_mhz: float
    cycles_per_sample: float
    samples_per_s: float
    inferences_per_s: float


class Accuracy(_Record):
    """A network trained from several seeds: ``popflip sweep --validation 0``.

    Parameters
    ----------
    network, data : str
        The preset, and the data set.
    sizes : tuple of int
        Neurons of each layer, from the input to the output.
    synapses, latent_bits : int
    epochs : int
    error, spread : float
        Test error after the last epoch in percent: mean and standard deviation over the seeds.
    """

    network: str
    data: str
    sizes: tuple[int, ...]
    synapses: int
    latent_bits: int
    epochs: int
    error: float
    spread: float


class PaperRow(_Record):
    """A system of the paper: ``popflip reproduce ROW``.

    Parameters
    ----------
    row, data : str
    test_error : float
        In percent, after the last epoch.
    errors : tuple of float
        Test error after each epoch; empty of entries from before 2026-11-30.
    difference : float, optional
        To the reference row after as many epochs, in points, of entries without ``errors``.
    epochs, paper_epochs : int
        Done, and those of the paper.
    seconds : float
        Of training alone.
    device : str
        What it ran on.
    """

    row: str
    data: str
    test_error: float
    errors: tuple[float, ...] = ()
    difference: float | None = None
    epochs: int
    paper_epochs: int
    seconds: float
    device: str


class Training(_Record):
    """A training whose bits or cycles were checked: ``popflip demo`` or ``popflip train``.

    Parameters
    ----------
    network, data : str
    sizes : tuple of int
    synapses, epochs : int
    test_error : float
        In percent, after the last epoch.
    cycles_per_sample, cycles_per_inference : float
    bits_equal : int, optional
        Bits of weights and latents that were read back and equal the golden model's.
    samples_per_s : tuple of float
        Least and most training samples/s of the runs, where the virtual board trained.
    board_mcycles_per_s : tuple of float
        Million cycles/s of the virtual board, likewise.
    """

    network: str
    data: str
    sizes: tuple[int, ...]
    synapses: int
    epochs: int
    test_error: float
    cycles_per_sample: float
    cycles_per_inference: float
    bits_equal: int | None = None
    samples_per_s: tuple[float, ...] = ()
    board_mcycles_per_s: tuple[float, ...] = ()


class Measured(_Record):
    """Named figures, and a table: what ``popflip bench``, ``adapt`` and the campaigns report.

    Parameters
    ----------
    figures : dict of str to scalar
    rows : tuple of dict
    """

    figures: dict[str, Scalar] = {}
    rows: tuple[dict[str, Scalar], ...] = ()


#: What the values of each kind's entries are; the kinds are also the names of the files.
KINDS: dict[str, type[_Record]] = {
    "accuracy": Accuracy,
    "adaptation": Measured,
    "bench": Measured,
    "boards": BoardBuild,
    "campaigns": Measured,
    "paper": PaperRow,
    "training": Training,
}

Values = TypeVar("Values", bound=_Record)


class Entry(_Record, Generic[Values]):
    """One recorded result.

    Parameters
    ----------
    name : str
        Of what was measured, unique in its kind but for earlier entries of the same.
    command : str
        What to type to measure it again.
    commit : str
        Of the tree that was measured.
    date : date
    tools : dict of str to str
        Packages that the values depend on, and their versions.
    seeds : tuple of int
    machine : str
        What kind of computer it ran on.
    values : BoardBuild, Accuracy, PaperRow, Training or Measured
    note : str
        What a reader has to know besides.
    void : str
        Why the values stand no longer; empty as long as they do.
    """

    name: Annotated[str, Field(min_length=1)]
    command: Annotated[str, Field(pattern="^(popflip|make) ")]
    commit: Annotated[str, Field(pattern="^[0-9a-f]{7,40}$")]
    date: datetime.date
    tools: dict[str, str] = {}
    seeds: tuple[int, ...] = ()
    machine: str
    values: Values
    note: str = ""
    void: str = ""


class Published(NamedTuple):
    """A figure of somebody else, to read ours beside it."""

    name: str
    network: str
    test_error: float
    source: str
    clock_mhz: float | None = None
    samples_per_s: float | None = None


#: Nothing of this was measured here.
PUBLISHED = (
    Published(
        "ZCU104",
        "ConvCoTM",
        2.4,
        "IEEE TCSI 72(2) 2025, doi 10.1109/TCSI.2024.3519191: trained on the FPGA",
        clock_mhz=50,
        samples_per_s=40000,
    ),
    Published(
        "D-Wave annealer",
        "Equilibrium Propagation",
        11.2,
        "Nat. Commun. 15, 2024, arXiv 2305.18321: 1,000 training images",
    ),
    Published(
        "simulated oscillators",
        "784-500-10, Equilibrium Propagation",
        2.8,
        "arXiv 2505.02103",
    ),
)


def entry_class(kind: str) -> type[Entry]:
    """Return the class of a kind's entries."""
    return Entry.__class_getitem__(KINDS[kind])  # type: ignore[return-value]


def store_folder() -> Path:
    """Folder of the files, one for each kind."""
    return Path(str(resources.files("popflip.scripts") / "recorded"))


def _path(kind: str, folder: Path | None) -> Path:
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return (folder or store_folder()) / f"{kind}.json"


def read(kind: str, folder: Path | None = None) -> list[Entry]:
    """Read all entries of a kind, the oldest first.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`.
    folder : Path, optional
        Of another store than the repository's.

    Raises
    ------
    InputError
        If there is no such kind, or its file is damaged.
    """
    path = _path(kind, folder)
    if not path.exists():
        return []
    try:
        trees = read_json(path, "a store of results")
        return [entry_class(kind).model_validate(tree) for tree in trees]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is damaged: {where}: {first['msg']}") from None
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}") from None


def latest(kind: str, folder: Path | None = None) -> dict[str, Entry]:
    """Read the last entry of each name, in the order in which the names first appeared."""
    return {entry.name: entry for entry in read(kind, folder)}


def append(kind: str, entry: Entry, folder: Path | None = None) -> Path:
    """Add an entry to a kind's file, and return the path of that file.

    Raises
    ------
    InputError
        If there is no such kind, its file is damaged, or the values are of another kind.
    """
    path = _path(kind, folder)
    if not isinstance(entry.values, KINDS[kind]):
        raise InputError(
            f"values must be {KINDS[kind].__name__} for kind {kind}, "
            f"not {type(entry.values).__name__}"
        )
    entries = [*read(kind, folder), entry]
    trees = [one.model_dump(mode="json", exclude_defaults=True) for one in entries]
    write_atomically(path, (json.dumps(trees, indent=1, ensure_ascii=False) + "\n").encode())
    return path
