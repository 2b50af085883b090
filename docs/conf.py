"""How Sphinx builds the documentation: ``make docs``."""

import json
import sys
from pathlib import Path

import wavedrom

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # the rooms, where the package is not installed

from popflip import __version__  # noqa: E402
from popflip.scripts.documentation import reference, waveform  # noqa: E402
from popflip.scripts.plots.adaptation import adaptation_curves  # noqa: E402
from popflip.scripts.plots.style import save_figure  # noqa: E402
from popflip.scripts.results import latest  # noqa: E402

project = "popflip"
author = copyright = "popflip developers"
release = version = __version__

extensions = [
    "myst_nb",  # pages in Markdown, and notebooks
    "sphinx.ext.autodoc",  # the Python API, from docstrings
    "sphinx.ext.napoleon",  # which are numpydoc
]
html_theme = "furo"
html_title = "popflip"
html_static_path = ["_static"]
html_css_files = ["popflip.css"]

# What a notebook shows is of the code as it is: it is run whenever the site is built.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
# A page has no kernel that widgets could talk to, and fetches nothing from other hosts.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None),
    ("html", "image/png", 0),
]

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

napoleon_google_docstring = False
napoleon_custom_sections = [("Members", "params_style"), ("Attributes", "params_style")]
napoleon_use_param = False  # else each word of a type, such as "shape", is taken for a reference
napoleon_use_rtype = False
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_mock_imports = ["torch"]  # an extra; only the paper's systems import it
autodoc_typehints = "none"  # shapes and kinds stand in the docstrings

# What follows from the sources is written before Sphinx looks for pages.
GENERATED = HERE / "generated"
reference.write(GENERATED)
trace = waveform.simulate_sample()
drawing = wavedrom.render(json.dumps(waveform.wavejson(trace)))
drawing.saveas(str(GENERATED / "sample.svg"))
(GENERATED / "sample.md").write_text(waveform.stage_table(trace), "utf-8")
for entry in latest("adaptation").values():
    figure = adaptation_curves(entry.values.figures["preset"], entry.values.rows)
    save_figure(figure, GENERATED / f"adaptation-{entry.values.figures['preset']}.png")
# Included by pages, which are not among them.
exclude_patterns = ["generated/sample.md", *(f"generated/{n}.md" for n in reference.FRAGMENTS)]

# Some names are exported by two modules: where they are defined, and where users look for them.
suppress_warnings = ["ref.python"]


def _keep_first_line(app, what, name, obj, options, lines):
    """Keep napoleon from taking what stands before a colon for an attribute's type."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")


def setup(app):
    """Connect what is above; Sphinx calls it."""
    app.connect("autodoc-process-docstring", _keep_first_line, priority=400)  # before napoleon
