"""A directive that puts an object to move, as a chapter declares it, on a page of text."""

from importlib import import_module

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class Moving(SphinxDirective):
    """``{moving} lossbook.lab.<chapter>.<module>:<function>``, called without arguments."""

    required_arguments = 1

    def run(self):
        """Give the object's markup; other builders than HTML leave it out."""
        module, _, function = self.arguments[0].partition(":")
        markup = getattr(import_module(module), function)().markup
        return [nodes.raw("", markup, format="html")]


def setup(app):
    """Register with Sphinx."""
    app.add_directive("moving", Moving)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
