// The search page: words or a picture go to the service, and what comes back is shown as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
const MOST_BYTES = 15 * 2 ** 20; // the service takes 16 MiB with all that is around the file
let token = ""; // in this page's memory only
let latest = 0; // the search whose results may be shown
let addresses = []; // of pictures, to be let go of

async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const reply = await fetch(path, { ...options, headers });
  if (reply.status === 401) byId("token-form").hidden = false;
  if (!reply.ok) {
    const said = await reply.json().catch(() => ({}));
    throw new Error(said.error?.message ?? `The service answered ${reply.status}.`);
  }
  return reply;
}

function say(text, trouble = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("trouble", trouble);
}

function address(blob) {
  addresses.push(URL.createObjectURL(blob));
  return addresses.at(-1);
}

function forget() {
  addresses.forEach((one) => URL.revokeObjectURL(one));
  addresses = [];
  byId("hits").replaceChildren();
}

function shown(hit) {
  const item = document.createElement("li");
  const picture = document.createElement("img");
  const caption = document.createElement("p");
  caption.textContent = Array.isArray(hit.text) ? hit.text.join(", ") : hit.text;
  picture.alt = caption.textContent;
  const distance = document.createElement("p");
  distance.className = "quiet";
  distance.textContent = hit.distance === undefined ? `item ${hit.id}` : `distance ${hit.distance}`;
  item.append(picture, caption, distance);
  return { item, picture };
}

async function search(path, options, what) {
  const mine = ++latest;
  forget();
  say(`Searching by ${what} …`);
  try {
    const [result] = (await (await ask(path, options)).json()).results;
    if (mine !== latest) return;
    if (result.error) throw new Error(result.error.message);
    const rows = result.hits.map((hit) => ({ hit, ...shown(hit) }));
    byId("hits").replaceChildren(...rows.map((row) => row.item));
    say(`${rows.length} hits by ${what}, nearest first.`);
    for (const row of rows) {
      const blob = await (await ask(row.hit.image)).blob();
      if (mine !== latest) return;
      row.picture.src = address(blob);
    }
  } catch (error) {
    if (mine === latest) say(error.message, true);
  }
}

function searchByWords() {
  byId("preview").hidden = true;
  byId("picture").value = "";
  const body = JSON.stringify({ items: [byId("words").value] });
  return search("/v1/search/texts", { method: "POST", body, headers: { "Content-Type": "application/json" } }, "words");
}

function searchByPicture(file) {
  if (!file) return;
  if (file.size > MOST_BYTES) {
    say("A picture of at most 15 MB is wanted, this one is larger.", true);
    return;
  }
  const body = new FormData();
  body.append("items", file, "picture");
  const searching = search("/v1/search/images", { method: "POST", body }, "picture");
  byId("preview").src = address(file);
  byId("preview").hidden = false;
  return searching;
}

async function introduce() {
  try {
    const info = await (await ask("/v1/info")).json();
    byId("about").textContent =
      `${info.name}${info.dim ? `, ${info.dim} bits` : ""}: words find one of ${info.database.images} pictures, a picture finds one of ` +
      `${info.database.texts} texts${info.dim ? "; what is near in Hamming distance is a hit" : ""}.`;
    byId("token-form").hidden = true;
    say("");
  } catch (error) {
    say(error.message, true);
  }
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  introduce();
});
byId("words-form").addEventListener("submit", (event) => {
  event.preventDefault();
  searchByWords();
});
byId("picture").addEventListener("change", () => searchByPicture(byId("picture").files[0]));
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // a picture dropped beside the field would replace the page
    byId("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") searchByPicture(event.dataTransfer.files[0]);
  });
}
introduce();
