// Makes the token form answer at once: a template chooses its scopes where one is, the number of chosen scopes is
// counted, Full access together with single scopes is pointed out before the form is sent, a name that another token
// has is remarked on, and the link to the form has what stands in it. The server does and checks all of it without.

const form = document.getElementById("token-form");
const { name, organization, full, other } = form.elements;
const picker = document.getElementById("scope-groups");
const chosen = document.getElementById("chosen");
const conflict = document.getElementById("full-conflict");
const templates = [...form.querySelectorAll("button[data-scopes]")];
const link = document.getElementById("form-link");

function singleScopes() {
  const levels = [...picker.querySelectorAll("input[type=radio]:checked:not([value=''])")];
  return [...levels.map((level) => level.value), ...other.value.split(/[\s,;]+/).filter(Boolean)];
}

function tell() {
  const scopes = singleScopes();
  const { none, one, many, all } = chosen.dataset;
  chosen.textContent = full.checked ? all : [none, one][scopes.length] ?? many.replace("{count}", scopes.length);
  conflict.hidden = !(full.checked && scopes.length > 0);
  picker.classList.toggle("is-overruled", full.checked);
  const these = scopes.sort().join(" ");
  for (const one of templates) {
    one.setAttribute("aria-pressed", String(!full.checked && one.dataset.scopes.split(" ").sort().join(" ") === these));
  }
  if (link) link.href = linkTo(these);
}

// linkTo is the form's address with what stands in it, as docs/links.md has it. Full access is never part of it.
function linkTo(scopes) {
  const { expiry, date } = form.elements;
  const preset = templates.find((one) => one.getAttribute("aria-pressed") === "true")?.value;
  const parts = { name: name.value, organization: organization.value, expiry: expiry.value };
  if (expiry.value === "date") parts.date = date.value;
  if (preset) parts.preset = preset;
  else parts.scope = scopes;
  return `${form.getAttribute("action")}?${new URLSearchParams(Object.entries(parts).filter(([, value]) => value))}`;
}

// A template takes the place of the scopes, and proposes a name unless another was typed. The address is what it would
// be without this script: whoever loads the page again finds the same form.
function choose(template) {
  const scopes = template.dataset.scopes.split(" ");
  for (const level of picker.querySelectorAll("input[type=radio]")) {
    level.checked = scopes.includes(level.value) || (!level.value && !scopes.some((scope) => belongs(scope, level.name)));
  }
  full.checked = false;
  other.value = "";
  const proposed = templates.map((one) => one.dataset.name);
  if (!name.value || proposed.includes(name.value)) name.value = template.dataset.name;
  const typed = [...new FormData(form)].filter(([key, value]) => value && !key.startsWith("scope-"));
  history.replaceState(history.state, "", `?${new URLSearchParams([...typed, ["preset", template.value]])}`);
  tell();
  remark();
}

function belongs(scope, group) {
  return [...form.elements[group]].some((level) => level.value === scope);
}

// remark asks whether another token has the name.
let last = 0; // of several questions only the last one counts
async function remark() {
  const mine = ++last;
  const note = document.getElementById("name-note");
  if (!name.value) return note.replaceChildren();
  const asked = new URLSearchParams({ form: form.elements.form.value, name: name.value });
  if (organization) asked.set("organization", organization.value);
  try {
    const answer = await fetch(`${form.getAttribute("action")}?${asked}`, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const said = page.getElementById("name-note");
    if (mine === last && said) note.replaceChildren(...document.importNode(said, true).childNodes);
  } catch {
    // A word less.
  }
}

for (const template of templates) {
  template.addEventListener("click", (event) => {
    event.preventDefault();
    choose(template);
  });
}
if (templates.length > 0) {
  name.addEventListener("change", remark);
  name.addEventListener("focus", () => {
    if (templates.some((one) => one.dataset.name === name.value)) name.select(); // a proposal gives way to what is typed
  });
  organization.addEventListener("change", remark);
}
if (link) {
  link.textContent = link.dataset.label;
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || !navigator.clipboard) return;
    event.preventDefault();
    const said = document.getElementById("link-copied");
    said.textContent = "";
    await navigator.clipboard.writeText(link.href).then(() => { said.textContent = link.dataset.done; }, () => { location.href = link.href; });
  });
}
form.addEventListener("change", tell);
form.addEventListener("input", tell);
window.addEventListener("pageshow", tell);
