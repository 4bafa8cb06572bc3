import matplotlib.pyplot as plt
import numpy as np
import sympy

from lossbook.lab.page import figures

x, y = sympy.symbols("x y")


def test_style_puts_pictures_on_opaque_white():
    with plt.rc_context():
        figures.use_style()
        assert plt.rcParams["savefig.facecolor"] == plt.rcParams["axes.facecolor"] == "white"


def test_figures_are_closed_so_that_a_notebook_shows_them_once():
    plt.close("all")
    figure = figures.value_and_gradient({"L2": x**2}, x, span=(-1, 1))
    assert plt.get_fignums() == []
    assert repr(figure).startswith("<Figure size")


def test_every_figure_draws_without_a_warning(recwarn, tmp_path):
    drawn = [
        figures.value_and_gradient({"L1": sympy.Abs(x), "L2": x**2}, x, span=(-1, 1)),
        figures.ced({"Wing": [0.01, 0.02]}, threshold=0.1),
        figures.history({"a": {"k": [1, 2]}}, ["k"]),
        figures.faces(np.zeros((2, 8, 6)), {"prediction": np.ones((2, 4, 2))}),
        figures.surface(
            x * y,
            variables=(x, y),
            xspan=(0, 90),
            yspan=(0.1, 1),
            xlabel="x",
            ylabel="y",
            label="z",
        ),
        figures.skeletons({"coarse": np.random.default_rng(0).random((2, 3, 2))}, [(0, 1)]),
        figures.skeletons({"coarse": np.random.default_rng(0).random((2, 3, 3))}, [(0, 1)]),
        figures.shares({"a": {"2d": [1, 0], "aux": [1, 0]}}, [0, 1]),
    ]
    for index, figure in enumerate(drawn):
        figure.savefig(tmp_path / f"{index}.png")
    assert not [str(warning.message) for warning in recwarn]
