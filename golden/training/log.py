"""Progress within an epoch, and the results of each epoch."""

from dataclasses import asdict, dataclass, field

from popflip.golden.model import Report

__all__ = ["EpochLog", "Log", "Progress"]


@dataclass
class Progress:
    """Where an epoch is, for whoever shows it."""

    epoch: int
    epochs: int
    phase: str
    done: int
    total: int
    seconds: float
    report: Report


@dataclass
class Log:
    """Results of one epoch; errors in percent."""

    epoch: int
    samples: int
    train_error: float
    test_error: float
    flips: list[int]
    seconds: float
    samples_per_s: float

    def columns(self) -> dict[str, object]:
        """Return a row of ``log.csv``: a list has a column per layer."""
        row: dict[str, object] = {}
        for name, value in asdict(self).items():
            if isinstance(value, list):
                row |= {f"{name}{i}": entry for i, entry in enumerate(value)}
            else:
                row[name] = value
        return row


@dataclass
class EpochLog(Log):
    """Results of one epoch; errors in percent."""

    changed_per_sample: float
    tau: list[int]
    cycles_per_sample: float | None = None
    cycles_per_inference: float | None = None
    stage_cycles: dict = field(default_factory=dict)

    def columns(self) -> dict[str, object]:
        """Return a row of ``log.csv``: a list has a column per layer, cycles one per stage."""
        row = super().columns()
        del row["stage_cycles"]
        return row | {f"cycles_{stage}": count for stage, count in self.stage_cycles.items()}
