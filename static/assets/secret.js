// Copies the secret, and lines that use it, and counts down the time that it is shown. Without this script, or where the
// clipboard is closed to it, they can be selected and copied by hand.

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

// The words for a time come from the browser. When the time is over, the page says what that means.
for (const countdown of document.querySelectorAll("[data-until]")) {
  const until = Date.parse(countdown.dataset.until);
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  const count = () => {
    const seconds = Math.round((until - Date.now()) / 1000);
    if (seconds < -1) return location.reload();
    const left = seconds >= 60 ? words.format(Math.floor(seconds / 60), "minute") : words.format(Math.max(seconds, 0), "second");
    countdown.textContent = countdown.dataset.label.replace("{count}", left);
    countdown.classList.toggle("is-urgent", seconds < 120);
    countdown.hidden = false;
    setTimeout(count, seconds > 61 ? 5000 : 1000);
  };
  count();
}
