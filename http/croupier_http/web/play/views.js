/** One view at a time, chosen by the fragment of the address, so that links and the back button work. */

import { byId } from "../shared/dom.js";

/** Show the view of the address, and each that is chosen from now on; a chosen one gets the focus. */
export function mountViews() {
  show(false);
  addEventListener("hashchange", () => show(true));
}

function show(focus) {
  const views = [...document.querySelectorAll(".view")];
  const named = views.find((view) => `#${view.id}` === location.hash);
  // Other fragments, such as that of the link which skips the navigation, leave the view as it is.
  const wanted = named ?? views.find((view) => !view.hidden) ?? views[0];
  for (const view of views) view.hidden = view !== wanted;
  for (const link of byId("tabs").querySelectorAll("a")) {
    if (link.hash !== `#${wanted.id}`) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
  const heading = wanted.querySelector("h1");
  document.title = `${heading.textContent} · Croupier`;
  wanted.dispatchEvent(new Event("shown"));
  if (focus && named) heading.focus({ preventScroll: true });
}
