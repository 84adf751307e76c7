/** Who is signed in: an access token, taken from the address `#token=...` and kept for this tab only. */

import { byId, el, fill } from "./dom.js";

/**
 * @typedef {{sub?: string, role?: string, tier?: string, exp?: number}} Claims what a token says; not verified here
 *
 * @typedef {object} Session
 * @property {string} token the access token; empty: nobody is signed in
 * @property {Claims} claims
 * @property {(token: string) => void} signIn keep another token and load the page again
 * @property {() => void} signOut forget the token and load the page again
 */

/**
 * The session of a page. A token in the address is taken out of the address and the history at once, and kept; where
 * the tab is somebody else's already, the page's element `#offer` asks first.
 * @param {string} page each page has a token of its own: that of the console is an administrator's
 * @returns {Session}
 */
export function openSession(page) {
  const name = `croupier.token.${page}`;
  const signIn = (token) => {
    sessionStorage.setItem(name, token.trim());
    location.reload();
  };
  const kept = () => sessionStorage.getItem(name) ?? "";
  const given = takeFromAddress("");
  if (given && isSameOrNobody(given, kept())) sessionStorage.setItem(name, given);
  else if (given) offer(given, kept(), signIn);
  // A link with another token, opened in this tab, changes the fragment only.
  addEventListener("hashchange", ({ oldURL }) => {
    const other = takeFromAddress(new URL(oldURL).hash);
    if (other && isSameOrNobody(other, kept())) signIn(other);
    else if (other) offer(other, kept(), signIn);
  });
  const token = kept();
  return {
    token,
    claims: claimsOf(token),
    signIn,
    signOut() {
      sessionStorage.removeItem(name);
      location.reload();
    },
  };
}

/** The token in the address, if there is one; `before` is the fragment that takes its place. */
function takeFromAddress(before) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) history.replaceState(null, "", location.pathname + before);
  return given;
}

/** Whether the tab loses nothing by another token: it has none, an expired one, or one of the same person. */
function isSameOrNobody(token, kept) {
  const [one, other] = [claimsOf(token), claimsOf(kept)];
  if (!kept || one.sub === undefined || other.sub === undefined) return true;
  return other.exp * 1000 < Date.now() || (one.sub === other.sub && one.role === other.role);
}

function offer(token, kept, signIn) {
  const place = byId("offer");
  const [one, other] = [claimsOf(token), claimsOf(kept)].map(nameOf);
  const close = () => {
    place.hidden = true;
    fill(place);
  };
  fill(
    place,
    el("p", {}, `This tab is signed in as ${other}. The link is for ${one}.`),
    el(
      "div",
      { class: "actions" },
      el("button", { type: "button", class: "primary", onclick: () => signIn(token) }, `Change to ${one}`),
      el("button", { type: "button", onclick: close }, `Stay ${other}`),
    ),
  );
  place.hidden = false;
}

/** @param {Claims} claims @returns {string} such as `player 42` */
export function nameOf({ sub, role }) {
  return `${role === "admin" ? "operator" : "player"} ${sub}`;
}

function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(part));
  } catch {
    return {};
  }
}
