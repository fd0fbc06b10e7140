"""The site: Markdown through MyST, the reference from the docstrings."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("_ext")))

project = "objmapper"
project_copyright = "the authors of objmapper"
version = release = installed_version("objmapper")

extensions = ["myst_parser", "sphinx.ext.autodoc", "modelfields", "reference"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Every cross reference leads somewhere. Types of others have their own documentation, which a build
# without a network can't look into; type variables and type checkers' aliases have none.
nitpicky = True
nitpick_ignore_regex = [
    (
        "py:class",
        r"(argparse|collections\.abc|contextlib|datetime|enum|io|logging|os|pathlib|marshmallow\.fields|requests(\.models)?|weakref)\.\w+|BaseAdapter",
    ),
    ("py:class", r"(objmapper\..*\.)?(M|QS)|ErrorReader|OnConflict"),
    # What only the package's own rooms hold.
    ("py:class", r"(objmapper\.request\.)?(Body|Later)"),
    ("py:class", r"(objmapper\.(state|server\.front)\.)?(Front|IdentityMap|Members|Page|Stateful)"),
]
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_display_short_literal_types = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"objmapper {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"light_css_variables": {"code-font-size": "78%"}}
# Furo's own style for the dark underlines the names of classes and modules, as if they were links.
pygments_dark_style = "a11y-high-contrast-dark"
