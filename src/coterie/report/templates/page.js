"use strict";
// Everything here is comfort: without this script the page says the same.
const root = document.documentElement;

// Light or dark: what the system says, until the reader says otherwise.
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const label = () => {
  theme.textContent = dark() ? "Light" : "Dark";
  theme.setAttribute("aria-label", `Use ${dark() ? "light" : "dark"} colours`);
};
try {
  const kept = localStorage.getItem("coterie-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
} catch {}
theme.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  try { localStorage.setItem("coterie-theme", root.dataset.theme); } catch {}
  label();
});
system.addEventListener("change", label);
label();
theme.hidden = false;

// Native hints become finer ones; the figure's own title stays its name for those who cannot see it.
for (const svg of document.querySelectorAll("svg[role=img]")) {
  const title = svg.querySelector(":scope > title");
  if (!title) continue;
  svg.setAttribute("aria-label", title.textContent);
  svg.removeAttribute("aria-labelledby");
  title.remove();
}
for (const title of document.querySelectorAll("svg title")) {
  title.parentElement.dataset.tip = title.textContent;
  title.remove();
}
const tip = document.getElementById("tip");
document.addEventListener("pointermove", (event) => {
  const marked = event.target.closest?.("[data-tip]");
  tip.hidden = !marked;
  if (!marked) return;
  tip.textContent = marked.dataset.tip;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${event.clientY > height + 24 ? event.clientY - height - 14 : event.clientY + 18}px`;
});
document.addEventListener("pointerleave", () => { tip.hidden = true; });

// Pointing at a segment anywhere points it out everywhere.
const marks = [...document.querySelectorAll("[data-segment]")];
let shown = null;
const point = (event) => {
  const segment = event.target.closest?.("[data-segment]")?.dataset.segment ?? null;
  if (segment === shown) return;
  shown = segment;
  for (const mark of marks) mark.classList.toggle("dim", segment !== null && mark.dataset.segment !== segment);
};
document.addEventListener("pointerover", point);
document.addEventListener("focusin", point);

// Tables that can be sorted: by figure, largest first, then the other way.
for (const head of document.querySelectorAll("table.sortable th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const row = head.parentElement;
    const at = [...row.children].indexOf(head);
    const text = at === 0;
    const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") !== "descending" : !text;
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = head.closest("table").tBodies[0];
    const key = (line) => Number(line.children[at].dataset.value);
    body.append(...[...body.rows].sort((a, b) => (down ? key(b) - key(a) : key(a) - key(b))));
  });
}
