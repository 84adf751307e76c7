/** Panel "Receipt": recomputes an outcome in this browser. */

import { byId } from "../shared/dom.js";
import { showGiven, showReceipt } from "../shared/verify.js";
import { attempt } from "./views.js";

/**
 * @param {import("./main.js").App} app
 * @returns {(eventId: string) => void} fetches and verifies the receipt of an event
 */
export function mountReceipt({ api }) {
  const place = { element: byId("verdict"), api, rotate: null };
  const fetchAndShow = (eventId) => {
    byId("recomputed").hidden = false;
    return attempt("receipt", () => showReceipt(place, eventId));
  };
  byId("receipt-form").addEventListener("submit", (event) => {
    event.preventDefault();
    fetchAndShow(byId("receipt-id").value.trim());
  });
  byId("given-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt("receipt", async () => {
      const receipt = parsed(byId("given").value);
      byId("recomputed").hidden = false;
      await showGiven(place, receipt);
    });
  });
  return (eventId) => {
    byId("receipt-id").value = eventId;
    fetchAndShow(eventId);
  };
}

/** What is pasted may be anything; what is not a receipt is said in words. */
function parsed(text) {
  let receipt;
  try {
    receipt = JSON.parse(text);
  } catch {
    receipt = null;
  }
  if (receipt === null || typeof receipt !== "object" || typeof receipt.type !== "string") {
    throw Object.assign(new Error("This is not a receipt as JSON."), { code: "NOT_A_RECEIPT" });
  }
  return receipt;
}
