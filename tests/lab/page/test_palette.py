from lossbook.lab.page.palette import COLOURS, colour, style, styles


def test_a_loss_has_one_colour_and_differs_from_the_others_in_grey_too():
    for name in COLOURS:
        assert style(name)["color"] == colour(name) == COLOURS[name]
    compared = ["L1", "L2", "SmoothL1", "Wing"]
    assert len({colour(name) for name in compared}) == 4
    assert len({str(style(name)["linestyle"]) for name in compared}) == 4


def test_unknown_names_get_the_same_style_each_time_and_different_ones_in_one_figure():
    names = ["Wing", *(f"arm {i}" for i in range(6))]
    looks = styles(names)
    assert looks == styles(names) and looks["Wing"] == style("Wing")
    assert len({look["color"] for look in looks.values()}) == 7
    assert styles(["arm 0"])["arm 0"] == style("arm 0")
    many = styles(f"arm {i}" for i in range(28))
    assert len({str(look) for look in many.values()}) == 28
