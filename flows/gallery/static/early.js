// Before anything is painted: says that scripts run, and takes the theme the viewer chose.
window.stylepress = {};
document.documentElement.classList.add("js");

(() => {
  const KEY = "stylepress-theme";
  const NEXT = { auto: "light", light: "dark", dark: "auto" };

  function remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage may be forbidden
    }
  }

  stylepress.theme = {
    get: () => document.documentElement.dataset.theme ?? "auto",
    next() {
      const theme = NEXT[stylepress.theme.get()] ?? "auto";
      document.documentElement.dataset.theme = theme;
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // it then lasts as long as the page
      }
      return theme;
    },
  };
  const theme = remembered();
  document.documentElement.dataset.theme = theme in NEXT ? theme : "auto";
})();
