/** Who is signed in: an access token, taken from the address `#token=...` and kept for this tab only. */

/**
 * @typedef {object} Session
 * @property {string} token the access token; empty: nobody is signed in
 * @property {{sub?: string, role?: string, tier?: string, exp?: number}} claims what the token says; not verified here
 * @property {(token: string) => void} signIn keep another token and load the page again
 * @property {() => void} signOut forget the token and load the page again
 */

/**
 * The session of a page. A token in the address is kept, and taken out of the address and the history at once.
 * @param {string} page each page has a token of its own: that of the console is an administrator's
 * @returns {Session}
 */
export function openSession(page) {
  const name = `croupier.token.${page}`;
  takeFromAddress(name);
  // A link with another token, opened in this tab, changes the fragment only.
  addEventListener("hashchange", () => takeFromAddress(name) && location.reload());
  const token = sessionStorage.getItem(name) ?? "";
  return {
    token,
    claims: claimsOf(token),
    signIn(other) {
      sessionStorage.setItem(name, other.trim());
      location.reload();
    },
    signOut() {
      sessionStorage.removeItem(name);
      location.reload();
    },
  };
}

function takeFromAddress(name) {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  sessionStorage.setItem(name, given);
  history.replaceState(null, "", location.pathname);
  return true;
}

function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(part));
  } catch {
    return {};
  }
}
