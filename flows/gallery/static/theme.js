// The button that changes between the system's theme, light and dark.
(() => {
  const button = document.getElementById("theme");
  const said = (theme) => {
    button.textContent = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[theme];
  };
  button.addEventListener("click", () => said(stylepress.theme.next()));
  said(stylepress.theme.get());
})();
