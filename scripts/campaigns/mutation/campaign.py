"""Faults in the hardware, and whether the tests see them: the campaign as the command runs it."""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from popflip.boards.tools import require
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors, read_text, write_atomically
from popflip.rtl.identity import source_digest
from popflip.scripts.campaigns.mutation.equivalent_mutants import explanation
from popflip.scripts.campaigns.mutation.fault_injection import is_no_fault
from popflip.scripts.campaigns.mutation.judging import Stage, Verdict, judge_faults
from popflip.scripts.campaigns.networks import NETWORKS
from popflip.scripts.console import Display
from popflip.scripts.session import Failure, results_folder

__all__ = ["GOAL", "journal_digest", "run_mutation"]

#: Share that has to be killed of the faults that are not explained.
GOAL = 0.95

# What decides on a fault, besides the machines.
_SOURCES = (
    "cocotb_tests/cosim.py",
    "cocotb_tests/stimulus.py",
    "scripts/campaigns/attack/link_model.py",
    "scripts/campaigns/mutation/fault_injection.py",
    "scripts/campaigns/mutation/judging.py",
    "scripts/campaigns/scenarios/refusals.py",
    "scripts/campaigns/scenarios/scenario.py",
    "scripts/campaigns/scenarios/standalone.py",
    "scripts/campaigns/scenarios/training.py",
)


def run_mutation(
    count: int,
    seed: int,
    jobs: int | None,
    out: Path,
    resume: bool,
    networks: Iterable[str] = tuple(NETWORKS),
) -> dict:
    """Judge faults; return the report that ``--json`` prints.

    Parameters
    ----------
    count : int
        Faults, as evenly spread over the networks as goes.
    seed : int
        Of the draw.
    jobs : int, optional
        Processes; as many as there are processors if left out.
    out : Path
        Folder of the journal, ``journal.jsonl``, and of the report, ``report.json``.
    resume : bool
        Whether to go on where the journal ends.
    networks : iterable of str
        Of :data:`popflip.scripts.campaigns.networks.NETWORKS`.
    """
    networks = list(networks)
    for name in networks:
        if name not in NETWORKS:
            raise InputError(f"network must be {', '.join(NETWORKS)}, not {name!r}")
    if count < len(networks):
        raise InputError(f"mutants must be at least {len(networks)}, one a network, not {count}")
    jobs = jobs or os.cpu_count() or 1
    for name, value, least in (("seed", seed, 0), ("jobs", jobs, 1)):
        if value < least:
            raise InputError(f"{name} must be at least {least}, not {value}")
    require("verilator", "perl", "make", "g++")
    with results_folder(out):
        return _judge_all(count, seed, jobs, out, resume, networks)


