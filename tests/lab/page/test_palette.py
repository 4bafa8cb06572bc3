import re

from lossbook.lab.page.palette import COLOURS, NEUTRAL, _luminance, colour, style, styles
from lossbook.lab.page.sheet import hues


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


def _contrast(hue, paper):
    low, high = sorted((_luminance(hue), _luminance(paper)))
    return (high + 0.05) / (low + 0.05)


def test_thin_lines_can_be_read_on_a_dark_page_too():
    looks = styles(["neutral", "Wing"])
    light, dark = re.findall("#[0-9a-f]{6}", hues("neutral", looks))
    assert light == NEUTRAL.lower()
    of_blue = re.findall("#[0-9a-f]{6}", hues("feat", styles(["feat"])))[1]
    for line in (dark, of_blue):
        assert _contrast(line, "#14181e") >= 4.5 and _contrast(line, "#121212") >= 4.5
    text = re.findall("#[0-9a-f]{6}", hues("Wing", looks, contrast=4.5))
    assert _contrast(text[0], "#ffffff") >= 4.5 and _contrast(text[1], "#14181e") >= 4.5


def test_the_arms_of_the_motion_chapter_can_be_told_from_a_white_page():
    assert _contrast(colour("P, as noise"), "#ffffff") >= 4.5
    looks = styles(["P, as noise", "P+V", "P+L", "P+V+A+R"])
    assert len({look["color"] for look in looks.values()}) == 4
