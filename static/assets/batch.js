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

// What differs is exchanged and what doesn't stays: a status that was replaced by one of the same words would be read
// aloud again, or not at all. What somebody is just using is left alone until the next time: the Stop button must not go
// from under the finger.
function exchange(old, next) {
  if (old.isEqualNode(next) || old.matches("noscript")) return;
  const parts = [...old.children];
  if (parts.length && parts.length === next.children.length && parts.every((part, i) => part.tagName === next.children[i].tagName && part.className === next.children[i].className)) {
    for (const { name, value } of next.attributes) old.setAttribute(name, value);
    parts.forEach((part, i) => exchange(part, next.children[i]));
    const texts = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
    if (texts(old).length === texts(next).length) {
      texts(old).forEach((text, i) => { if (text.data !== texts(next)[i].data) text.data = texts(next)[i].data; });
      return;
    }
  }
  if (!old.contains(document.activeElement)) old.replaceWith(document.importNode(next, true));
}

setTimeout(ask, pause);
