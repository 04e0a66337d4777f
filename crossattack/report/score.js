"use strict";
const known = JSON.parse(document.getElementById("data").textContent);
const key = "crossattack-score-" + known.digest;
const at = (id) => document.getElementById(id);
let grades = kept();

/** Grades given so far, in the order of the pairs. */
function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "[]");
    const sound = Array.isArray(found) && found.length <= known.pairs.length && found.every((one) => [1, 2, 3, 4, 5].includes(one));
    return sound ? found : [];
  } catch {
    return [];
  }
}

function keep() {
  try {
    localStorage.setItem(key, JSON.stringify(grades));
  } catch {
    at("trouble").textContent = "This browser keeps nothing for this page: export before you close it.";
  }
}

function give(grade) {
  if (grades.length === known.pairs.length) return;
  grades.push(grade);
  keep();
  show();
}

function takeBack() {
  grades.pop();
  keep();
  show();
}

/** Mean, and 1.96 standard errors of it, of each condition's grades. */
function scores() {
  const found = {};
  grades.forEach((grade, place) => (found[known.pairs[place].condition] ??= []).push(grade));
  return Object.fromEntries(
    Object.entries(found).sort().map(([condition, given]) => {
      const mean = given.reduce((sum, one) => sum + one, 0) / given.length;
      const spread = given.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (given.length - 1);
      const reach = given.length > 1 ? 1.96 * Math.sqrt(spread / given.length) : null;
      return [condition, { pairs: given.length, mos: mean, ci95: reach === null ? null : [mean - reach, mean + reach] }];
    }),
  );
}

function show() {
  const pair = known.pairs[grades.length];
  at("pair").hidden = !pair;
  at("result").hidden = !!pair;
  at("back").disabled = at("again").disabled = at("export").disabled = !grades.length;
  if (pair) {
    at("place").textContent = `Pair ${grades.length + 1} of ${known.pairs.length}`;
    [at("left").src, at("right").src] = pair.pictures;
    return;
  }
  const rows = Object.entries(scores()).map(([condition, one]) => {
    const row = document.createElement("tr");
    const interval = one.ci95 ? `${one.ci95[0].toFixed(2)} to ${one.ci95[1].toFixed(2)}` : "–";
    for (const text of [condition, one.pairs, one.mos.toFixed(2), interval]) row.append(Object.assign(document.createElement("td"), { textContent: text }));
    return row;
  });
  at("scores").replaceChildren(...rows);
  at("done").focus();
}

function exported() {
  const votes = grades.map((grade, place) => {
    const { item, condition, changed } = known.pairs[place];
    return { item, condition, side: ["left", "right"][changed], grade };
  });
  const scale = "ITU-R BT.500, five-grade impairment: 5 imperceptible to 1 very annoying";
  return JSON.stringify({ schema: 1, run: known.run, seed: known.seed, digest: known.digest, pairs: known.pairs.length, scale, votes, scores: scores() }, null, 1);
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
  link.download = `score-${known.run}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

function startAgain() {
  if (!confirm("Forget all answers given here?")) return;
  grades = [];
  keep();
  show();
}

for (const button of document.querySelectorAll("#grades button")) button.addEventListener("click", () => give(Number(button.dataset.grade)));
at("back").addEventListener("click", takeBack);
at("export").addEventListener("click", download);
at("again").addEventListener("click", startAgain);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (["1", "2", "3", "4", "5"].includes(event.key)) give(Number(event.key));
  else if (event.key === "Backspace") takeBack();
});
show();