def _judge_all(count, seed, jobs, out, resume, networks) -> dict:
    started = time.monotonic()
    each = {n: count // len(networks) + (i < count % len(networks)) for i, n in enumerate(networks)}
    journal = _Journal(out / "journal.jsonl", journal_digest(each, seed), resume)
    with Display() as display:
        stages = {}
        for done, (name, n) in enumerate(each.items()):
            display.show("machines", done, len(each), f"{name}: {n} faults")
            stages[name] = stage = Stage(name, n, seed)
            if any((name, fault.number) not in journal.verdicts for fault in stage.netlist.faults):
                stage.compile()
        display.show("machines", len(each), len(each))
        faults = {
            (name, fault.number): fault
            for name, stage in stages.items()
            for fault in stage.netlist.faults
        }
        left = [key for key in faults if key not in journal.verdicts]
        for name, n in each.items():
            here = [key for key in left if key[0] == name]
            for network, number, verdict in judge_faults(here, n, seed, jobs):
                journal.add(network, number, verdict)
                killed = sum(v.killed for v in journal.verdicts.values())
                done = len(journal.verdicts)
                display.show("faults", done, len(faults), f"{killed} of {done} killed")
        alive = [key for key in faults if not journal.verdicts[key].killed]
        for done, (name, number) in enumerate(alive):
            display.show("proofs", done, len(alive), "of those that nothing kills")
            if journal.verdicts[name, number].equal is None:
                equal = is_no_fault(stages[name].netlist, faults[name, number])
                journal.add(name, number, Verdict(False, equal=equal))
        display.show("proofs", len(alive), len(alive))
    hardware = {name: stage.netlist.digest for name, stage in stages.items()}
    report = _report(faults, journal.verdicts, seed, hardware) | {
        "jobs": jobs,
        "journal": str(journal.path),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_atomically(out / "report.json", json.dumps(report, indent=1).encode())
    return report


class _Journal:
    """Verdicts in a file, each as soon as it is there: nothing is lost by an interruption."""

    def __init__(self, path: Path, digest: str, resume: bool):
        self.path = path
        self.verdicts: dict[tuple[str, int], Verdict] = {}
        with file_errors(path):
            if resume:
                self._read(digest)
            else:
                path.write_text(json.dumps({"digest": digest}) + "\n")

    def _read(self, digest):
        if not self.path.exists():
            raise Failure(f"{self.path}: no journal to go on with")
        head, *lines = read_text(self.path, "the journal of a campaign").splitlines() or [""]
        try:
            begun = json.loads(head)["digest"]
        except (ValueError, RecursionError, TypeError, KeyError):
            raise Failure(f"{self.path} is damaged: begin without --resume") from None
        if begun != digest:
            raise Failure(
                f"{self.path}: belongs to other faults, hardware or tests; begin without --resume"
            )
        for line in lines:
            try:
                entry = json.loads(line)
                key = entry.pop("network"), entry.pop("number")
                self.verdicts[key] = Verdict(**entry)
            except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
                continue  # Half a line, of a run that was killed.
        kept = [self._line(key, verdict) for key, verdict in self.verdicts.items()]
        self.path.write_text("\n".join([head, *kept, ""]))

    @staticmethod
    def _line(key, verdict):
        network, number = key
        return json.dumps({"network": network, "number": number, **vars(verdict)})

    def add(self, network: str, number: int, verdict: Verdict) -> None:
        self.verdicts[network, number] = verdict
        with file_errors(self.path), self.path.open("a") as file:
            file.write(self._line((network, number), verdict) + "\n")


def journal_digest(each: dict[str, int], seed: int) -> str:
    """Digest of all that decides on the verdicts of a journal.

    Parameters
    ----------
    each : dict
        Faults of each network.
    seed : int
    """
    folder = resources.files("popflip")
    parts = [json.dumps([each, seed])]
    # Stimulus follows from all parameters, faults belong to lines of source.
    parts += [source_digest(), *(NETWORKS[name].digest for name in each)]
    parts += [folder.joinpath(name).read_text("utf-8") for name in _SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _report(drawn, verdicts, seed, hardware) -> dict:
    # What was proved to change nothing is not a fault.
    faults = {key: fault for key, fault in drawn.items() if not verdicts[key].equal}
    survivors = [key for key in faults if not verdicts[key].killed]
    why = {key: explanation(hardware[key[0]], faults[key]) for key in survivors}

    def table(of):
        total = Counter(of(key) for key in faults)
        killed = Counter(of(key) for key in faults if verdicts[key].killed)
        return {name: {"faults": total[name], "killed": killed[name]} for name in sorted(total)}

    killed = len(faults) - len(survivors)
    explained = sum(bool(text) for text in why.values())
    differences = []
    if killed < GOAL * (len(faults) - explained):
        differences = [
            f"{killed} of {len(faults)} faults killed and {explained} explained: fewer than "
            f"{GOAL:.0%} of the others"
        ]
    return {
        "verb": "mutate",
        "seed": seed,
        "hardware": hardware,
        "mutants": len(drawn),
        "equal": len(drawn) - len(faults),
        "faults": len(faults),
        "killed": killed,
        "share": round(killed / len(faults), 4),
        "explained": explained,
        "share_of_others": round(killed / max(1, len(faults) - explained), 4),
        "goal": GOAL,
        "verified": not differences,
        "differences": differences,
        "networks": table(lambda key: key[0]),
        "files": table(lambda key: faults[key].file),
        "scenarios": dict(
            Counter(verdicts[key].scenario for key in faults if verdicts[key].killed)
        ),
        "survivors": [
            {"network": key[0], **vars(faults[key]), "why": why[key]} for key in survivors
        ],
    }
