// What the viewer sees, kept in the address after #, so that a link or a reload brings it back.
(() => {
  const DEFAULTS = {
    view: "wall", // wall, grid or scores
    order: "", // "" is the manifest's; else a score's name, with - before it for the highest first
    size: "m", // of the wall's pictures: s, m or l
    rows: "",
    cols: "",
    pages: "",
    page: "", // label of the page
    x: "",
    y: "",
    open: "", // key of the picture in the viewer
    compare: "", // keys in the comparison
    how: "", // "slider" for one over the other
    pick: "", // keys of the selection
  };
  const listeners = [];
  let state = read();

  function read() {
    const query = new URLSearchParams(location.hash.slice(1));
    const filters = {};
    for (const [name, value] of query) {
      if (name.startsWith("f.")) (filters[name.slice(2)] ??= []).push(value);
    }
    const plain = Object.keys(DEFAULTS).map((name) => [name, query.get(name) ?? DEFAULTS[name]]);
    return { ...Object.fromEntries(plain), filters };
  }

  function written() {
    const query = new URLSearchParams();
    for (const name of Object.keys(DEFAULTS)) {
      if (state[name] !== DEFAULTS[name]) query.set(name, state[name]);
    }
    for (const [name, values] of Object.entries(state.filters)) {
      for (const value of values) query.append(`f.${name}`, value);
    }
    return `#${query}`;
  }

  function tell(before) {
    for (const listener of listeners) listener(state, before);
  }

  stylepress.address = {
    get state() {
      return state;
    },
    /** Changes parts of the state; `push` makes it a step that the Back button undoes. */
    set(changes, { push = false } = {}) {
      const before = state;
      state = { ...state, ...changes };
      const address = written();
      if (address !== (location.hash || "#")) {
        history[push ? "pushState" : "replaceState"](null, "", address);
      }
      tell(before);
    },
    on: (listener) => listeners.push(listener),
    keys: (text) => (text ? text.split(".") : []),
  };

  window.addEventListener("popstate", () => {
    const before = state;
    state = read();
    tell(before);
  });
})();
