// Copies the secret. Without this script, or where the clipboard is closed to it, the secret can be selected by a
// click and copied by hand.

for (const button of document.querySelectorAll("[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  const told = document.getElementById(button.dataset.told ?? "copied");
  button.hidden = false;
  if (source.matches(".secret")) forget(source);
  source.addEventListener("focus", () => select(source));
  button.addEventListener("click", async () => {
    const done = await copy(source);
    told.textContent = "";
    // A live region speaks only when its text changes; the pause makes a second copy heard, too.
    setTimeout(() => {
      told.textContent = done ? button.dataset.done : button.dataset.failed;
      told.classList.toggle("is-done", done);
    }, 50);
  });
}

// A browser may keep a page that is left, and show it again after Back when the secret has long been saved. What it
// keeps has no secret, and is loaded anew.
function forget(source) {
  addEventListener("pagehide", () => { source.textContent = ""; });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    select(source);
    return document.execCommand("copy");
  }
}

function select(element) {
  getSelection().selectAllChildren(element);
}
