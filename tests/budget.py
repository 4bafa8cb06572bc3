"""What a reader meets on a chapter's page before the first click, in numbers, and how much may be.

Cells are folded by the tags of MyST-NB:

- ``remove-input``: an object to move, a card, a question: only what it shows is on the page.
- ``hide-input``: plots, tables and asserts: what they show is there, their code opens with a click.
- ``hide-output``: long outputs.
- ``hide-cell``: set-up, proofs beneath a derivation by hand, solutions of exercises.
"""

import ast
import re
from dataclasses import dataclass

SCREEN = {"width": 1280, "height": 800}
FOLDED = {"remove-input", "remove-cell", "hide-input", "hide-cell"}
MOST_WORDS = 3500
MOST_LINES = 10
MOST_CODE = 1 / 3
FEWEST_OBJECTS = 2
MOST_SCREENS_WITHOUT = 2.0
SEEN = 150
"""Pixels of the first picture that are to be on the first screen."""

MEASURE = r"""async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  await Promise.all([...document.images].map((image) => {
    image.loading = "eager";
    return image.decode().catch(() => null);
  }));
  const article = document.querySelector("article") || document.body;
  const seen = (element) => element.checkVisibility() && element.getClientRects().length > 0;
  const all = (selector) => [...article.querySelectorAll(selector)].filter(seen);
  const box = (element) => element.getBoundingClientRect();
  const outermost = (elements) =>
    elements.filter((one) => !elements.some((other) => other !== one && other.contains(one)));

  const words = [];
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const apart = "pre, table, script, style, svg, button, output, form, summary, mjx-container, "
    + ".math, .headerlink, .lossbook-scene, .visually-hidden";
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.closest(apart) || !seen(parent)) continue;
    // A folded note keeps its text in boxes without height.
    if (parent.closest(".toggle-hidden") && !parent.closest(".admonition-title")) continue;
    const cell = parent.closest(".cell");
    if (cell && !parent.closest(".lossbook-lesson")) continue;
    const found = walker.currentNode.data.split(/\s+/);
    words.push(...found.filter((word) => /[\p{L}\p{N}]/u.test(word)));
  }

  const heavy = outermost(all(
    ".cell_input, .output.stream, .output.text_plain, .output.traceback, table, "
    + "div[class*='highlight-']"));
  const pictures = outermost(all("img, .lossbook-scene, .cell_output svg, canvas"))
    .map((element) => box(element)).filter(({width, height}) => width >= 100 && height >= 80)
    .map(({top, bottom}) => [top + scrollY, bottom + scrollY]).sort(([a], [b]) => a - b);
  const code = all(".cell_input pre").map((pre) => {
    const lines = pre.textContent.replace(/\n+$/, "").split("\n");
    return {
      lines: lines.length, letters: Math.max(...lines.map((line) => line.length)),
      wider: pre.scrollWidth - pre.clientWidth, text: lines[0],
    };
  });
  return {
    words: words.length,
    top: box(article).top + scrollY,
    height: box(article).height,
    heavy: heavy.reduce((sum, element) => sum + box(element).height, 0),
    pictures, code,
    objects: new Set(all(".lossbook-scene[data-scene]").map((scene) => scene.dataset.scene)).size,
  };
}"""


@dataclass(frozen=True)
class Measured:
    """A page in figures; made by `measure`."""

    words: int
    screens: float
    first_picture: float
    """Place of its upper edge, in screens; infinite if there is none."""
    first_seen: bool
    gap: float
    """Longest way without a picture, in screens."""
    code_share: float
    lines: int
    letters: int
    too_wide: tuple[str, ...]
    too_long: tuple[str, ...]
    objects: int

    def __str__(self):
        return (
            f"{self.words} words, {self.screens:.1f} screens; first picture at "
            f"{self.first_picture:.2f}, longest way without one {self.gap:.1f} screens; code, "
            "tables and texts "
            f"{self.code_share:.0%} of the height; longest cell {self.lines} lines, widest "
            f"{self.letters} letters; {self.objects} objects to move"
        )

    def broken(self):
        """What of the budget is exceeded, in sentences."""
        rules = {
            f"{self.words} words, at most {MOST_WORDS}": self.words > MOST_WORDS,
            f"the first picture begins at screen {self.first_picture:.2f}": not self.first_seen,
            f"{self.gap:.1f} screens without a picture": self.gap > MOST_SCREENS_WITHOUT,
            f"code, tables and texts are {self.code_share:.0%} of the height": (
                self.code_share > MOST_CODE
            ),
            f"cells of more than {MOST_LINES} lines: {', '.join(self.too_long)}": self.too_long,
            f"code wider than the page: {', '.join(self.too_wide)}": self.too_wide,
            f"{self.objects} objects to move, at least {FEWEST_OBJECTS}": (
                self.objects < FEWEST_OBJECTS
            ),
        }
        return [sentence for sentence, breaks in rules.items() if breaks]


def measure(page):
    """Measure a page that is open in Chromium, on a screen of 1280 by 800."""
    page.set_viewport_size(SCREEN)
    found = page.evaluate(MEASURE)
    screen, top, height = SCREEN["height"], found["top"], found["height"]
    pictures, code = found["pictures"], found["code"]
    gap, reached = 0.0, top
    for start, stop in [*pictures, (top + height, top + height)]:
        gap = max(gap, start - reached)
        reached = max(reached, stop)
    return Measured(
        words=found["words"],
        screens=(top + height) / screen,
        first_picture=pictures[0][0] / screen if pictures else float("inf"),
        first_seen=bool(pictures) and pictures[0][0] + SEEN <= screen,
        gap=gap / screen,
        code_share=found["heavy"] / height,
        lines=max((one["lines"] for one in code), default=0),
        letters=max((one["letters"] for one in code), default=0),
        too_wide=tuple(one["text"] for one in code if one["wider"] > 1),
        too_long=tuple(one["text"] for one in code if one["lines"] > MOST_LINES),
        objects=found["objects"],
    )


SHOWING = {"figures", "audit", "table", "plt", "display", "predict", "guess", "slider", "dot_plot"}
SHOWING |= {"Scene", "normal_values", "curves"}


def only_shows(source):
    """Whether a cell only plots, tabulates or asserts, so that its code is to be folded."""
    # A magic is no Python.
    statements = ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE))
    drawn = set(SHOWING)

    def shows(node):
        while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
        return isinstance(node, ast.Name) and node.id in drawn

    for statement in statements.body:
        if isinstance(statement, (ast.Assert, ast.Import, ast.ImportFrom, ast.Pass)):
            continue
        if isinstance(statement, ast.Assign) and shows(statement.value):
            drawn |= {
                n.id for n in ast.walk(statement) if isinstance(getattr(n, "ctx", 0), ast.Store)
            }
        elif not (isinstance(statement, ast.Expr) and shows(statement.value)):
            return False
    return any(not isinstance(s, (ast.Import, ast.ImportFrom, ast.Pass)) for s in statements.body)
