// Sets the chosen colour scheme before the first paint; without a choice the system decides.
(() => {
  try {
    const chosen = localStorage.getItem("fanfare.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be switched off; then there is no choice to remember.
  }
})();
