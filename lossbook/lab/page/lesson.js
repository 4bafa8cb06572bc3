// A question waits for a click; then it says what is right and lets the reader open the why.
// Where a reader may try again, a wrong choice is crossed out and the others stay.
(function () {
  "use strict";
  for (const ask of document.querySelectorAll(".lossbook-lesson.ask, .lossbook-lesson .ask")) {
    if ("ready" in ask.dataset) continue;
    ask.dataset.ready = "";
    ask.dataset.lmSuppressShortcuts = "";
    const buttons = [...ask.querySelectorAll(".choices button")];
    const why = ask.querySelector("details");
    const again = ask.classList.contains("again");
    const show = (name, shown) => { ask.querySelector(`.said .${name}`).hidden = !shown; };
    why.hidden = true;
    for (const button of buttons) {
      button.disabled = false;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        if (button.hasAttribute("aria-disabled")) return;
        const right = "right" in button.dataset, done = right || !again;
        why.hidden = false;
        show("right", right);
        show("wrong", !right);
        show("then", done);
        button.setAttribute("aria-pressed", "true");
        for (const other of done ? buttons : [button]) {
          other.setAttribute("aria-disabled", "true");
          other.classList.toggle("true", done && "right" in other.dataset);
        }
      });
    }
  }
})();
