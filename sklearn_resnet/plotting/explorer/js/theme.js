// The light and the dark theme.

function setTheme(theme) {
  container.dataset.theme = theme;
  byId("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

function toggleTheme() {
  setTheme(container.dataset.theme === "dark" ? "light" : "dark");
  updateColors(); // points without a value have another grey
}
