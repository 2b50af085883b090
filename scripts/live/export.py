"""A page to share: one file with curves, weights and one explained sample, and nothing else.

It has no script and asks for nothing: pictures are inside, as SVG and as data addresses.
"""

import html
import io
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from popflip import __version__
from popflip.golden.trace import Trace
from popflip.scripts.live.exhibit import Shown
from popflip.scripts.live.explained import (
    MOVES,
    PHASES,
    contrast_of,
    facts,
    moves_table,
    neuron_text,
    sweep_views,
    trace_of,
)
from popflip.scripts.live.history import STAGES, Curves
from popflip.scripts.live.pictures import (
    latent_picture,
    moved_picture,
    sample_picture,
    weight_picture,
)
from popflip.scripts.plots.style import BLUE, GREEN, LAYERS, ORANGE, QUIET, RED, dress

__all__ = ["curves_figure", "export_page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2027; --paper: #fff; --quiet: #4c5560; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eef1f4; --paper: #14181d; --quiet: #b4bdc8; }
}
body { font: 1.05rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem;
  color: var(--ink); background: var(--paper); }
img, svg { max-width: 100%; height: auto; image-rendering: pixelated; background: #fff; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.7rem; text-align: right; }
th { text-align: left; } .scroll { overflow-x: auto; } figure { margin: 1rem 0; }
.sweeps { display: flex; flex-wrap: wrap; gap: 1rem; } .sweeps figure { max-width: 18rem; }
figcaption, .quiet { color: var(--quiet); }
"""

_INTRODUCTION = (
    "A network of 1-bit weights and 1-bit neurons that learns inside a chip, by Equilibrium "
    "Propagation: it settles for a sample, then once nudged towards the right answer and once away "
    "from it. Weights between neurons that differ in between are counted up or down, and flip when "
    "a counter has gone far enough."
)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def curves_figure(curves: Curves, size: tuple[float, float] = (9.5, 6.2)) -> Figure:
    """Draw all curves.

    Parameters
    ----------
    curves : Curves
    size : (float, float)
        Width and height in inches.
    """
    figure = Figure(figsize=size, layout="constrained")
    error, flips, cycles, changed = figure.subplots(2, 2).ravel()
    points = curves.points
    at = [point.at for point in points]
    dress(error, "Error", "%")
    error.plot(at, [point.error for point in points], color=BLUE, lw=1.4, label="while learning")
    tests = curves.tests
    error.plot(
        [t.at for t in tests],
        [t.error for t in tests],
        "o-",
        color=ORANGE,
        ms=4,
        lw=1,
        label="test",
    )
    for event in curves.events:
        error.axvline(event.at, color=RED, lw=0.8, ls=":")
    error.set_ylim(0, 100)
    error.legend(frameon=False, fontsize=9)
    dress(flips, "Flips per sample", "")
    for layer in range(len(points[0].flips) if points else 0):
        flips.plot(
            at, [p.flips[layer] for p in points], color=LAYERS[layer], label=f"layer {layer}"
        )
    dress(cycles, "Cycles per sample", "")
    if points and points[-1].cycles:
        counts = [[p.cycles.get(stage, 0) for p in points] for stage in STAGES]
        cycles.stackplot(at, counts, labels=STAGES, colors=(BLUE, GREEN, ORANGE, QUIET))
        cycles.legend(frameon=False, fontsize=9)
    dress(changed, "Neurons per sample that change", "")
    changed.plot(at, [p.changed for p in points], color=BLUE)
    if points:
        flips.legend(frameon=False, fontsize=9)
    return figure


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    def cells(kind: str, texts: Iterable[object]) -> str:
        return "".join(f"<{kind}>{html.escape(str(text))}</{kind}>" for text in texts)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    table = f"<thead><tr>{cells('th scope=col', head)}</tr></thead><tbody>{body}</tbody>"
    table = table.replace("</th scope=col>", "</th>")
    return f'<div class="scroll" tabindex="0"><table>{table}</table></div>'


def _picture(source: str, text: str, caption: str | None = None) -> str:
    below = html.escape(caption or text)
    alt = html.escape(text, quote=True)
    return f'<figure><img src="{source}" alt="{alt}"><figcaption>{below}</figcaption></figure>'


def _explained(exhibit: Shown, traced: Trace, classes: list[str]) -> str:
    params = exhibit.params
    neuron = int(np.argmax(traced.differ[0]))
    sample = sample_picture(params, traced, neuron)
    contrast = contrast_of(params, traced)
    parts = [
        "<h2>One sample, sweep by sweep</h2>",
        _picture(sample, "what the network sees", "What the network sees. In colour: the window of "
                 f"{neuron_text(traced, neuron)}."),
        "<dl>",
        *(f"<dt><b>{html.escape(name)}</b></dt><dd>{html.escape(text)}</dd>"
          for name, text in facts(params, traced, classes)),
        "</dl>",
    ]  # fmt: skip
    parts.append(
        "<p>Hidden neurons in the pictures: dark is decided and silent, sand decided and active, "
        "green undecided and silent, light green undecided and active.</p>"
    )
    views = sweep_views(params, traced)
    for name, title in PHASES.items():
        mine = [view for view in views if view.phase == name]
        if not mine:
            continue
        parts += [f"<h3>{title.capitalize()}</h3>", '<div class="sweeps">']
        parts += [
            _picture(
                view.hidden, f"hidden neurons after sweep {view.sweep}",
                f"Sweep {view.sweep}: {view.active:,} active, {view.toggled:,} changed, energy "
                f"{view.energy:,}",
            )
            for view in mine
        ]  # fmt: skip
        parts += ["</div>", _table(
            ["sweep", *classes], [[view.sweep, *view.votes] for view in mine]
        )]  # fmt: skip
    parts += [
        "<h3>Contrast</h3>",
        _picture(contrast.hidden, "hidden neurons in both nudged states",
                 "Dark: silent in both. Sand: active in both. Orange: active only when nudged "
                 "towards the label. Light blue: only when nudged away from it."),
        f"<p>{html.escape(contrast.text)}</p>",
        _table(["active outputs", *classes], [
            ["nudged towards", *contrast.towards], ["nudged away", *contrast.away],
        ]),
        "<h3>Synapses that it moves</h3>",
        _picture(moved_picture(params, traced), "latents of the first layer that move",
                 "First layer. Blue: down. Orange: up. Pink: the weight flips.")
        if len(traced.moves[0]) else "<p>None of the first layer.</p>",
        _table(MOVES, [row.values() for row in moves_table(traced)]),
    ]  # fmt: skip
    return "".join(parts)


def export_page(
    shown: Sequence[Shown], classes: list[str], sample: tuple[np.ndarray, int] | None = None
) -> bytes:
    """Make the page of a network, or of several side by side.

    Parameters
    ----------
    shown : sequence of Shown
    classes : list of str
    sample : (ndarray of uint8, int), optional
        An image and its label to explain.
    """
    names = " and ".join(exhibit.title for exhibit in shown)
    learn = "a network that learns" if len(shown) == 1 else "networks that learn"
    title = f"{names}: {learn} on chip"
    body = [f"<h1>{html.escape(title)}</h1>", f"<p>{_INTRODUCTION}</p>"]
    for exhibit in shown:
        if len(shown) > 1:
            body.append(f"<h2>{html.escape(exhibit.title)}</h2>")
        body += _network(exhibit, classes, sample)
    body.append(f'<p class="quiet">popflip {__version__}</p>')
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title>'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"<style>{_STYLE}</style>"
    main = f"<body><main>{''.join(body)}</main></body>"
    return f'<!doctype html><html lang="en"><head>{head}</head>{main}</html>'.encode()


def _network(
    exhibit: Shown, classes: list[str], sample: tuple[np.ndarray, int] | None
) -> list[str]:
    """Return what there is to show of a network."""
    curves, snapshot = exhibit.history.curves(), exhibit.snapshot
    total = exhibit.history.total()
    body = [f"<p>{total.samples:,} samples learned"]
    if curves.tests:
        body.append(f", test error {curves.tests[-1].error:.2f} %")
    cycles = total.cycles.get("total", 0) / max(1, total.samples)
    if cycles:
        body.append(f", {cycles:,.0f} cycles per sample")
    body += [".</p>", "<figure>", _svg(curves_figure(curves)), "</figure>"]
    rows = [(f"{event.at:,}", event.text) for event in curves.events]
    if rows:
        body += ["<h2>What happened</h2>", _table(["samples", ""], rows)]
    if snapshot is None:
        return body
    body += [
        f"<h2>After sample {exhibit.history.since(snapshot.at):,}</h2>",
        _picture(weight_picture(exhibit.params, snapshot), "weights of the first layer",
                 "Weights of the first layer: each tile is what one hidden neuron looks for. Sand: "
                 "+1. Blue: \N{MINUS SIGN}1. Purple and pink: just flipped."),
        _picture(latent_picture(exhibit.params, snapshot), "latents of the first layer",
                 "Latents of the first layer, the counters behind the weights. Blue: negative. "
                 "Orange: positive."),
    ]  # fmt: skip
    if sample is not None:
        traced = trace_of(exhibit.params, snapshot, *sample)
        body.append(_explained(exhibit, traced, classes))
    return body
