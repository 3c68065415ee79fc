// Shows how far bulk work is. The page is asked for again in the background, and what tells the state is exchanged, so that
// readers aloud don't hear it from the start; when the work is over, the whole page is shown anew. Without this script the
// page reloads by itself.

const pause = 1500; // milliseconds between two questions
const parts = ["batch-state", "batch-rows"];

async function ask() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("main")) {
      if (!answer.ok || !page.querySelector("[data-in-progress]") || !parts.every((id) => page.getElementById(id))) {
        location.reload(); // it is over, or this is another page: a sign-in, a failure
        return;
      }
      for (const id of parts) exchange(document.getElementById(id), page.getElementById(id));
    }
  } catch {
    // There is no answer.
  }
  // Without one, or with a proxy's own, the server may be starting anew: ask again.
  setTimeout(ask, pause);
}

// What somebody is just using is left alone until the next time: the Stop button must not go from under the finger. The
// sentence beside it is brought up to date all the same.
function exchange(old, next) {
  if (old.innerHTML === next.innerHTML) return;
  if (!old.contains(document.activeElement)) {
    old.replaceChildren(...document.importNode(next, true).childNodes);
    return;
  }
  const summary = old.querySelector(".batch-summary");
  const newer = next.querySelector(".batch-summary");
  if (summary && newer) summary.replaceChildren(...document.importNode(newer, true).childNodes);
}

setTimeout(ask, pause);
