"use strict";
// Draws the figures from the specifications on the page, and lets the reader choose the detector and the colours.
(() => {
  const options = { renderer: "svg", actions: false, tooltip: { theme: "custom" } };
  const views = [];
  const choice = document.getElementById("detector");

  const show = (detector) => {
    for (const element of document.querySelectorAll("[data-detector]")) {
      element.hidden = element.dataset.detector !== detector;
    }
    for (const view of views) {
      if (view.getState().signals.detector !== undefined) view.signal("detector", detector).runAsync();
    }
  };

  const draw = async () => {
    for (const source of document.querySelectorAll("script.spec")) {
      const target = document.getElementById(source.dataset.chart);
      const { view } = await vegaEmbed(target, JSON.parse(source.textContent), options);
      views.push(view);
    }
    document.documentElement.dataset.drawn = String(views.length);
    if (choice && choice.selectedIndex > 0) show(choice.value);
  };

  const first = choice ? choice.value : document.querySelector("[data-detector]")?.dataset.detector;
  if (first) show(first);
  choice?.addEventListener("change", () => show(choice.value));

  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  draw();
})();
