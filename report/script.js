"use strict";
// Sliders of the walks. Everything else on the page works without a script.
(function () {
  const holder = document.getElementById("walk-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const minus = (text) => text.replace("-", "\u2212");
  const degrees = (a) => a === null ? "\u2013" : (a > 0.5 ? "+" : "") + minus(Math.abs(a) < 0.5 ? "0" : a.toFixed(0)) + "\u00b0";
  const walks = Array.from(document.querySelectorAll("[data-walk]"), (box, i) => walk(box, data[i]));

  function walk(box, d) {
    const slider = box.querySelector("[data-step]"), button = box.querySelector("[data-play]");
    const readout = box.querySelector("[data-readout]"), cursor = box.querySelector(".cursor"), knob = box.querySelector(".knob");
    const cells = Array.from(box.querySelectorAll(".cell"), (cell) => ({
      tile: cell.querySelector(".tile"), bar: cell.querySelector(".bar i"), angle: cell.querySelector("[data-angle]"),
      probability: cell.querySelector("[data-probability]")}));
    let timer = 0, way = 1;

    function show() {
      const t = Number(slider.value), across = 100 * t / Math.max(1, d.alpha.length - 1);
      cells.forEach((cell, row) => {
        const p = d.probability[row][t];
        cell.tile.style.backgroundPositionX = across + "%";
        cell.bar.style.width = 100 * (p || 0) + "%";
        cell.angle.textContent = degrees(d.angle[row][t]);
        cell.probability.textContent = p === null ? "\u2013" : p.toFixed(2);
      });
      const [x, y] = d.cursor[t];
      cursor.setAttribute("transform", `translate(${x} 0)`);
      knob.style.display = y === null ? "none" : "";
      knob.setAttribute("transform", `translate(${x} ${y || 0})`);
      readout.textContent = `alpha ${minus(d.alpha[t].toFixed(1))}, median ${degrees(d.median[t])}`;
      slider.setAttribute("aria-valuetext", `alpha ${d.alpha[t].toFixed(1)}, median angle ${d.median[t] === null ? "not measured" : d.median[t] + " degrees"}`);
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      button.textContent = "Play";
      button.setAttribute("aria-pressed", "false");
    }
    function step() {
      const t = Number(slider.value), last = Number(slider.max);
      if (t + way < 0 || t + way > last) way = -way;
      slider.value = t + way;
      show();
    }
    function play() {
      timer = setInterval(step, 140);
      button.textContent = "Pause";
      button.setAttribute("aria-pressed", "true");
    }
    button.addEventListener("click", () => timer ? stop() : play());
    slider.addEventListener("input", () => { stop(); show(); });
    box.querySelectorAll(".cell").forEach((cell) => {
      const line = box.querySelector(`path[data-row="${cell.dataset.row}"]`);
      const mark = (on) => () => line && line.classList.toggle("hot", on);
      for (const event of ["mouseenter", "focus"]) cell.addEventListener(event, mark(true));
      for (const event of ["mouseleave", "blur"]) cell.addEventListener(event, mark(false));
    });
    show();
    return {box, stop, slider, show};
  }

  function choose(number, from) {
    walks.forEach((each, i) => {
      each.stop();
      if (from && each.slider.max === from.slider.max) each.slider.value = from.slider.value;
      each.box.hidden = i !== number;
      each.show();
    });
  }
  let current = 0;
  document.querySelectorAll("[data-tabs] input").forEach((input) => {
    input.addEventListener("change", () => { choose(Number(input.value), walks[current]); current = Number(input.value); });
    if (input.checked) current = Number(input.value);
  });
  choose(current);
})();
