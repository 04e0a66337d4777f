"use strict";
const at = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** Show the examples of the chosen verdict that have a label with these letters, and say how many they are. */
function filter() {
  const verdict = document.querySelector("input[name=verdict]:checked").value;
  const letters = at("label").value.trim().toLowerCase();
  for (const one of all(".one")) {
    const { verdict: own, labels } = one.dataset;
    one.hidden = (verdict && own !== verdict) || !labels.toLowerCase().includes(letters);
  }
  const articles = all("article.one");
  at("left").textContent = `${articles.filter((one) => !one.hidden).length} of ${articles.length} examples`;
}

/** By number where a cell has one, else by text; cells without a value last, either way. */
function compared(first, second, upwards) {
  const [one, other] = [first, second].map((cell) => cell.dataset.value);
  if (one !== undefined && other !== undefined) return upwards * (Number(one) - Number(other));
  if (one !== undefined || other !== undefined) return one === undefined ? 1 : -1;
  return upwards * first.textContent.localeCompare(second.textContent);
}

function sort(table, column) {
  const heads = all("thead th", table);
  const upwards = heads[column].getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[column].setAttribute("aria-sort", upwards > 0 ? "ascending" : "descending");
  const rows = all("tbody tr", table).sort((one, other) => compared(one.cells[column], other.cells[column], upwards));
  table.tBodies[0].append(...rows);
}

/** The head of a column becomes a button that sorts by it. */
function sortable(table) {
  all("thead th", table).forEach((head, column) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
    button.addEventListener("click", () => sort(table, column));
    head.replaceChildren(button);
  });
}

/** To the clipboard; where a browser keeps that from pages, the command is selected to be copied by hand. */
async function copy() {
  try {
    await navigator.clipboard.writeText(at("command").textContent);
    at("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(at("command"));
    at("copied").textContent = "Selected: copy it with your keyboard.";
  }
}

for (const one of all(".scripted")) one.hidden = false;
all("table.sortable").forEach(sortable);
at("copy").addEventListener("click", copy);
if (at("filter")) {
  at("filter").addEventListener("input", filter);
  at("filter").addEventListener("submit", (event) => event.preventDefault());
  filter();
}
