// The list of tokens: the actions of a row as a menu in its place, which without this script are on the token's page,
// and the focus and the scroll position where they were when the list comes anew.

const menu = document.getElementById("row-menu")?.content.firstElementChild;
let opener; // the link whose menu is open

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.do");
  if (opener && !menu.contains(event.target)) close();
  if (!link || !menu || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open(link);
});

function open(link) {
  opener = link;
  const row = link.closest("tr");
  for (const item of menu.querySelectorAll("a")) {
    const { verb } = item.dataset;
    const global = row.classList.contains("global");
    item.href = verb === "replace" ? link.pathname.replace("/tokens/", "/global-tokens/") : `${link.pathname}/${verb}`;
    item.parentElement.hidden = verb === "replace" ? !global : verb === "rotate" && (global || row.classList.contains("tool"));
  }
  link.after(menu);
  link.setAttribute("aria-expanded", "true");
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
    const link = opener;
    close();
    link.focus();
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
  const used = place.selector && document.querySelector(`#list ${place.selector}`);
  if (used) used.focus({ preventScroll: true });
  if (used?.type === "search") used.setSelectionRange(used.value.length, used.value.length);
  scrollTo({ top: place.y, behavior: "instant" });
}
