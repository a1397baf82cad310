"use strict";
// Sliders of the walks, and other colours for the map. Everything else on the page works without a script.
(function () {
  const holder = document.getElementById("walk-data");
  if (!holder) return;
  const {walks: data, sign, digits, change} = JSON.parse(holder.textContent);
  const minus = (text) => text.replace("-", "\u2212");
  const plain = (v) => minus(Number(v.toFixed(digits)) === 0 ? (0).toFixed(digits) : v.toFixed(digits)) + sign;
  const signed = (v) => v === null ? "\u2013" : (Number(v.toFixed(digits)) > 0 ? "+" : "") + plain(v);
  const walks = Array.from(document.querySelectorAll("[data-walk]"), (box, i) => walk(box, data[i]));

  function walk(box, d) {
    const slider = box.querySelector("[data-step]"), button = box.querySelector("[data-play]");
    const readout = box.querySelector("[data-readout]"), cursor = box.querySelector(".cursor"), knob = box.querySelector(".knob");
    const cells = Array.from(box.querySelectorAll(".cell"), (cell) => ({
      tile: cell.querySelector(".tile"), bar: cell.querySelector(".bar i"), reading: cell.querySelector("[data-reading]"),
      probability: cell.querySelector("[data-probability]")}));
    let timer = 0, way = 1;

    function show() {
      const t = Number(slider.value), across = 100 * t / Math.max(1, d.steps.length - 1);
      cells.forEach((cell, row) => {
        const p = d.probability[row][t];
        cell.tile.style.backgroundPositionX = across + "%";
        cell.bar.style.width = 100 * (p || 0) + "%";
        cell.reading.textContent = signed(d.reading[row][t]);
        cell.probability.textContent = p === null ? "\u2013" : p.toFixed(2);
      });
      const [x, y] = d.cursor[t];
      cursor.setAttribute("transform", `translate(${x} 0)`);
      knob.style.display = y === null ? "none" : "";
      knob.setAttribute("transform", `translate(${x} ${y || 0})`);
      readout.textContent = `${d.steps[t]}, median ${signed(d.median[t])}`;
      slider.setAttribute("aria-valuetext", `${d.steps[t]}, median ${change} ${d.median[t] === null ? "not measured" : plain(d.median[t])}`);
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

  function choose(from) {
    walks.forEach((each) => {
      each.stop();
      if (from && each.slider.max === from.slider.max) each.slider.value = from.slider.value;
      each.show();
    });
  }
  let current = 0;
  document.querySelectorAll("[data-tabs] input").forEach((input) => {
    input.addEventListener("change", () => { choose(walks[current]); current = Number(input.value); });
    if (input.checked) current = Number(input.value);
  });
})();

(function () {
  const holder = document.getElementById("map-data"), select = document.getElementById("colour-by");
  if (!holder || !select) return;
  const {columns, shades} = JSON.parse(holder.textContent);
  const legend = document.querySelector("[data-legend]"), first = legend.innerHTML;
  const maps = Array.from(document.querySelectorAll("svg.map"), (svg) => {
    const byClass = Array.from(svg.querySelectorAll(".point"));
    return {svg, byClass, after: byClass[byClass.length - 1], places: byClass.flatMap((path) => path.getAttribute("d").match(/M[^M]*/g) || []), own: []};
  });
  const colour = (each, letter) => letter === "-" ? "var(--muted)" : each.names ? `var(--k${letter.charCodeAt(0) - 97})` : shades[letter.charCodeAt(0) - 97];

  function element(name, text, style) {
    const made = document.createElement(name);
    made.textContent = text;
    if (style) made.style.cssText = style;
    return made;
  }
  function key(each) {
    const line = element("p", "");
    line.className = "key";
    line.setAttribute("aria-label", "Legend");
    const parts = each.names ? each.names.map((name, i) => {
      const entry = element("span", name), dot = element("i", "", `--k:var(--k${i})`);
      dot.className = "dot";
      entry.prepend(dot);
      return entry;
    }) : [element("span", each.low), Object.assign(element("span", "", `background:linear-gradient(90deg,${shades.join(",")})`), {className: "gradient"}), element("span", each.high)];
    line.append(...parts);
    return line;
  }
  function paint(map, each) {
    map.svg.classList.toggle("by-column", Boolean(each));
    map.own.forEach((path) => path.remove());
    map.byClass.forEach((path) => { path.style.display = each ? "none" : ""; });
    const letters = each ? Array.from(new Set(each.points)).sort() : [];
    map.own = letters.map((letter) => {
      const path = map.after.cloneNode();
      path.style.cssText = `--class:${colour(each, letter)}`;
      path.setAttribute("d", map.places.filter((_, i) => each.points[i] === letter).join(""));
      map.after.after(path);
      return path;
    });
  }
  function show() {
    const each = select.value === "" ? null : columns[Number(select.value)];
    maps.forEach((map) => paint(map, each));
    if (each) legend.replaceChildren(key(each)); else legend.innerHTML = first;
  }
  select.addEventListener("change", show);
  show();
})();
