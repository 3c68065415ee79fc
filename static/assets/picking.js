// Chooses several tokens of a list: a click with Shift takes the whole range, a box in the table's head the whole page,
// and the bar below says how many are chosen. Without this script each box is ticked by itself, or all that match.

let last; // the box that was clicked last

const boxes = () => [...document.querySelectorAll("input[name=token]")].filter((box) => !box.closest("tr").hidden);

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

// The filter's fields that differ from what the list was made for.
function changed() {
  const fields = [...(document.querySelector("form[role=search]")?.elements ?? [])];
  return fields.filter((field) => {
    if (field.type === "checkbox") return field.checked !== field.defaultChecked;
    if (field.options) return field.value !== ([...field.options].find((o) => o.defaultSelected) ?? field.options[0])?.value;
    return field.type === "search" && normal(field.value) !== normal(field.defaultValue);
  });
}

const normal = (text) => text.toLowerCase().replace(/\s+/g, " ").trim();

// What is typed into a field that filters at once has narrowed the rows down, and they are all that match. Any other
// change of the filter shows nothing yet, so "all that match" would be others than those that are seen.
const narrows = (field) => field.dataset.filters && normal(field.value).startsWith(normal(field.defaultValue));

let elsewhere = []; // chosen before the list was sorted, filtered or turned, and not among its rows now

function tell() {
  const bar = document.querySelector("[data-picking]");
  if (!bar) return;
  const all = boxes();
  const every = bar.elements["all"];
  const differs = changed();
  const narrowed = differs.length > 0 && differs.every(narrows);
  every.disabled = differs.length > 0 && !narrowed;
  if (every.disabled) every.checked = false;
  const label = document.getElementById("pick-all-label");
  label.dataset.whole ??= label.textContent;
  if (every.disabled) label.textContent = label.dataset.first;
  else label.textContent = narrowed ? counted(label, all.length) : label.dataset.whole;

  const boxed = [...document.querySelectorAll("input[name=token]:checked")];
  const ticked = boxed.length + elsewhere.length;
  const chosen = !every.checked ? ticked : narrowed ? all.length : Number(every.dataset.matching);
  const page = document.querySelector("[data-picks-page]");
  if (page) {
    page.hidden = all.length === 0;
    page.checked = all.length > 0 && all.every((box) => box.checked);
    page.indeterminate = !page.checked && boxed.length > 0;
  }
  const region = document.getElementById("pick-count");
  const text = chosen === 0 ? region.dataset.none : counted(region, chosen);
  if (region.textContent !== text) region.textContent = text;

  const global = document.getElementById("pick-global");
  const globals = (some) => some.filter((box) => box.closest("tr").hasAttribute("data-global")).length;
  const ofAll = narrowed ? globals(all) : Number(global.dataset.global);
  note(global, !every.checked && ticked > 0 ? globals(boxed) : ofAll);
  const hidden = elsewhere.length + boxed.filter((box) => box.closest("tr").hidden).length;
  note(document.getElementById("pick-elsewhere"), every.checked ? 0 : hidden);
  for (const button of bar.querySelectorAll("button[type=submit]")) button.disabled = chosen === 0;
  bar.classList.toggle("is-chosen", chosen > 0);
}

const counted = ({ dataset }, n) => (n === 1 ? dataset.one : dataset.many.replace("{count}", n));

function note(element, n) {
  element.hidden = n === 0;
  if (n > 0) element.textContent = counted(element, n);
}

// What is sent is what the bar counts.
document.addEventListener("formdata", (event) => {
  const bar = event.target;
  if (!bar.matches("[data-picking]")) return;
  const differs = changed();
  if (!bar.elements["all"].checked) {
    for (const token of elsewhere) event.formData.append("token", token);
  } else if (differs.length > 0) {
    event.formData.delete("all");
    event.formData.delete("token");
    for (const box of boxes()) event.formData.append("token", box.value);
  }
});

// What is chosen is taken along to the same list in another order, with another filter, or on another page.
function takeAlong() {
  const tokens = [...document.querySelectorAll("input[name=token]:checked")].map((box) => box.value);
  sessionStorage.setItem("chosen", JSON.stringify({ place: location.pathname, tokens: [...tokens, ...elsewhere] }));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("main a[href]");
  if (link && link.pathname === location.pathname && link.search !== location.search) takeAlong();
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("form[role=search]")) takeAlong();
});

function unpack() {
  const kept = JSON.parse(sessionStorage.getItem("chosen") ?? "null");
  sessionStorage.removeItem("chosen");
  if (kept?.place === location.pathname) elsewhere = kept.tokens;
}

// Rows may come later, while organizations are being read.
function settle() {
  elsewhere = elsewhere.filter((token) => {
    const box = document.querySelector(`input[name=token][value="${CSS.escape(token)}"]`);
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
