// Embeds every lossbook slider of the page with the BokehJS that the page has already loaded.
(function () {
  "use strict";

  function embedSliders() {
    for (const place of document.querySelectorAll(".lossbook-slider")) {
      if (place.dataset.embedded) continue;
      place.dataset.embedded = "yes";
      const item = JSON.parse(place.querySelector("script[type='application/json']").textContent);
      Bokeh.embed.embed_item(item, place.id);
    }
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", embedSliders);
  } else {
    embedSliders();
  }
})();
