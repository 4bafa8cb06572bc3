import re

import numpy as np
import pytest
import scenes

from lossbook.lab.page.panels import Axis
from lossbook.lab.page.questions import Log, guess, predict
from lossbook.lab.page.shown import asset, prose

CHOICES = ["nothing", "a NaN", "the wrong unit"]


def log(fault="nothing", factor=1.0, steps=50, **more):
    curves = {"2d": factor * np.linspace(3, 1, steps), "prior": np.geomspace(100, 1, steps)}
    return Log(curves, fault, "It falls.", "Go on.", **more)


def test_a_prediction_has_its_choices_and_folds_the_answer_and_the_why():
    html = predict("Does $x$ rise?", ["yes", "no"], answer="no", why="One.\n\nTwo.").markup
    assert html.count("<button") == 2 and html.count(" data-right") == 1
    assert re.search(r"data-right>no</button>", html)
    folded = html[html.index("<details>") : html.index("</details>")]
    assert "<b>no</b>" in folded and "<p>One.</p><p>Two.</p>" in folded
    assert html.count("disabled") == 2, "buttons are dead until a script wakes them"


@pytest.mark.parametrize(
    ("choices", "answer", "message"),
    [
        (["a"], "a", "at least two"),
        (["a", "a"], "a", "different"),
        (["a", "b"], "c", "'c' is not among the choices: a, b"),
    ],
)
def test_choices_that_give_the_answer_away_are_refused(choices, answer, message):
    with pytest.raises(ValueError, match=message):
        predict("?", choices, answer=answer, why="")


def test_a_prediction_may_open_an_object_to_move():
    made = predict("?", ["a", "b"], answer="a", why="b", shown=scenes.wing())
    assert scenes.wing().markup in made.markup
    for name in ("scene.js", "lesson.js", "scene.css", "lesson.css"):
        assert made.html().count(asset(name)) == 1
    assert asset("scene.js") not in predict("?", ["a", "b"], answer="a", why="b").html()


def test_an_answer_that_opens_by_itself_asks_for_nothing_before():
    closed, opens = (predict("?", ["a", "b"], answer="a", why="b", opens=o) for o in (False, True))
    assert "then open" in closed.markup and " opens" not in closed.markup
    assert (
        "then open" not in opens.markup
        and 'class="lossbook-lesson ask predict opens"' in opens.markup
    )


def test_a_log_may_have_another_run_behind_it():
    logs = [log(), log(), log(), log()]
    alone = guess(logs, CHOICES).markup
    logs[0] = log(beside={"2d": [2.0] * 50})
    assert guess(logs, CHOICES).markup.count("<path") == alone.count("<path") + 1


def test_a_wrong_choice_may_have_a_hint():
    logs = [log(), log("a NaN"), log(), log()]
    made = guess(logs, CHOICES, hints={"a NaN": "A curve would <end>."}).markup
    assert made.count(' data-hint="A curve would &lt;end&gt;."') == 3 == made.count(" data-right>n")
    assert made.count('<span class="hint">') == 4
    assert "hint" not in guess(logs, CHOICES).markup
    with pytest.raises(ValueError, match="'no NaN' is not among the choices"):
        guess(logs, CHOICES, hints={"no NaN": ""})


def test_how_to_read_the_curves_stands_above_those_of_each_log():
    made = guess([log()] * 4, CHOICES, reading="Dotted is *another* run.").markup
    above = [part.rpartition("</b>")[2] for part in made.split("<figure")[:-1]]
    assert all("Dotted is <em>another</em> run." in part for part in above) and len(above) == 4


def test_a_value_that_a_curve_can_be_compared_with_is_drawn_in_each_log():
    logs = [log()] * 4
    plain, compared = guess(logs, CHOICES), guess(logs, CHOICES, levels={"prior": 0.5})
    assert compared.markup.count("<path") == plain.markup.count("<path") + 4
    with pytest.raises(ValueError, match="no log has priors"):
        guess(logs, CHOICES, levels={"priors": 0.5})


def test_a_log_may_say_where_its_values_are():
    made = guess([log(notes={"prior": "below 1"}), log(), log(), log()], CHOICES).markup
    assert made.count("below 1") == 1


def test_logs_have_one_axis_a_term_and_no_names():
    logs = [log(), log("the wrong unit", 1000.0, mended={"2d": [1, 2, 3]}), log(), log()]
    made = guess(logs, CHOICES)
    assert made.axes["2d"].log and made.axes["2d"].stop > 3000
    html = made.markup
    assert re.findall(r"<b>(Log \w)\.</b>", html) == ["Log A", "Log B", "Log C", "Log D"]
    assert html.count('<svg class="panel"') == 4 * 2 + 2
    for section in html.split("<section")[1:]:
        before = section[: section.index("<details")]
        assert all(before.count(f">{choice}</button>") == 1 for choice in CHOICES)
        assert "It falls." not in before


@pytest.mark.parametrize("count", [3, 7])
def test_there_are_four_to_six_logs(count):
    with pytest.raises(ValueError, match="four to six"):
        guess([log()] * count, CHOICES)


def test_logs_can_be_called_by_other_names():
    markup = guess([log()] * 4, CHOICES, names="1234").markup
    assert all(f"Log {name}" in markup for name in "1234") and "Log A" not in markup
    with pytest.raises(ValueError, match="a name for each of 4 logs, got 3"):
        guess([log()] * 4, CHOICES, names="123")


def test_every_fault_is_a_choice():
    with pytest.raises(ValueError, match="'rust' is not among"):
        guess([log(), log(), log(), log("rust")], CHOICES)


def test_a_log_that_ends_in_nan_says_from_where_and_long_logs_are_thinned_with_their_spikes():
    values = np.linspace(3, 1, 5000)
    values[1234] = 40.0
    values[4000:] = np.nan
    made = guess([Log({"2d": values}, "a NaN", "It ends.", "Drop it."), log(), log(), log()],
                 CHOICES, axes={"2d": Axis(0, 50)})  # fmt: skip
    html = made.markup
    assert "NaN from step 4001 on" in html
    (path,) = re.findall(r'stroke-width="2" d="([^"]*)"', html)[:1]
    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", path)]
    assert len(heights) < 200 and min(heights) < 0.3 * max(heights)


def test_values_of_both_signs_have_a_linear_axis():
    logs = [log(), log("a NaN"), log("the wrong unit", -1.0), log()]
    axis = guess(logs, CHOICES).axes["2d"]
    assert not axis.log and axis.start < -3 and axis.stop > 3


def test_what_a_question_says_cannot_end_its_elements():
    evil = "</section><script>alert(1)</script>"
    html = predict(evil, [evil, "b"], answer=evil, why=evil).markup
    assert "<script" not in html and html.count("</section>") == 1


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a * b * c", "a * b * c"),
        ("costs $5 or $6", "costs $5 or $6"),
        ("**so** *it* `x < y`", "<strong>so</strong> <em>it</em> <code>x &lt; y</code>"),
        ("[here](a.html)", '<a href="a.html">here</a>'),
        ("$a < b$", r'<span class="math notranslate nohighlight">\(a &lt; b\)</span>'),
    ],
)
def test_a_sentence_keeps_markdown_that_is_meant(text, html):
    assert prose(text) == html
