"use strict";
const root = document.documentElement;
const pairs = [...document.querySelectorAll("#pairs .pair")];
const search = document.querySelector("#search");
const stopped = document.querySelector("#not-stopped");
const wanted = { measure: "likelihood", verdict: "all" };

function press(buttons, chosen) {
  for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
}

function speak(language) {
  root.dataset.lang = language;
  root.lang = language === "zh" ? "zh-CN" : "en";
  document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
  search.placeholder = search.dataset[language];
}

function filter() {
  const text = search.value.trim().toLowerCase();
  let shown = 0;
  for (const pair of pairs) {
    const fits = (wanted.verdict === "all" || pair.dataset[wanted.measure] === wanted.verdict)
      && (!stopped.checked || pair.dataset.stopped === "no")
      && (!text || pair.textContent.toLowerCase().includes(text));
    pair.hidden = !fits;
    shown += fits;
  }
  document.querySelector("#shown").textContent = shown;
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
stopped.addEventListener("change", filter);
window.addEventListener("hashchange", () => {
  const target = pairs.find((pair) => "#" + pair.id === location.hash);
  if (!target || !target.hidden) return;
  search.value = "";
  stopped.checked = false;
  document.querySelector('[data-choice="verdict"] button').click();
  filter();
  target.scrollIntoView();
});
speak(root.dataset.lang);
