"""How the page looks: colours that the colour-blind can tell apart, light and dark."""

__all__ = ["DARK_INK", "INK", "PALETTE", "PRIMARY", "STYLE", "ink"]

#: Okabe and Ito's colours, without those that are too light on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")

PRIMARY = "#0b5a94"

INK, DARK_INK = "#2a313a", "#dfe5ec"


def ink(dark: bool) -> str:
    """Return the colour of a chart's texts."""
    return DARK_INK if dark else INK


STYLE = """
:root { --paper: #ffffff; --card: #f4f6f8; --ink: #1b2027; --quiet: #48515c; --line: #c4ccd4; }
.body--dark { --paper: #14181d; --card: #1e242b; --ink: #eef1f4; --quiet: #bac3cd;
  --line: #47515c; }
body, body.body--dark { background: var(--paper); color: var(--ink); font-size: 1.05rem; }
.nicegui-content { padding: 0.6rem; max-width: 110rem; margin: 0 auto; align-items: stretch; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0; } h2 { font-size: 1.25rem; margin: 0;
  line-height: 1.4; } h3 { font-size: 1.05rem; margin: 0; line-height: 1.4; }
h4 { font-size: 1rem; margin: 0.6rem 0 0; line-height: 1.4; }
h1, h2, h3, h4 { font-weight: 600; }
.parts { display: flex; flex-direction: column; gap: 0.8rem; }
.bar { display: flex; flex-wrap: wrap; gap: 0.5rem 0.8rem; align-items: center; }
.board { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%,
  27rem), 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 0.8rem; display: flex; flex-direction: column; gap: 0.6rem; min-width: 0; }
.big { font-size: clamp(1.6rem, 3.2vw, 4rem); font-weight: 700; line-height: 1.1; }
.figures { display: flex; flex-wrap: wrap; gap: 0.4rem 1.6rem; }
.figures > div { min-width: 6.5rem; } .quiet { color: var(--quiet); }
.halves { display: grid; gap: 0.8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%,
  15rem), 1fr)); } .place { display: flex; flex-direction: column; gap: 0.5rem; min-width: 0; }
.place > .card { height: 100%; box-sizing: border-box; }
.phase { font-size: 1.35rem; font-weight: 600; line-height: 1.3; }
.chart { height: 15rem; width: 100%; margin-top: auto; }
.lamp { display: inline-flex; gap: 0.5rem; align-items: center; padding: 0.25rem 0.7rem;
  border-radius: 1rem; border: 2px solid; font-weight: 600; }
.lamp.good { background: #dff3ea; color: #004d38; border-color: #00694d; }
.lamp.bad { background: #ffe1d6; color: #7a1f00; border-color: #b53000; }
.lamp.none { background: #e6e9ed; color: #2c343d; border-color: #66717d; }
.pixels img { image-rendering: pixelated; max-width: 100%; width: 100%; display: block; }
[data-testid=explained-sample] img { max-width: 20rem; }
[data-testid=hidden] img, [data-testid=differ] img { max-width: 34rem; }
[data-testid=moved] img { max-width: 56rem; }
.pad { width: min(100%, 22rem); touch-action: none; cursor: crosshair; border: 2px solid
  var(--line); } .pad img { image-rendering: pixelated; width: 100%; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 0.9rem; margin: 0; }
.facts dt { font-weight: 600; } .facts dd { margin: 0; }
.scroll { overflow-x: auto; } .scroll table { border-collapse: collapse; }
.scroll th, .scroll td { padding: 0.1rem 0.7rem; text-align: right; }
.key { display: inline-block; width: 0.9em; height: 0.9em; border: 1px solid #666;
  vertical-align: -0.1em; margin-right: 0.3em; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; }
.q-field__label, .q-field__native, .q-field__input, .q-select__dropdown-icon { color: var(--ink)
  !important; opacity: 1; }
button:focus-visible, input:focus-visible, [tabindex]:focus-visible { outline: 3px solid #e69f00;
  outline-offset: 2px; }
@media (max-width: 40rem) { .facts { grid-template-columns: 1fr; } .chart { height: 12rem; } }
"""
