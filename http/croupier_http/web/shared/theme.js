/** Dark and light: as the system has it, or as the player chooses. */

const NAME = "croupier.theme";

/**
 * Let a button switch between dark and light; it is pressed while dark is on.
 * @param {HTMLButtonElement} button
 */
export function themeToggle(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem(NAME);
  const dark = () => (chosen() ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => {
    if (chosen()) document.documentElement.dataset.theme = chosen();
    button.setAttribute("aria-pressed", String(dark()));
  };
  button.addEventListener("click", () => {
    localStorage.setItem(NAME, dark() ? "light" : "dark");
    show();
  });
  system.addEventListener("change", show);
  show();
}
