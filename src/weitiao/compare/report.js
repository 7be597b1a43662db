"use strict";
const root = document.documentElement;
const pairs = [...document.querySelectorAll("#pairs .pair")];
const search = document.querySelector("#search");
const stopped = document.querySelector("#not-stopped");
const selects = [...document.querySelectorAll(".filters select")];
const nothing = document.querySelector("#nothing");
const wanted = { measure: "likelihood", verdict: "all" };
const texts = new Map();

function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}

function speak(language) {
  root.dataset.lang = language;
  root.lang = language === "zh" ? "zh-CN" : "en";
  document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
  search.placeholder = search.dataset[language];
  for (const option of document.querySelectorAll("option")) option.textContent = option.dataset[language];
}

// Question, answers and reference of a pair, and the id of its record; gathered when it is first searched.
function text(pair) {
  if (!texts.has(pair)) {
    const parts = pair.querySelectorAll(".cells .said, .other .said, .life p code:first-of-type");
    texts.set(pair, [...parts].map((part) => part.textContent).join("\n").toLowerCase());
  }
  return texts.get(pair);
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/);
  const marks = selects.map((select) => select.value).filter(Boolean);
  let shown = 0;
  for (const pair of pairs) {
    const own = pair.dataset.marks.split(" ");
    const fits = (wanted.verdict === "all" || pair.dataset[wanted.measure] === wanted.verdict)
      && (!stopped.checked || pair.dataset.stopped === "no")
      && marks.every((mark) => own.includes(mark))
      && words.every((word) => !word || text(pair).includes(word));
    pair.hidden = !fits;
    shown += fits;
  }
  document.querySelector("#shown").textContent = shown;
  nothing.hidden = shown > 0;
}

function clear() {
  search.value = "";
  stopped.checked = false;
  for (const select of selects) select.value = "";
  document.querySelector('[data-choice="verdict"] button').click();
}

for (const group of document.querySelectorAll("[data-choice]")) {
  const buttons = [...group.querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      press(buttons, button);
      if (group.dataset.choice === "language") return speak(button.value);
      wanted[group.dataset.choice] = button.value;
      filter();
    });
  }
}
search.addEventListener("input", filter);
for (const one of [stopped, ...selects]) one.addEventListener("change", filter);
nothing.querySelector("button").addEventListener("click", () => {
  clear();
  search.focus();
});
window.addEventListener("hashchange", () => {
  const target = pairs.find((pair) => "#" + pair.id === location.hash);
  if (!target || !target.hidden) return;
  clear();
  target.scrollIntoView();
});
speak(root.dataset.lang);
filter();
