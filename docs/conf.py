"""How Sphinx builds the guide: `make docs`, offline, every warning an error; open `build/docs/index.html`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

project = "seewhy"
extensions = ["myst_parser", "guide"]
exclude_patterns = ["examples"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_url_schemes = ["http", "https"]

html_theme = "furo"
html_title = "seewhy"
html_static_path = ["guide.css"]
html_css_files = ["guide.css"]
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_math_renderer = "mathml"
nitpicky = True
