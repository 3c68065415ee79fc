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

function tell() {
  const bar = document.querySelector("[data-picking]");
  if (!bar) return;
  const all = boxes();
  const every = bar.elements["all"];
  const ticked = [...document.querySelectorAll("input[name=token]:checked")].length;
  const chosen = every.checked ? Number(every.dataset.matching) : ticked;
  const page = document.querySelector("[data-picks-page]");
  if (page) {
    page.hidden = all.length === 0;
    page.checked = all.length > 0 && all.every((box) => box.checked);
    page.indeterminate = !page.checked && ticked > 0;
  }
  const { none, one, many } = document.getElementById("pick-count").dataset;
  const text = chosen === 0 ? none : chosen === 1 ? one : many.replace("{count}", chosen);
  const region = document.getElementById("pick-count");
  if (region.textContent !== text) region.textContent = text;
  for (const button of bar.querySelectorAll("button")) button.disabled = chosen === 0;
  bar.classList.toggle("is-chosen", chosen > 0);
}

document.addEventListener("exchanged", tell);
// Coming back, the browser may have kept the ticks, or not; forms.js enables the buttons first.
window.addEventListener("pageshow", () => setTimeout(tell));
tell();
