"""Settings for Sphinx, which builds these pages: ``make docs``."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
sys.path.insert(0, str(Path(__file__).parent.parent))  # the examples of the invariants are those of their tests

project = "Wasmbed harness"
author = "the Wasmbed harness developers"
project_copyright = "the Wasmbed harness developers"
smartquotes = False
version = release = installed("wasmbed-harness")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_design", "reference"]
exclude_patterns = ["build", "extensions", "robot"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "separated"
html_theme = "furo"
html_extra_path = ["robot"]
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_title = project
pygments_style = "tango"
pygments_dark_style = "github-dark"
