"use strict";
// One question at a time. Answers and seconds are kept in this browser and scored with a key file that is read here.
// Nothing is sent anywhere.
(function () {
  const $ = (query, from = document) => from.querySelector(query), $$ = (query) => Array.from(document.querySelectorAll(query));
  const quiz = document.body.dataset.quiz, store = "xaae-quiz-" + quiz;
  const forms = $$("form"), last = forms.length + 1, questions = forms.map((_, i) => String(i + 1));
  const blank = () => ({step: 0, started: null, knew_key: false, answers: {}});
  let state = Object.assign(blank(), load()), since = performance.now(), lasting = true, scored = null;

  function load() {
    try { return JSON.parse(localStorage.getItem(store)) || {}; } catch { return {}; }
  }
  function keep() {
    try { localStorage.setItem(store, JSON.stringify(state)); } catch { lasting = false; }
  }
  const given = (number) => state.answers[number] || (state.answers[number] = {choice: null, confidence: null, seconds: 0});
  const field = (input) => input.name.split("-")[0];  // "choice" or "confidence"
  const chosen = (number) => Boolean((state.answers[number] || {}).choice);

  // Seconds count for the question that is shown, while the page is visible and the key has not been opened.
  function clock() {
    const now = performance.now(), asked = state.step > 0 && state.step < last;
    if (asked && !scored && !document.hidden) given(state.step).seconds += (now - since) / 1000;
    since = now;
  }

  function show(step, focus = true) {
    clock();
    state.step = Math.min(last, Math.max(0, step));
    keep();
    for (const part of $$("[data-step]")) part.classList.toggle("now", Number(part.dataset.step) === state.step);
    draw();
    if (!focus) return;
    scrollTo({top: 0, behavior: "instant"});
    const title = $(".now h2");
    if (title) title.focus({preventScroll: true});
  }
  function draw() {
    const number = questions.filter(chosen).length, open = questions.filter((each) => !chosen(each));
    $("#progress").hidden = $("#all").hidden = state.step === 0;
    $("#where").innerHTML = state.step < last ? `<b>Question ${state.step}</b> of ${last - 1}` : "<b>End</b>";
    $("#count").textContent = `${number} answered`;
    $("#progress .bar i").style.width = 100 * number / (last - 1) + "%";
    $("#left").textContent = (open.length ? `Not answered yet: ${open.join(", ")}. They count as not right.` : "You have answered every question.")
      + (lasting ? "" : " This browser does not keep answers: save them before you close the page.");
    $("#start").textContent = state.started ? "Go on" : "Start";
    for (const button of $$("[data-go]")) {
      button.classList.toggle("answered", chosen(button.dataset.go));
      button.toggleAttribute("aria-current", Number(button.dataset.go) === state.step);
    }
    forms.forEach((form, i) => {
      for (const input of form.querySelectorAll("input")) {
        input.checked = (state.answers[i + 1] || {})[field(input)] === input.value;
        input.disabled = Boolean(scored);
      }
    });
  }

  function file() {
    const {started, knew_key, answers} = state;
    for (const each of Object.values(answers)) each.seconds = Math.round(each.seconds * 10) / 10;
    return JSON.stringify({quiz, started, saved: new Date().toISOString(), knew_key, answers}, null, 2) + "\n";
  }
  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file()], {type: "application/json"}));
    link.download = `quiz-answers-${quiz}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function tally(rows) {
    const number = (test) => rows.filter(test).length;
    return {right: number((row) => row.choice === row.answer), answered: number((row) => row.choice), total: rows.length,
      none: number((row) => row.answer === "none"), factor: number((row) => row.answer !== "none")};
  }
  function grouped(rows, name) {
    const groups = new Map();
    for (const row of rows) groups.set(row[name], [...(groups.get(row[name]) || []), row]);
    return groups;
  }
  const KINDS = {map: "Heat maps", walk: "Walks", sorted: "Real {{ kind.plural }}, sorted", control: "Controls"};
  const SURE = {guess: "A guess", fairly: "Fairly sure", sure: "Sure"};
  const ARMS = {biased: "a shortcut was planted", irrelevant: "no shortcut", normal: "no shortcut"};
  const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
  const share = (right, total) => `${right} of ${total}`;
  const percent = (part) => `${Math.round(100 * part)}\u202f%`;

  function element(name, text, more = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const key in more) made.setAttribute(key, more[key]);
    return made;
  }
  function table(heads, rows, more = {}) {
    const box = element("div", undefined, {class: "scroll", ...more}), made = element("table"), head = element("tr"), body = element("tbody");
    head.append(...heads.map((text) => element("th", text, {scope: "col"})));
    made.append(element("thead"), body);
    made.firstChild.append(head);
    for (const cells of rows) {
      const row = element("tr");
      row.append(...cells.map((cell, i) => cell instanceof Node ? cell : element(i ? "td" : "th", cell)));
      body.append(row);
    }
    box.append(made);
    return box;
  }
  function said(value) {
    const input = forms[0].querySelector(`input[name=choice-1][value="${CSS.escape(value || "")}"]`);
    return input ? $("b", input.parentElement).textContent : value || "no answer";
  }
  function judged(number, row) {
    const right = row.choice === row.answer, title = element("td"), link = element("button", capital(row.title), {type: "button", class: "link"});
    link.addEventListener("click", () => show(Number(number)));
    title.append(link);
    const cell = (name, text) => element("td", text, {"data-name": name});
    return [number, title, cell("You:", said(row.choice)), cell("Key:", said(row.answer)), cell("Its training:", ARMS[row.arm] || row.arm),
      element("td", right ? "right" : "not right", {class: right ? "yes" : "no"})];
  }

  // The same counting as score_answers in quiz_scores.py.
  function score(key) {
    const chance = key.chance || 1 / 9, all = questions.map((number) => ({...key.about[number], ...(state.answers[number] || {choice: null})}));
    const sum = tally(all), line = (name, rows) => { const t = tally(rows); return [name, share(t.right, t.total), (t.total * chance).toFixed(1), String(t.none), String(t.factor)]; };
    const kinds = [...grouped(all, "kind")].map(([kind, rows]) => line(KINDS[kind] || kind, rows));
    const sure = grouped(all.filter((row) => row.choice), "confidence");
    const result = $("#result");
    result.replaceChildren(
      element("h3", "Your score"),
      element("p", `${sum.right} of ${sum.total} right`, {class: "lead"}),
      table(["Kind of explanation", "Right", "By guessing", "Always \u201cnone\u201d", "Always the factor"], [...kinds, line("All", all)], {id: "scores"}),
      element("p", `By guessing: what choosing blindly among the answers would get right on average (chance level ${percent(chance)}). `
        + "Always \u201cnone\u201d: what you would get right by always choosing \u201cnone of these\u201d. Always the factor: what you would get right by always naming the factor that a question is about. A score clearly above all three suggests that the explanations told you something. With so few questions it may still be luck.", {class: "note"}),
      element("h3", "How sure you were"),
      table(["You said", "Right"], [...Object.keys(SURE), null].filter((name) => sure.has(name)).map((name) => {
        const t = tally(sure.get(name)); return [SURE[name] || "Not said", share(t.right, t.total)]; })),
      element("h3", "Question by question"),
      table(["", "Explanation", "You said", "The key says", "Its training", ""], all.map((row, i) => judged(questions[i], row)), {class: "scroll review"}));
    result.focus({preventScroll: true});
  }
  function complete(key) {
    return questions.every((number) => key.about && key.about[number] && typeof key.about[number].answer === "string");
  }
  async function open(picked) {
    let key = null;
    try { key = JSON.parse(await picked.text()); } catch { /* said below */ }
    if (!key || !complete(key)) return note("This file is not the key of a quiz. Choose the quiz-key.json that came with this page.");
    if (key.quiz !== quiz) return note(`This key belongs to another quiz (${key.quiz}); this one is ${quiz}.`);
    note("");
    scored = key;
    state.knew_key = true;
    keep();
    draw();
    score(key);
  }
  const note = (text) => { $("#note").textContent = text; };

  function again() {
    if (!confirm("Delete all your answers to this quiz in this browser?")) return;
    state = {...blank(), knew_key: state.knew_key};
    scored = null;
    $("#key").value = "";
    $("#result").replaceChildren();
    note("");
    show(0);
  }

  forms.forEach((form, i) => {
    form.addEventListener("change", (event) => { given(i + 1)[field(event.target)] = event.target.value; keep(); draw(); });
    form.addEventListener("submit", (event) => { event.preventDefault(); show(i + 2); });
    form.querySelector("[data-back]").addEventListener("click", () => show(i));
  });
  for (const button of $$("[data-go]")) button.addEventListener("click", () => show(Number(button.dataset.go)));
  $("#start").addEventListener("click", () => { state.started ||= new Date().toISOString(); show(Math.max(1, Number(questions.find((each) => !chosen(each)) || last))); });
  $("#save").addEventListener("click", save);
  $("#again").addEventListener("click", again);
  $("#key").addEventListener("change", (event) => event.target.files[0] && open(event.target.files[0]));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { since = performance.now(); return; }
    const asked = state.step > 0 && state.step < last;
    if (asked && !scored) given(state.step).seconds += (performance.now() - since) / 1000;
    keep();
  });
  addEventListener("pagehide", () => { clock(); keep(); });
  show(state.step, false);
})();
