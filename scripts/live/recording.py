"""Runs on record: a file of lines that grows while a network learns, and a run that plays it.

For each network on show one line says what it is; each other line is a report or a network, with
the seconds since the beginning. Lines are JSON. A file that was cut off plays up to its last whole
line.
"""

import base64
import json
import math
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from popflip.golden.description.params import Params, ParamsError
from popflip.golden.model import Report
from popflip.golden.support.errors import InputError
from popflip.golden.support.files import file_errors, read_file
from popflip.golden.training.state import NetworkState, check_state
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.history import History
from popflip.scripts.live.witness import Proof, Snapshot
from popflip.scripts.training.runs.process import promised
from popflip.scripts.training.runs.reports import RunReport, State, Tested

__all__ = ["Playback", "Recorder", "playbacks"]

FORMAT = 1

#: Seconds between two reports, and between two networks, that are written at least.
REPORT_S, NETWORK_S = 0.5, 10.0

#: Seconds that a pause of all networks takes when it is played, at most.
MOST_PAUSE_S = 5.0

#: Bytes of a recording that are read at most.
MOST_BYTES = 1 << 30


def _packed(state: NetworkState) -> dict:
    def text(array: np.ndarray) -> str:
        return base64.b64encode(zlib.compress(array.tobytes())).decode()

    return {
        "weights": [text(np.packbits(weights)) for weights in state.weights],
        "latents": [text(latents.astype("<i2")) for latents in state.latents],
        "sign_state": state.sign_state,
    }


