// Looks in the background if there is more to see of a change than the page shows, and then shows it. Who reads aloud isn't
// interrupted for nothing; without this script the page reloads by itself.

const later = (page) => page.querySelector("meta[name=reload-after]");

// What the page tells: all that can come of a look, and nothing that changes by itself, as times do.
const telling = "h1, h2, .outcome, .status, .candidate-name, .candidates .hint";
const told = (page) => Array.from(page.querySelector("#main").querySelectorAll(telling), (part) => part.textContent.trim()).join("\n");

function plan(page) {
  if (later(page)) {
    setTimeout(look, later(page).content * 1000);
  }
}

async function look() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (told(page) !== told(document)) {
      location.reload();
      return;
    }
    plan(page);
  } catch {
    plan(document); // there is no answer, or a proxy's own: the server may be starting anew
  }
}

plan(document);
