// Opens pages that only ask or help in a dialog over the page that leads to them, and listens for the keys that the
// page "Keyboard shortcuts" lists. Without this script, or where a page can't be had so, the links lead to the pages.

let opening = false;

async function open(address) {
  if (opening || document.querySelector("dialog[open]")) return;
  opening = true;
  dispatchEvent(new Event("waiting"));
  try {
    const answer = await fetch(address, { cache: "no-store" });
    const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
    if (!answer.ok || answer.redirected || !main) throw new Error("another page");
    show(main);
  } catch {
    location.assign(address);
    return;
  } finally {
    opening = false;
  }
  dispatchEvent(new Event("waited"));
}

function show(main) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  main.querySelector(".notices")?.remove();
  for (const heading of main.querySelectorAll("h1")) {
    const smaller = document.createElement("h2");
    smaller.id = "heading";
    smaller.append(...heading.childNodes);
    heading.replaceWith(smaller);
  }
  for (const name of ["id", "for", "aria-labelledby", "aria-describedby", "data-filters"]) { // the page below may have the same
    for (const element of main.querySelectorAll(`[${name}]`)) {
      element.setAttribute(name, element.getAttribute(name).trim().split(/\s+/).map((id) => `dialog-${id}`).join(" "));
    }
  }
  dialog.setAttribute("aria-labelledby", "dialog-heading");
  dialog.append(...document.importNode(main, true).childNodes);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-closes]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  document.getElementById("main").append(dialog);
  const search = dialog.querySelector("input[type=search]");
  if (search) narrowing(dialog, search);
  dialog.showModal();
}

// narrowing makes a page of links with a search a list that is narrowed by typing and walked through with the arrows.
function narrowing(dialog, search) {
  const entries = [...dialog.querySelectorAll("[data-filtered]")];
  const links = () => entries.filter((entry) => !entry.hidden).map((entry) => entry.querySelector("a"));
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const entry of entries) entry.hidden = !words.every((word) => entry.textContent.toLowerCase().includes(word));
    dialog.querySelector(".none").hidden = links().length > 0;
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    links()[0]?.click();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [search, ...links()];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
}

// What the server would ask before doing it is asked here: data-asks has the page's address.
document.addEventListener("submit", (event) => {
  const address = event.target.dataset.asks;
  if (!address) return;
  event.preventDefault();
  open(address);
}, true);

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog], main a[href$='/revoke']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link.href);
});

const [help, jump] = ["help", "jump"].map((name) => document.querySelector(`a[data-dialog=${name}]`));

// A single key must not be in the way of who types, or speaks to the computer.
function typing(target) {
  return target.isContentEditable || target.matches?.("textarea, select, input:not([type=checkbox], [type=radio], [type=submit])");
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
  if (jump && event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey) {
    event.preventDefault();
    open(jump.href);
    return;
  }
  if (event.ctrlKey || event.metaKey || typing(event.target) || document.documentElement.dataset.keys === "off") return;
  const search = document.querySelector("main input[type=search]");
  if (event.key === "/" && search) search.focus();
  else if (event.key === "?" && help) open(help.href);
  else if (event.key === "n" && jump) location.assign(document.querySelector("main a[href*='/tokens/new']")?.href ?? jump.dataset.new);
  else return;
  event.preventDefault();
});
