"""The site: Markdown through MyST, the reference from the docstrings."""

from importlib.metadata import version as installed_version

project = "objmapper"
project_copyright = "the authors of objmapper"
version = release = installed_version("objmapper")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"objmapper {version}"


def _once(app, what, name, obj, skip, options):
    """Leave out a model's own error classes: they are described where the errors are."""
    return True if what == "class" and name in ("DoesNotExist", "MultipleObjectsReturned") else None


def setup(app):
    app.connect("autodoc-skip-member", _once)
