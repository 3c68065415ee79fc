// Shows what a plan does with another expiry as soon as it is chosen: what is asked for in the background takes the place
// of what was shown, with the button that confirms it. Without this script a button shows the new dates.

const plan = document.getElementById("plan");
const parts = ["plan-head", "plan-rows", "plan-foot"];
let last = 0; // of several questions only the last one counts

async function show() {
  const mine = ++last;
  const [expiry, date] = [plan.elements.expiry.value, plan.elements.date.value];
  if (expiry === "date" && !date) return; // there is nothing to show yet
  for (const button of document.querySelectorAll("#plan-foot button")) button.disabled = true; // what it confirms is out of date
  try {
    const answer = await fetch(`${plan.getAttribute("action")}?${new URLSearchParams({ expiry, date })}`, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== last) return;
    if (!parts.every((id) => page.getElementById(id))) throw new Error("another page");
    for (const id of parts) {
      document.getElementById(id).replaceChildren(...document.importNode(page.getElementById(id), true).childNodes);
    }
  } catch {
    // What is sent is checked again: the server shows what isn't shown here.
    for (const button of document.querySelectorAll("#plan-foot button")) button.disabled = false;
  }
}

plan.addEventListener("change", (event) => {
  if (!event.target.closest(".vault-part")) show(); // no date depends on that
});
