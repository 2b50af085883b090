"""Several rows and seeds, one after another; what is done already is not done again."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from popflip.golden.paper.systems import ROWS, Row
from popflip.golden.support.errors import InputError
from popflip.scripts.console import say
from popflip.scripts.verbs.explore.reproduce.runs import ReproductionJob, reproduce_row
from popflip.scripts.verbs.explore.reproduce.table import read_result

__all__ = ["is_pattern", "rows_like", "train_all"]


def is_pattern(name: str) -> bool:
    """Whether a name stands for several rows."""
    return any(letter in name for letter in "*?[")


def rows_like(pattern: str) -> list[Row]:
    """Rows whose names match a pattern, in the order of the list.

    Raises
    ------
    InputError
        If there is none.
    """
    found = [row for name, row in ROWS.items() if fnmatchcase(name, pattern)]
    if not found:
        raise InputError(f"no row is like {pattern!r}; popflip reproduce --list shows all")
    return found


def train_all(jobs: list[ReproductionJob]) -> Iterable[dict]:
    """Do jobs in their order, and yield the report of each; one that is interrupted is the last.

    A job whose report says that it was done is not done again, and one that was begun goes on from
    its checkpoint.
    """
    for number, job in enumerate(jobs, 1):
        title = f"{number} of {len(jobs)}: {job.row.name} from seed {job.seed}"
        report = _done(job)
        if report:
            say(f"{title}: done, test error {report['test_error']:.2f} %")
        else:
            say(f"{title}, {job.epochs} epoch{'' if job.epochs == 1 else 's'}")
            report = reproduce_row(job.resumed())
        yield report
        if not report["finished"]:
            return


def _done(job: ReproductionJob) -> dict | None:
    """Report of a job that was done before."""
    path = job.out / "report.json"
    if not path.exists():
        return None
    report = read_result(path)
    made = read_result(job.out / "row.json") if (job.out / "row.json").exists() else {}
    same = report.get("choice") == job.choice() and not job.row.fault(made)
    done = report.get("finished") is True and isinstance(report.get("test_error"), float)
    return report if same and done and len(report.get("history", ())) >= job.epochs else None
