/** Building and changing the document. Data becomes text nodes and attributes, never markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node|string|number|null|undefined|false} Child
 */

/**
 * Make an element. Properties named `on...` are event listeners, `class`, `data-*`, `aria-*` and every other name that
 * the element has no property for become attributes; null, undefined and false leave one out.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria") && name !== "list") element[name] = value;
    else element.setAttribute(name === "class" ? "class" : name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Record<string, string|number>} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  append(element, children);
  return element;
}

/**
 * A drawing from the page's own `<symbol>` elements; decoration only, so say in text what it shows.
 * @param {string} symbol id of the symbol
 * @param {string} [classes]
 * @returns {SVGElement}
 */
export function icon(symbol, classes = "icon") {
  return svg(
    "svg",
    { class: classes, "aria-hidden": "true", focusable: "false" },
    svg("use", { href: `#${symbol}` }),
  );
}

/**
 * Replace everything in an element.
 * @param {Element} element
 * @param {...(Child|Child[])} children
 */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/**
 * The element with this id, which the page must have.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element #${id}`);
  return element;
}

/**
 * Say something to those who hear the page, through its element `#announcer`, a polite live region.
 * @param {string} text
 */
export function announce(text) {
  // The same text twice is heard only if the region changes in between.
  fill(byId("announcer"), el("p", {}, text));
}

/**
 * Let a button be used or not. One that is not keeps its place for the keyboard, and the focus if it has it, so its
 * listener has to ask `isEnabled`.
 * @param {HTMLElement} button
 * @param {boolean} enabled
 */
export function setEnabled(button, enabled) {
  button.setAttribute("aria-disabled", String(!enabled));
}

/** @param {HTMLElement} button @returns {boolean} */
export function isEnabled(button) {
  return button.getAttribute("aria-disabled") !== "true";
}

/** Whether the player has asked for less motion. */
export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/**
 * Wait.
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}
