// A question waits for a click; then it says what is right and lets the reader open the why.
// Where a reader may try again, a wrong choice is crossed out and the others stay.
// A wrong choice may have a hint, which is said with it.
// Of several logs one is shown at a time, so that a reader can flip from one to the next.
(function () {
  "use strict";
  for (const ask of document.querySelectorAll(".lossbook-lesson.ask, .lossbook-lesson .ask")) {
    if ("ready" in ask.dataset) continue;
    ask.dataset.ready = "";
    ask.dataset.lmSuppressShortcuts = "";
    const buttons = [...ask.querySelectorAll(".choices button")];
    const why = ask.querySelector("details");
    const again = ask.classList.contains("again");
    const show = (name, shown) => {
      const words = ask.querySelector(`.said .${name}`);
      if (words) words.hidden = !shown;
    };
    why.hidden = true;
    for (const button of buttons) {
      button.disabled = false;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        if (button.hasAttribute("aria-disabled")) return;
        const right = "right" in button.dataset, done = right || !again;
        const hint = ask.querySelector(".said .hint");
        if (hint) hint.textContent = button.dataset.hint || "";
        why.hidden = false;
        if (done && ask.classList.contains("opens")) why.open = true;
        show("right", right);
        show("wrong", !right);
        show("then", done);
        button.setAttribute("aria-pressed", "true");
        if (done) ask.dispatchEvent(new CustomEvent("judged"));
        for (const other of done ? buttons : [button]) {
          other.setAttribute("aria-disabled", "true");
          other.classList.toggle("true", done && "right" in other.dataset);
        }
      });
    }
  }
  for (const guess of document.querySelectorAll(".lossbook-lesson.guess")) {
    if ("ready" in guess.dataset) continue;
    guess.dataset.ready = "";
    const cases = [...guess.querySelectorAll(".case")];
    const tabs = cases.map((one) => {
      const tab = document.createElement("button");
      tab.type = "button";
      tab.textContent = one.getAttribute("aria-label");
      tab.addEventListener("click", () => open(one));
      one.addEventListener("judged", () => { tab.textContent += " ✓"; });
      return tab;
    });
    function open(shown) {
      cases.forEach((one, i) => {
        one.classList.toggle("away", one !== shown);
        tabs[i].setAttribute("aria-pressed", String(one === shown));
      });
    }
    const group = document.createElement("div");
    group.className = "tabs";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Choose a log");
    group.append(...tabs);
    guess.prepend(group);
    open(cases[0]);
  }
})();
