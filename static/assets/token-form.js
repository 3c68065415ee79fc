// Makes the token form answer at once: the number of chosen scopes is counted, and Full access together with single
// scopes is pointed out before the form is sent. The server checks all of it again.

const form = document.getElementById("token-form");
const full = document.getElementById("full");
const other = document.getElementById("other");
const picker = document.getElementById("scope-groups");
const chosen = document.getElementById("chosen");
const conflict = document.getElementById("full-conflict");

function singleScopes() {
  const levels = picker.querySelectorAll("input[type=radio]:checked:not([value=''])").length;
  return levels + other.value.split(/\s+/).filter(Boolean).length;
}

function tell() {
  const count = singleScopes();
  const { none, one, many, all } = chosen.dataset;
  chosen.textContent = full.checked ? all : [none, one][count] ?? many.replace("{count}", count);
  conflict.hidden = !(full.checked && count > 0);
  picker.classList.toggle("is-overruled", full.checked);
}

form.addEventListener("change", tell);
other.addEventListener("input", tell);
window.addEventListener("pageshow", tell);
