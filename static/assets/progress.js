// Waits for a change's outcome and then shows it. Asking in the background instead of reloading the page spares
// readers aloud from hearing it over and over; without this script the page reloads by itself.

const pause = 2000; // milliseconds between two questions; the server may hold back each answer for longer

async function ask() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("main") && !page.querySelector("[data-in-progress]")) {
      location.reload();
      return;
    }
  } catch {
    // There is no answer.
  }
  // Without one, or with a proxy's own, the server may be starting anew: ask again.
  setTimeout(ask, pause);
}

setTimeout(ask, pause);
