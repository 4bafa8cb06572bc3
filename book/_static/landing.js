// Who comes from the search lands at the words, not at the top of the page.
addEventListener("DOMContentLoaded", () => {
  // The theme gives no name to what opens the pages beneath another one.
  for (const fold of document.querySelectorAll("nav li > details > summary")) {
    fold.ariaLabel ||= `Pages of ${fold.closest("li").querySelector("a").textContent.trim()}`;
  }
  const asked = new URLSearchParams(location.search), wanted = asked.get("highlight");
  const list = document.getElementById("search-results"), q = encodeURIComponent(asked.get("q"));
  const name = () => list.querySelectorAll("a").forEach((a) => { a.search = `highlight=${q}`; });
  if (list) new MutationObserver(name).observe(list, {childList: true, subtree: true});
  const page = document.querySelector("article.bd-article section");
  if (!page || !wanted) return;
  let stays = Boolean(location.hash), stay = () => { stays = true; };
  for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(kind, stay);
  const begins = (word) => new RegExp(`(?<![\\p{L}\\p{N}])(?:${word})`, "giu");
  // The search goes by stems: "medians" finds a page that has "median" only.
  const cut = (w) => begins(w).test(page.textContent) || w.length < 4 ? w : cut(w.slice(0, -1));
  const words = wanted.toLowerCase().split(/[^\p{L}\p{N}_]+/u)
    .filter((word) => word && !stopwords.includes(word)).map(cut).join("|");
  const land = () => {
    const found = [], walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
    for (let text; words && (text = walker.nextNode());) {
      const at = text.parentElement, part = at.closest("section");
      if (at.closest("svg, mjx-container, .math, script, style")) continue;
      for (const {0: word, index} of text.data.matchAll(begins(words))) {
        const seen = at.checkVisibility({checkOpacity: true}), range = new Range();
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        found.push({range, part, kind: seen && word.toLowerCase() + at.closest("h2, h3")});
      }
    }
    CSS.highlights?.set("search", new Highlight(...found.map(({range}) => range)));
    // A section is worth the words that it shows, and those of its heading once more.
    const worth = (a) => new Set(found.map((b) => a.kind && a.part === b.part && b.kind)).size;
    const [best] = found.sort((a, b) => worth(b) - worth(a));
    if (stays || !best) return;
    // A name of the reference has an entry of its own.
    const named = ({id}) => id.split(".").pop().toLowerCase() === wanted.trim().toLowerCase();
    const entry = [...page.querySelectorAll("dt.sig[id]")].find(named);
    if (entry) {
      location.replace(`#${entry.id}`);
      return;
    }
    location.replace(`#${best.part.id}`);
    const {bottom} = best.range.getBoundingClientRect();
    if (best.kind && bottom > innerHeight) scrollBy(0, bottom - innerHeight / 2);
  };
  land();
  addEventListener("load", () => Promise.resolve(window.MathJax?.startup?.promise).then(land));
});
