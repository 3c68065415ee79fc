// What has to hold on every page for people who don't see it, or see it on a phone. Gives a list of faults.
(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility();
  const told = (element) => element.outerHTML.replace(/\s+/g, " ").slice(0, 120);

  if (!document.documentElement.lang) faults.push("the page doesn't tell its language");
  if (!document.title.trim()) faults.push("the page has no title");
  for (const landmark of ["main", "header", "footer", "h1"]) {
    if (all(landmark).length !== 1) faults.push(`${all(landmark).length} times <${landmark}>`);
  }

  let level = 1;
  for (const heading of all("h1, h2, h3, h4, h5, h6").filter(shown)) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`a level of headings is left out before ${told(heading)}`);
    level = next;
  }

  const ids = all("[id]").map((element) => element.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) faults.push(`the id ${id} stands twice`);
  for (const element of all("[aria-describedby], [aria-labelledby]")) {
    const named = `${element.getAttribute("aria-describedby") ?? ""} ${element.getAttribute("aria-labelledby") ?? ""}`;
    for (const id of named.split(/\s+/).filter(Boolean)) {
      if (!ids.includes(id)) faults.push(`no ${id}, which describes ${told(element)}`);
    }
  }

  const namedBy = (element) => [...(element.ariaLabelledByElements ?? [])].map((one) => one.textContent.trim()).join(" ");
  for (const field of all("input:not([type=hidden]), select, textarea").filter(shown)) {
    const label = [...(field.labels ?? [])].map((l) => l.textContent.trim()).join("") || field.ariaLabel || namedBy(field);
    if (!label) faults.push(`no label: ${told(field)}`);
    if (field.type === "radio" && !field.closest("fieldset")?.querySelector("legend")) faults.push(`a choice of nothing: ${told(field)}`);
  }
  for (const control of all("a, button, summary").filter((one) => shown(one) && one.ariaHidden !== "true")) {
    if (!((control.innerText ?? control.textContent).trim() || control.ariaLabel)) faults.push(`no name: ${told(control)}`);
    const box = control.getBoundingClientRect();
    if (control.tagName === "BUTTON" && (box.height < 24 || box.width < 24) && !control.closest(".templates")) faults.push(`too small to hit: ${told(control)}`);
  }

  // What a box cuts off has a cue: an ellipsis, or a bar to scroll with. What doesn't fit into a control stays in it.
  for (const box of all("body *")) {
    const [wide, high] = [box.scrollWidth > box.clientWidth + 1, box.scrollHeight > box.clientHeight + 1];
    if (!(wide || high) || !shown(box) || !box.textContent.trim()) continue;
    const { display, overflowX, overflowY, textOverflow, webkitLineClamp, clipPath } = getComputedStyle(box);
    if (display === "inline" || clipPath !== "none" || webkitLineClamp !== "none") continue;
    const cut = (overflow) => overflow === "hidden" || overflow === "clip";
    if (wide && cut(overflowX) && textOverflow !== "ellipsis") faults.push(`cut off at the side: ${told(box)}`);
    if (high && cut(overflowY)) faults.push(`cut off below: ${told(box)}`);
    if (wide && overflowX === "visible" && box.matches("button, .button, .badge, td, th, h1, h2, h3, dd")) faults.push(`text leaves ${told(box)}`);
  }

  // Where text isn't enlarged, the way out stands beside the mark, the tabs in one line, and names of months apart.
  if (getComputedStyle(document.documentElement).fontSize === "16px") {
    for (const line of [".brand, .account form", ".tabs li"]) {
      const boxes = all(line).map((one) => one.getBoundingClientRect());
      if (Math.max(...boxes.map((box) => box.top)) >= Math.min(...boxes.map((box) => box.bottom))) faults.push(`more than one line: ${line}`);
    }
    const months = all(".timeline-name").filter(shown).map((name) => name.getBoundingClientRect());
    if (months.some((month, i) => month.left < (months[i - 1]?.right ?? 0) + 4)) faults.push("names of months touch");
  }

  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`${scrollWidth - clientWidth} pixels wider than the window`);
  return faults;
})()
