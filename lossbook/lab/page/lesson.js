// A question waits for a click; then it says what is right and lets the reader open the why.
(function () {
  "use strict";
  for (const ask of document.querySelectorAll(".lossbook-lesson.ask, .lossbook-lesson .ask")) {
    if ("ready" in ask.dataset) continue;
    ask.dataset.ready = "";
    ask.dataset.lmSuppressShortcuts = "";
    const buttons = [...ask.querySelectorAll(".choices button")];
    const why = ask.querySelector("details");
    const show = (name) => { ask.querySelector(`.said .${name}`).hidden = false; };
    why.hidden = true;
    for (const button of buttons) {
      button.disabled = false;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        if (!why.hidden) return;
        why.hidden = false;
        show("right" in button.dataset ? "right" : "wrong");
        show("then");
        button.setAttribute("aria-pressed", "true");
        for (const other of buttons) {
          other.setAttribute("aria-disabled", "true");
          other.classList.toggle("true", "right" in other.dataset);
        }
      });
    }
  }
})();
