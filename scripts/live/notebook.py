"""``popflip.live`` in a notebook: a network that learns, a compact widget, and what leads it.

The widget shows the same exhibits as the page. It is drawn in this process at most once a second,
and only when something is new; the network learns in a process of its own.
"""

import atexit
import base64
import html
import io
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from popflip.boards.tools import require
from popflip.golden.datasets.changes import Change
from popflip.golden.datasets.dataset import check_data
from popflip.golden.description.params import Params
from popflip.golden.support.errors import InputError, PopflipError
from popflip.golden.training.checkpoint import read_checkpoint
from popflip.scripts.live.exhibit import Exhibit
from popflip.scripts.live.exhibition import Exhibition
from popflip.scripts.live.export import curves_figure
from popflip.scripts.live.lamp import lamp
from popflip.scripts.live.pictures import weight_picture
from popflip.scripts.session import (
    DEFAULT_PRESET,
    Target,
    check_trains,
    choose_data,
    same_network,
)
from popflip.scripts.training.runs.reports import RunReport, State
from popflip.scripts.training.runs.run import Run

__all__ = ["Live", "live"]

#: Seconds between two looks at whether there is something new to draw.
UPDATE_S = 1.0

#: Width and height of the curves, in inches.
SIZE = 8.5, 4.6


def live(
    network: Params | str | Path = DEFAULT_PRESET,
    *,
    data: str | None = None,
    board: str | None = None,
    port: str | None = None,
    baud: int | None = None,
    engine: str | None = None,
    threads: int | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 1,
    samples: int | None = None,
) -> "Live":
    """Have a network learn, to be shown and led from a notebook.

    Parameters
    ----------
    network : Params, str or Path
        Parameters, a preset, or a TOML file.
    data : str, optional
        A data set, a file or a folder; the checkpoint's, or MNIST, if left out.
    board, port, baud, engine, threads
        What learns, as of :class:`popflip.scripts.session.Target`; the virtual board if left out.
    checkpoint : str or Path, optional
        What it begins with; the network is the checkpoint's, ``network`` does not count.
    seed : int
        Of the first weights, and of the order of the samples.
    samples : int, optional
        Training images of an epoch; all if left out.

    Raises
    ------
    InputError
        If there can be no such network, board or data set.
    """
    meta, state, path = None, None, None
    if checkpoint is not None:
        path = Path(checkpoint)
        meta, state = read_checkpoint(path)
        params = Params.build(meta["params"])
        same_network(path, params, params)
    else:
        params = network if isinstance(network, Params) else Params.load(network)
    target = Target(board, baud, engine, threads, port)
    check_trains(params, target)
    if target.virtual:
        require("verilator")
    dataset, source = choose_data(data, path, meta, params)
    check_data(params, dataset)
    exhibit = Exhibit(
        params, target=target, state=state, seed=seed, source=source, samples=samples
    )  # fmt: skip
    return Live(Exhibition([exhibit], dataset))


class Live:
    """A network on show in a notebook; a cell that ends with it shows the widget.

    Methods that ask for something return when it is done, but for :meth:`start` and :meth:`epoch`:
    the network learns on while other cells run. Use it as a context manager, or :meth:`close` it;
    the end of Python does too.

    Parameters
    ----------
    exhibition : Exhibition
        Of one network. It is closed with this.
    """

    def __init__(self, exhibition: Exhibition):
        self.exhibition = exhibition
        (exhibit,) = exhibition.exhibits
        assert isinstance(exhibit, Exhibit)
        self.exhibit = exhibit
        self._widget: _Widget | None = None
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self) -> None:
        """End the run, and what draws it; the last picture stays."""
        atexit.unregister(self.close)
        if self._widget is not None:
            self._widget.close()
        self.exhibition.close()

    @property
    def run(self) -> Run:
        """The run: all that can be asked of a network that learns."""
        return self.exhibit.run

    @property
    def report(self) -> RunReport:
        """The newest report of the run."""
        return self.run.report

    # Leading it -----------------------------------------------------------------------------

    def start(self, samples: int | None = None) -> None:
        """Learn so many samples, or until :meth:`pause`; returns at once."""
        self._do(self.exhibit.start(samples))

    def epoch(self) -> None:
        """Learn the rest of the epoch; returns at once."""
        self._do(self.exhibit.epoch())

    def pause(self) -> None:
        """Stop learning."""
        self._do(self.exhibit.pause())

    def learn(self, samples: int, timeout: float = 3600.0) -> RunReport:
        """Learn so many samples, and wait for them."""
        goal = self.report.total.samples + samples
        self.start(samples)
        report = self.wait(lambda report: report.total.samples >= goal, timeout)
        # The curves follow reports in a thread of its own, which may not have come to this one.
        self.exhibit.history.add(report)
        return report

    def test(self, samples: int | None = None, timeout: float = 3600.0) -> float:
        """Return the error on the test set, or on its first samples, in percent."""
        learned = self.report.total.samples
        before = self.report.tested
        self._do(self.exhibit.test(samples))
        report = self.wait(
            lambda report: report.tested is not None and report.tested is not before
            and report.tested.at >= learned, timeout,
        )  # fmt: skip
        assert report.tested is not None
        return report.tested.error

    def predict(self, image: np.ndarray) -> str:
        """Return the class that the board takes an image for."""
        (future,) = self.exhibition.predict(np.asarray(image))
        return self.exhibition.classes[self._do(future).prediction]

    def teach(self, image: np.ndarray, label: int, times: int = 1) -> None:
        """Learn an image so many times."""
        for future in self.exhibition.teach(np.asarray(image), label, times):
            self._do(future)

    def undo(self) -> None:
        """Go back to the network before the last teaching."""
        for future in self.exhibition.undo():
            self._do(future)

    def disturb(self, change: Change | str | None) -> None:
        """Have samples come changed from now on; as they are with None."""
        change = Change(change) if isinstance(change, str) else change
        for future in self.exhibition.disturb(change):
            self._do(future)

    def reset(self) -> None:
        """Begin anew."""
        for future in self.exhibition.reset():
            self._do(future)

    def compare(self) -> bool:
        """Compare all weights and latents with golden's; return whether every bit is equal."""
        self._do(self.exhibit.compare())
        return self.exhibit.proof.equal

    def wait(self, until: Callable[[RunReport], bool], timeout: float = 3600.0) -> RunReport:
        """Return the first report of which something is true.

        Raises
        ------
        Failure
            If there was none in so many seconds, or the run has ended.
        """
        return self.run.wait(until, timeout)

    def _do(self, future: Future) -> Any:
        return self.run.result(future)

    # Showing it -----------------------------------------------------------------------------

    @property
    def widget(self):
        """The widget, of ipywidgets.

        Raises
        ------
        InputError
            If ipywidgets is not there.
        """
        if self._widget is None:
            self._widget = _Widget(self)
        return self._widget.box

    def picture(self) -> bytes:
        """Draw the curves as they are, as a PNG file."""
        figure, buffer = curves_figure(self.exhibit.history.curves(), SIZE), io.BytesIO()
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=90)
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        """Show the widget; to what knows no widgets, such as a printed page, the picture."""
        shown = dict(self.widget._repr_mimebundle_(include=include, exclude=exclude))
        shown["image/png"] = base64.b64encode(self.picture()).decode()
        return shown


