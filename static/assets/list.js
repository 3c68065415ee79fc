// The list of tokens: the actions of a row as a menu in its place, which without this script are on the token's page,
// and the focus and the scroll position where they were when the list comes anew.

const menu = document.getElementById("row-menu")?.content.firstElementChild;
let opener; // the button whose menu is open

// Made here, as a button in each row would be a fifth of the page.
function addOpeners() {
  for (const box of document.querySelectorAll("#token-rows [name=token]")) {
    const row = box.closest("tr");
    if (row.querySelector(".do")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "do";
    button.textContent = "⋯";
    button.setAttribute("aria-labelledby", `do ${row.querySelector("th [id]").id}`);
    button.setAttribute("aria-expanded", "false");
    row.lastElementChild.append(button);
  }
}
const table = document.getElementById("list-table");
if (menu && table) {
  addOpeners();
  new MutationObserver(addOpeners).observe(table, { childList: true, subtree: true }); // rows arrive, and go
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".do");
  const again = button && button === opener;
  if (opener && !menu.contains(event.target)) close();
  if (button && menu && !again) open(button);
});

function open(button) {
  opener = button;
  const row = button.closest("tr");
  const { pathname } = row.querySelector("th a");
  for (const item of menu.querySelectorAll("a")) {
    const { verb } = item.dataset;
    const global = row.classList.contains("global");
    item.href = verb === "replace" ? pathname.replace("/tokens/", "/global-tokens/") : `${pathname}/${verb}`;
    item.parentElement.hidden = verb === "replace" ? !global : verb === "rotate" && (global || row.classList.contains("tool"));
  }
  button.after(menu);
  button.setAttribute("aria-expanded", "true");
  menu.querySelector("li:not([hidden]) a").focus();
}

function close() {
  opener?.setAttribute("aria-expanded", "false");
  opener = undefined;
  menu.remove();
}

document.addEventListener("keydown", (event) => {
  if (!opener) return;
  const items = [...menu.querySelectorAll("li:not([hidden]) a")];
  const at = items.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
  if (event.key === "Escape") {
    const button = opener;
    close();
    button.focus();
  } else if (to !== undefined) {
    event.preventDefault();
    items[to % items.length].focus();
  }
});
menu?.addEventListener("focusout", (event) => {
  if (event.relatedTarget && event.relatedTarget !== opener && !menu.contains(event.relatedTarget)) close();
});

// ---- The same place after the list was sorted, narrowed down or turned

const here = "place in the list";

document.getElementById("list")?.addEventListener("submit", (event) => {
  if (event.submitter?.formMethod === "post") return;
  const used = document.activeElement?.form ? document.activeElement : event.submitter;
  const selector = used?.id ? `#${used.id}` : used?.name ? `[name="${used.name}"][value="${CSS.escape(used.value)}"]` : "";
  sessionStorage.setItem(here, JSON.stringify({ selector, y: scrollY }));
});

const place = JSON.parse(sessionStorage.getItem(here) ?? "null");
sessionStorage.removeItem(here);
if (place && location.hash === "#tokens") {
  addEventListener("load", () => setTimeout(() => { // when the browser itself has gone to the fragment
    const used = place.selector && document.querySelector(`#list ${place.selector}`);
    if (used) used.focus({ preventScroll: true });
    if (used?.type === "search") used.setSelectionRange(used.value.length, used.value.length);
    scrollTo({ top: place.y, behavior: "instant" });
  }));
}
