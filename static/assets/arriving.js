// Shows organizations as they come in. The page is asked for again in the background and its parts are exchanged, so
// that nothing typed into the filters is lost and readers aloud don't hear it from the start; without this script the
// page reloads by itself.

const pause = 800; // milliseconds between two questions; the server holds back each answer for a while, too
const parts = [...document.querySelectorAll("[data-arriving]")].map((part) => part.id);

// What has arrived is heard once a step. The parts themselves say too much, and are exchanged too often, to be read aloud.
const said = document.createElement("p");
said.id = "arrived";
said.className = "visually-hidden";
said.setAttribute("role", "status");
document.getElementById("main").append(said);

function say(page) {
  const text = page.querySelector("[data-in-progress] p, [data-arriving] > .hint")?.textContent ?? "";
  if (said.textContent !== text) said.textContent = text;
}

async function ask() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || !parts.every((id) => page.getElementById(id) && document.getElementById(id))) {
      location.reload(); // another page than this one: a sign-in, a failure, or the first organizations
      return;
    }
    const exchanged = parts.map((id) => exchange(document.getElementById(id), page.getElementById(id)));
    fillIn(page);
    say(page);
    if (!page.querySelector("[data-in-progress]") && exchanged.every(Boolean)) return;
  } catch {
    // The server may be starting anew: ask again.
  }
  setTimeout(ask, pause);
}

// What somebody is just using is left alone until the next time, which the answer false asks for; what they have
// opened stays open.
function exchange(old, next) {
  if (old.innerHTML === next.innerHTML) return true;
  if (old.contains(document.activeElement)) return false;
  for (const box of old.querySelectorAll("input[name=token]:checked")) {
    for (const same of next.querySelectorAll("input[name=token]")) same.checked ||= same.value === box.value;
  }
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  if (open.includes(true)) next.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? false; });
  old.replaceChildren(...document.importNode(next, true).childNodes);
  document.dispatchEvent(new Event("exchanged"));
  return true;
}

// New organizations and scopes can be chosen, too; what was chosen stays.
function fillIn(page) {
  for (const select of document.querySelectorAll(".filters select")) {
    const next = page.getElementById(select.id);
    if (!next || select === document.activeElement || next.options.length === select.options.length) continue;
    const chosen = select.value;
    select.replaceChildren(...document.importNode(next, true).childNodes);
    select.value = chosen;
  }
}

setTimeout(ask, pause);
