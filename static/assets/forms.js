// Sends each form once, and brings a form's list of faults to the reader's attention. The server counts a form once
// in any case; this spares people the wait and the doubt.

const sent = new WeakSet();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  if (form.hasAttribute("data-stays")) return; // what it brings is a file: the page stays, and may be asked again
  if ((event.submitter?.formMethod ?? form.method) === "get") return; // asks again for what may be this very page
  sent.add(form);
  // A button that is disabled at once would be missing from what the form sends.
  setTimeout(() => {
    if (event.defaultPrevented) {
      release(form);
      return;
    }
    setButtons(form, true);
  });
});

// Coming back to a page that the browser kept must find its forms usable.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) release(form);
});

function release(form) {
  sent.delete(form);
  setButtons(form, false);
}

function setButtons(form, disabled) {
  for (const control of form.elements) {
    if (control.type === "submit") control.disabled = disabled;
  }
}

document.getElementById("mistakes")?.focus();

// What takes longer than a moment says so, once. The browser's own sign is easily overlooked.
const waiting = document.getElementById("waiting");
let timer;

function wait() {
  clearTimeout(timer);
  timer = setTimeout(() => { waiting.textContent = waiting.dataset.says; }, 300);
}

function waited() {
  clearTimeout(timer);
  waiting.textContent = "";
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  setTimeout(() => {
    if (!event.defaultPrevented && !form.hasAttribute("data-stays")) wait();
  });
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || link.target || link.hasAttribute("download") || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  setTimeout(() => {
    const other = link.pathname !== location.pathname || link.search !== location.search;
    if (!event.defaultPrevented && link.origin === location.origin && other) wait();
  });
});
window.addEventListener("waiting", wait);
for (const over of ["waited", "pageshow", "pagehide"]) window.addEventListener(over, waited);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") waited(); // which stops loading, too
});
