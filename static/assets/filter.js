// Narrows a list while somebody types. A search field names the list by data-filters; what is searched in each of
// the list's entries is marked with data-filtered, or for all of them by a selector in the list's data-filtered-by. It
// is searched with what else it goes by: data-words, and the values of its choices. Entries may be folded away, in a
// <details data-fold>, which opens where one of them fits. Beside the list "<id>" stand "<id>-none", shown when nothing
// is left, and "<id>-count", a live region that says how many are.

for (const input of document.querySelectorAll("input[data-filters]")) {
  const list = document.getElementById(input.dataset.filters);
  if (list) attach(input, list);
}

function attach(input, list) {
  const folds = [...list.querySelectorAll("details[data-fold]")].map((element) => ({ element, open: element.open }));
  const elements = [...list.children].flatMap((one) => (one.matches("[data-fold]") ? [...one.querySelectorAll("[data-filtered]")] : [one]));
  const entries = elements.map((element) => ({ element, text: searched(element) }));
  input.closest(".picker-filter")?.removeAttribute("hidden");
  input.addEventListener("input", () => {
    narrow(input, list, entries);
    for (const { element, open } of folds) unfold(element, open, input.value.trim() !== "");
  });
  // A field without a name stands among another form's fields: Enter must not send that form.
  if (!input.name) input.addEventListener("keypress", keepEnter);
}

// While something is looked for, a fold is open, or gone where nothing in it fits.
function unfold(fold, open, looking) {
  const fits = fold.querySelector("[data-filtered]:not([hidden])") !== null;
  fold.hidden = !fits;
  fold.open = looking ? fits : open;
}

function keepEnter(event) {
  if (event.key === "Enter") event.preventDefault();
}

function narrow(input, list, entries) {
  const wanted = normal(input.value);
  // The page may hold only what the server found for an earlier search. Within that, typing can narrow, not widen.
  const widening = !wanted.startsWith(normal(input.defaultValue));
  let left = 0;
  for (const { element, text } of entries) {
    const matches = widening || wanted.split(" ").every((word) => text.includes(word));
    element.hidden = !matches;
    if (matches) left++;
  }
  count(list.closest("table")?.caption, left, entries.length);
  document.dispatchEvent(new Event("narrowed"));
  document.getElementById(`${list.id}-none`)?.toggleAttribute("hidden", left > 0);
  announce(document.getElementById(`${list.id}-count`), left);
}

// A table's caption counts what is shown of it.
function count(caption, left, all) {
  if (!caption?.dataset.shown) return;
  caption.dataset.whole ??= caption.textContent;
  caption.textContent = left === all ? caption.dataset.whole : caption.dataset.shown.replace("{shown}", left);
}

function searched(element) {
  const by = element.parentElement.dataset.filteredBy ?? "[data-filtered]";
  const parts = element.matches("[data-filtered]") ? [element] : [...element.querySelectorAll(by)];
  return normal(parts.map(words).join(" "));
}

function words(part) {
  const choices = [...part.querySelectorAll("input[type=radio]")].map((choice) => choice.value);
  return [part.textContent, part.dataset.words ?? "", ...choices].join(" ");
}

function normal(text) {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}

function announce(region, left) {
  if (!region) return;
  clearTimeout(region.timer);
  region.timer = setTimeout(() => {
    const { one, many } = region.dataset;
    region.textContent = left === 1 ? one : many.replace("{count}", left);
  }, 500);
}
