/** Shows how the page is connected: by push, by HTTP alone, or not at all. */

import { announce, byId } from "../shared/dom.js";

const TEXTS = { live: "Live", http: "Connected", connecting: "Connecting", lost: "Offline" };

/**
 * @param {import("../shared/api.js").Api} api
 * @param {import("../shared/socket.js").LiveSocket} socket
 */
export function showLink(api, socket) {
  const show = () => {
    const state = stateOf(api, socket);
    byId("link").dataset.state = state;
    byId("link-text").textContent = TEXTS[state];
    byId("offline").hidden = state !== "lost";
  };
  socket.addEventListener("state", show);
  api.addEventListener("unreachable", show);
  api.addEventListener("reachable", () => {
    show();
    announce("The connection is back.");
  });
  show();
}

function stateOf(api, socket) {
  if (!api.reachable) return "lost";
  if (socket.state === "open") return "live";
  return socket.state === "refused" ? "http" : "connecting";
}
