// Keeps the choice of an expiry and the date beside it at one: a date chooses "Own date", and another choice puts the
// date away until "Own date" is chosen again. Without this script the server asks which of the two is meant.

for (const date of document.querySelectorAll("[data-chooses]")) {
  const own = document.getElementById(date.dataset.chooses);
  let away = "";
  date.addEventListener("input", () => {
    if (date.value) own.checked = true;
  });
  own.closest("fieldset").addEventListener("change", (event) => {
    if (event.target.name !== own.name) return;
    if (own.checked) date.value ||= away;
    else if (date.value) [away, date.value] = [date.value, ""];
  });
}
