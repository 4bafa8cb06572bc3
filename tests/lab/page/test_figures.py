import matplotlib.pyplot as plt
import pytest

from lossbook.lab.page import figures
from lossbook.lab.page.canvas import panels
from lossbook.lab.page.figures import Box, diagram


def test_style_puts_pictures_on_opaque_white():
    with plt.rc_context():
        figures.use_style()
        assert plt.rcParams["savefig.facecolor"] == plt.rcParams["axes.facecolor"] == "white"


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    plt.close("all")
    figure, axes = panels(2)
    assert plt.get_fignums() == []
    assert len(axes) == 2
    assert repr(figure).startswith("<Figure size")


BOXES = {
    "net": Box("a net", 0, 0),
    "points": Box("98\npoints", 1, 0, look="prediction"),
    "loss": Box("loss", 1, 1),
}


def test_a_diagram_has_its_words_and_an_arrow_for_each_pair():
    markup = diagram("Who sees what", BOXES, [("net", "points"), ("points", "loss")]).markup
    assert all(f">{word}</text>" in markup for word in ("a net", "98", "points", "loss"))
    none = diagram("Who sees what", BOXES, []).markup
    assert markup.count("<path") == none.count("<path") + 2
    assert 'aria-label="Who sees what"' in markup


@pytest.mark.parametrize("pair", [("net", "labels"), ("net", "net")])
def test_an_arrow_that_leads_nowhere_is_refused(pair):
    with pytest.raises(ValueError, match=f"no arrow from 'net' to '{pair[1]}'"):
        diagram("Who sees what", BOXES, [pair])
