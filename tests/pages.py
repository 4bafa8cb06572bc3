"""The pages of the built book, and what their tests in Chromium share."""

import re
from pathlib import Path

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] not in {"_static", "_sources", "vendor"}
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


COLOURS = """() => ({
  theme: document.documentElement.dataset.theme,
  background: getComputedStyle(document.body).backgroundColor,
})"""


def text(path):
    return (HTML / path).read_text("utf8")


def watch(page):
    problems, requests = [], []

    def on_console(message):
        if message.type == "error":
            problems.append(f"console: {message.text}")

    def on_response(response):
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", lambda request: requests.append(request.url))
    return problems, requests


def darken(page):
    for _ in range(3):
        if page.evaluate(COLOURS)["theme"] == "dark":
            break
        page.locator("button.theme-switch-button:visible").first.click()
    # The theme's tooltip fades in and out: caught in between, its contrast is any number.
    page.mouse.move(0, 0)
    page.evaluate("() => document.activeElement.blur()")
    page.wait_for_function("() => !document.querySelector('.tooltip')")
    page.wait_for_timeout(300)
    return page.evaluate(COLOURS)


def brightness(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)