class _Widget:
    """Buttons, figures, curves and weights, and the thread that keeps them new."""

    def __init__(self, shown: Live):
        try:
            import ipywidgets
        except ImportError:
            raise InputError(
                "popflip.live needs ipywidgets, which is not installed: "
                "pip install 'popflip[notebook]'"
            ) from None
        self._shown = shown
        self._note = ""
        self._drawn: tuple | None = None
        exhibit = shown.exhibit
        asked: dict[str, Callable[[], object]] = {
            "Start": exhibit.start, "Pause": exhibit.pause, "Step": lambda: exhibit.start(1),
            "Epoch": exhibit.epoch, "Test": exhibit.test, "Reset": shown.exhibition.reset,
        }  # fmt: skip
        self.buttons = {text: ipywidgets.Button(description=text) for text in asked}
        for text, button in self.buttons.items():
            button.layout.width = "5.5rem"
            button.on_click(lambda _, do=asked[text]: self._ask(do))
        self.figures = ipywidgets.HTML()
        self.curves = ipywidgets.HTML()
        self.weights = ipywidgets.HTML()
        self.box = ipywidgets.VBox([
            ipywidgets.HBox(list(self.buttons.values())), self.figures, self.curves, self.weights,
        ])  # fmt: skip
        self._draw()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="notebook", daemon=True)
        self._thread.start()

    def _ask(self, do: Callable[[], object]) -> None:
        """Ask for something; what is wrong with it is shown."""
        try:
            do()
            self._note = ""
        except (PopflipError, RuntimeError) as error:
            self._note = str(error).splitlines()[-1]

    def _follow(self) -> None:
        while not self._closing.wait(UPDATE_S):
            self._draw()

    def _draw(self) -> None:
        """Draw what is new."""
        exhibit = self._shown.exhibit
        curves, report, snapshot = exhibit.history.curves(), exhibit.report, exhibit.snapshot
        at, tests = exhibit.history.at, len(curves.tests)
        new = at, tests, len(curves.events), report.state, exhibit.proof, snapshot, self._note
        if new == self._drawn:
            return
        if self._drawn is None or new[:3] != self._drawn[:3]:
            picture = base64.b64encode(self._shown.picture()).decode()
            alt = "error, flips, cycles and changed neurons by samples learned"
            self.curves.value = f'<img src="data:image/png;base64,{picture}" alt="{alt}">'
        if snapshot is not None and (self._drawn is None or snapshot is not self._drawn[5]):
            source = weight_picture(exhibit.params, snapshot)
            alt = f"weights of the first layer behind sample {exhibit.history.since(snapshot.at):,}"
            self.weights.value = f'<img src="{source}" alt="{alt}" style="max-width: 40rem">'
        self.figures.value = self._text()
        self._drawn = new

    def _text(self) -> str:
        exhibit = self._shown.exhibit
        curves, report = exhibit.history.curves(), exhibit.report
        told = [f"{exhibit.title}: {report.state.value}", f"{exhibit.history.at:,} samples"]
        if curves.points:
            last = curves.points[-1]
            told.append(f"error while learning {last.error:.1f} %")
            told.append(f"{last.samples_per_s:,.0f} samples/s here")
        if curves.tests:
            told.append(f"test error {curves.tests[-1].error:.1f} %")
        if report.state is State.FAILED:
            told.append(report.message.splitlines()[-1])
        else:
            told.append(lamp(exhibit)[1])
        told += [self._note] if self._note else []
        return "<p>" + "; ".join(map(html.escape, told)) + "</p>"

    def close(self) -> None:
        """Draw for the last time."""
        self._closing.set()
        self._thread.join()
        self._draw()
        for button in self.buttons.values():
            button.disabled = True