def _unpacked(params: Params, told: dict) -> NetworkState:
    def content(text: str, n_bytes: int) -> bytes:
        found = zlib.decompressobj().decompress(base64.b64decode(text), n_bytes)
        if len(found) != n_bytes:
            raise ValueError("an array is too short")
        return found

    weights, latents = [], []
    for layer in range(params.depth):
        shape = params.synapses(layer)
        size = shape.rows * shape.row_bits
        bits = np.frombuffer(content(told["weights"][layer], (size + 7) // 8), np.uint8)
        weights.append(np.unpackbits(bits, count=size).astype(bool).reshape(shape.rows, -1))
        counts = np.frombuffer(content(told["latents"][layer], 2 * size), "<i2")
        latents.append(counts.astype(np.int16).reshape(shape.rows, -1))
    state = NetworkState(weights, latents, int(told["sign_state"]))
    check_state(params, state)
    return state


@dataclass
class _Told:
    """When there was something to write of a network, and of which samples its last picture is."""

    reported: float = -1e9
    looked: float = -1e9
    at: int = -1


class Recorder:
    """Write what networks on show do to a file, line by line.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self._path, self._began = path, time.monotonic()
        self._lock = threading.Lock()
        self._told: dict[int, _Told] = {}
        with file_errors(path):
            self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115

    def listener(self, number: int) -> Callable[[Any, RunReport], None]:
        """Return what takes in the reports of the exhibit that stands at such a place, from 0."""
        return partial(self._listen, number)

    def _listen(self, number: int, exhibit: Any, report: RunReport) -> None:
        with self._lock:
            if self._file.closed or report.state is State.OPENING:
                return
            if number not in self._told:
                self._write(number, {
                    "format": FORMAT, "title": exhibit.title, "clock_mhz": exhibit.clock_mhz,
                    "params": exhibit.params.model_dump(mode="json"),
                })  # fmt: skip
            before = self._told.setdefault(number, _Told())
            now = time.monotonic() - self._began
            resting = report.state is not State.LEARNING
            if resting or now - before.reported >= REPORT_S:
                before.reported = now
                told = asdict(report) | {"state": report.state.value}
                self._write(number, {"t": round(now, 2), "report": told})
            snapshot = exhibit.snapshot
            if (
                snapshot is not None
                and snapshot.at != before.at
                and (resting or now - before.looked >= NETWORK_S)
            ):
                before.at, before.looked = snapshot.at, now
                packed = {"at": snapshot.at, "place": snapshot.place, **_packed(snapshot.state)}
                self._write(number, {"t": round(now, 2), "network": packed})

    def _write(self, number: int, line: dict) -> None:
        with file_errors(self._path):
            self._file.write(json.dumps({"n": number, **line}, separators=(",", ":")) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._file.close()


@dataclass(frozen=True)
class _Header:
    """What a network of a recording is."""

    title: str
    params: Params
    clock_mhz: float


def playbacks(path: Path) -> "list[Playback]":
    """Read a recording, and return a playback of each network in it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    InputError
        If the file is no recording.
    """
    text = read_file(path, MOST_BYTES, "a recorded run").decode("utf-8", "replace")
    refusal = f"{path} is not a recorded run of popflip, or is damaged"
    try:
        headers, steps = _read(path, text.splitlines())
    except InputError as error:
        if isinstance(error, ParamsError):
            raise InputError(refusal) from None
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, zlib.error):
        raise InputError(refusal) from None
    if not all(steps.values()):
        raise InputError(f"{path} holds no reports")
    return [Playback(headers[number], steps[number]) for number in sorted(headers)]


def _read(path: Path, lines: list[str]) -> tuple[dict[int, _Header], dict[int, list]]:
    """Return, by network, what it is and what became of it; pauses are cut short."""
    headers: dict[int, _Header] = {}
    steps: dict[int, list[tuple[float, Any]]] = {}
    before, at = math.inf, 0.0  # it begins at once
    for place, line in enumerate(lines or [""]):
        try:
            told = json.loads(line)
        except ValueError:
            if place and place == len(lines) - 1:
                break  # cut off
            raise
        if "format" in told and told["format"] != FORMAT:
            raise InputError(
                f"{path} is a recording of format {told['format']}; this popflip reads "
                f"format {FORMAT}"
            )
        number = int(told["n"])
        if "format" in told:
            params, clock = Params.build(told["params"]), float(told["clock_mhz"])
            headers[number], steps[number] = _Header(str(told["title"]), params, clock), []
            continue
        at += min(MOST_PAUSE_S, max(0.0, float(told["t"]) - before))
        before = float(told["t"])
        steps[number].append((at, _step(headers[number].params, told)))
    return headers, steps


def _step(params: Params, told: dict) -> Any:
    """Return a report, or a network with its place."""
    if "report" not in told:
        network = told["network"]
        state = _unpacked(params, network)
        return int(network["at"]), tuple(network["place"]), state
    report = dict(told["report"])
    report["total"] = Report(**report["total"])
    if len(report["total"].flips or params.learning.tau) != params.depth:
        raise ValueError("flips of another network")
    tested = report["tested"]
    report["tested"] = None if tested is None else Tested(**tested)
    report["state"] = State(report["state"])
    return RunReport(**report)


class Playback(Shown):
    """A network of a recording that plays as it went, without a board.

    Parameters
    ----------
    header : _Header
    steps : list of (float, object)
        Seconds since the beginning, and what there was then: reports, and networks.
    """

    recorded = True
    machine = "from a recording"

    def __init__(self, header: _Header, steps: list[tuple[float, Any]]):
        self.title, self.params, self.clock_mhz = header.title, header.params, header.clock_mhz
        self._steps = steps
        self.history = History(self.params.depth)
        self._report = RunReport(state=State.PAUSED)
        self._snapshot: Snapshot | None = None
        self._next, self._left, self._faster = 0, 0, 1.0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._play, name="playback", daemon=True)
        self._thread.start()

    @property
    def report(self) -> RunReport:
        return self._report

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    @property
    def proof(self) -> Proof:
        return Proof(message="a recording: nothing is computed")

    @property
    def running(self) -> bool:
        return self._can_go

    @property
    def done(self) -> bool:
        """Whether all of it has been played."""
        return self._next >= len(self._steps)

    # Playing --------------------------------------------------------------------------------

    def start(self, samples: int | None = None) -> Future:
        """Play so many steps of the recording, or until it is paused."""
        return self._set(left=len(self._steps) if samples is None else samples)

    def epoch(self) -> Future:
        """Play to the end."""
        return self.start()

    def pause(self) -> Future:
        """Stop playing."""
        return self._set(left=0)

    def faster(self, times: float) -> Future:
        """Play so many times as fast as it went."""
        if not times > 0:
            raise InputError(f"times must be more than 0, not {times}")
        return self._set(faster=times)

    def reset(self) -> Future:
        """Go back to the beginning."""
        self.history.clear()
        self.history.carry()
        self.history.clear()
        return self._set(left=0, first=0)

    def _set(self, left: int | None = None, faster: float | None = None, first: int | None = None):
        with self._changed:
            self._left = self._left if left is None else left
            self._faster = self._faster if faster is None else faster
            if first is not None:
                self._next = first
                self._report, self._snapshot = RunReport(state=State.PAUSED), None
            self._changed.notify_all()
        done = promised()
        done.set_result(None)
        return done

    def _play(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._can_go)
                if self._closed:
                    return
                at, step = self._steps[self._next]
                before = self._steps[self._next - 1][0] if self._next else 0.0
                wait = (at - before) / self._faster
                if self._changed.wait_for(lambda: self._closed or not self._left, wait):
                    continue
                self._next, self._left = self._next + 1, self._left - 1
                self._show(step)

    @property
    def _can_go(self) -> bool:
        return self._left > 0 and self._next < len(self._steps)

    def _show(self, step: Any) -> None:
        if isinstance(step, RunReport):
            self._report = step
            self.history.add(step)
            return
        at, place, state = step
        old = state.weights if self._snapshot is None else self._snapshot.state.weights
        flipped = [mine ^ theirs for mine, theirs in zip(state.weights, old, strict=True)]
        self._snapshot = Snapshot(at, place, state, flipped)

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
