// Selects several tokens of a list: a click with Shift takes the whole range, a box in the table's head the whole page,
// and the bar says how many are selected and where. Without this script each box is ticked by itself, or all that
// match, and the list's form carries them along.

let last; // the box that was clicked last

const every = () => [...document.querySelectorAll("input[type=checkbox][name=token]")];
const boxes = () => every().filter((box) => !box.closest("tr").hidden);
const ticked = () => every().filter((box) => box.checked);

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  if (box.matches("[data-picks-page]")) {
    for (const each of boxes()) each.checked = box.checked;
  }
  if (box.name === "token") {
    if (event.shiftKey && last?.isConnected) range(last, box);
    last = box;
  }
  tell();
  follow(box);
});

// A click with Shift would select the text between the two boxes.
document.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.matches?.("input[name=token]")) event.preventDefault();
});

function range(from, to) {
  const all = boxes();
  const [a, b] = [all.indexOf(from), all.indexOf(to)].sort((x, y) => x - y);
  if (a < 0) return;
  for (const box of all.slice(a, b + 1)) box.checked = to.checked;
}

// The bar stands at the window's edge, wherever it is in the page: behind the box that was ticked, it is one press of
// Tab away, and not as many as there are rows.
function follow(box) {
  const bar = document.querySelector("[data-picking]");
  if (box.closest("#list thead, #list tbody") && bar?.classList.contains("is-chosen")) box.parentElement.append(bar);
}

// The filter's fields that differ from what the list was made for.
function changed() {
  const fields = document.querySelectorAll("#list .toolbar input, #list .toolbar select");
  return [...fields].filter((field) => {
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field.options) return field.value !== ([...field.options].find((o) => o.defaultSelected) ?? field.options[0])?.value;
    return normal(field.value) !== normal(field.defaultValue);
  });
}

const normal = (text) => text.toLowerCase().replace(/\s+/g, " ").trim();

// What is typed into a field that filters at once has narrowed the rows down, and they are all that match. Any other
// change of the filter shows nothing yet, so "all that match" would be others than those that are seen.
const narrows = (field) => field.dataset.filters && normal(field.value).startsWith(normal(field.defaultValue));

let elsewhere = []; // selected before the list was sorted, filtered or turned, and not among its rows now

function tell() {
  const bar = document.querySelector("[data-picking]");
  if (!bar) return;
  const all = boxes();
  const matching = document.getElementById("pick-all");
  const differs = changed();
  const narrowed = differs.length > 0 && differs.every(narrows);
  matching.disabled = differs.length > 0 && !narrowed;
  if (matching.disabled) matching.checked = false;
  const label = document.getElementById("pick-all-label");
  label.dataset.whole ??= label.textContent;
  if (matching.disabled) label.textContent = label.dataset.first;
  else label.textContent = narrowed ? counted(label, all.length) : label.dataset.whole;

  const boxed = ticked();
  const picked = [...(matching.checked ? all : boxed).map((box) => box.value), ...(matching.checked ? [] : elsewhere)];
  const chosen = matching.checked && !narrowed ? Number(matching.dataset.matching) : picked.length;
  const page = document.querySelector("[data-picks-page]");
  if (page) {
    page.hidden = all.length === 0;
    page.checked = all.length > 0 && all.every((box) => box.checked);
    page.indeterminate = !page.checked && boxed.length > 0;
  }
  count(bar, chosen, matching.checked && chosen > all.length ? [] : picked);

  const global = document.getElementById("pick-global");
  const globals = (some) => some.filter((box) => box.closest("tr").classList.contains("global")).length;
  const ofAll = narrowed ? globals(all) : Number(global.dataset.global);
  note(global, !matching.checked && picked.length > 0 ? globals(boxed) : ofAll);
  const hidden = elsewhere.length + boxed.filter((box) => box.closest("tr").hidden).length;
  note(document.getElementById("pick-elsewhere"), matching.checked ? 0 : hidden);
  for (const button of bar.querySelectorAll("button[type=submit]")) button.disabled = chosen === 0;
  bar.classList.toggle("is-chosen", chosen > 0);
}

// How many are selected, and in how many organizations where that is known.
function count(bar, chosen, picked) {
  const region = document.getElementById("pick-count");
  const places = new Set(picked.map((value) => value.split("/")[0].toLowerCase())).size;
  let text = region.dataset.none;
  if (chosen > 0) text = counted(region, chosen);
  if (places > 0) text = region.dataset.where.replace("{selected}", text).replace("{organizations}", counted(bar, places));
  if (region.textContent === text) return;
  region.textContent = text;
  document.getElementById("pick-said").textContent = text;
}

const counted = ({ dataset }, n) => (n === 1 ? dataset.one : dataset.many.replace("{count}", n));

function note(element, n) {
  element.hidden = n === 0;
  if (n > 0) element.textContent = counted(element, n);
}

// What is sent is what the bar counts. What only asks for the list in another view takes the selection along beside
// the address, which would grow with it.
let asks = false;

document.addEventListener("submit", (event) => {
  asks = event.target.id === "list" && event.submitter?.formMethod !== "post";
  if (asks) takeAlong();
});

document.addEventListener("formdata", (event) => {
  if (event.target.id !== "list") return;
  const { formData } = event;
  const all = document.getElementById("pick-all");
  if (asks) {
    for (const name of ["token", "all"]) formData.delete(name);
    for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
  } else if (!all?.checked) {
    for (const token of elsewhere) formData.append("token", token);
  } else if (changed().length > 0) {
    for (const name of ["token", "all"]) formData.delete(name);
    for (const box of boxes()) formData.append("token", box.value);
  }
});

function takeAlong() {
  const all = document.getElementById("pick-all");
  const tokens = ticked().map((box) => box.value);
  sessionStorage.setItem("chosen", JSON.stringify({ place: location.pathname, all: all?.checked && all.value, tokens: [...tokens, ...elsewhere] }));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (link && link.pathname === location.pathname && link.search !== location.search) takeAlong();
});

function unpack() {
  const kept = JSON.parse(sessionStorage.getItem("chosen") ?? "null");
  sessionStorage.removeItem("chosen");
  for (const field of document.querySelectorAll("input[type=hidden][name=token]")) {
    elsewhere.push(field.value);
    field.remove();
  }
  if (kept?.place !== location.pathname) return;
  elsewhere.push(...kept.tokens);
  const all = document.getElementById("pick-all");
  if (all && all.value === kept.all) all.checked = true;
}

// Rows may come later, while organizations are being read.
function settle() {
  elsewhere = elsewhere.filter((token) => {
    const box = every().find((each) => each.value === token);
    if (box) box.checked = true;
    return !box;
  });
  tell();
}

for (const event of ["input", "change", "narrowed"]) document.addEventListener(event, tell);
document.addEventListener("exchanged", settle);
// Coming back, the browser may have kept the ticks, or not; forms.js enables the buttons first.
window.addEventListener("pageshow", () => setTimeout(tell));
unpack();
settle();
