// Looks in the background if there is more to see of a change than the page shows, and then shows it. Who reads aloud isn't
// interrupted for nothing; without this script the page reloads by itself.

const later = (page) => page.querySelector("meta[name=reload-after]");
const shown = (page) => page.querySelector("h1").textContent + page.querySelectorAll("[id^=candidate-]").length;

function plan(page) {
  if (later(page)) {
    setTimeout(look, later(page).content * 1000);
  }
}

async function look() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (shown(page) !== shown(document)) {
      location.reload();
      return;
    }
    plan(page);
  } catch {
    plan(document); // the server may be starting anew
  }
}

plan(document);
