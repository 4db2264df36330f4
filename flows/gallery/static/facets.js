// Facets: everything that varies, to choose from; choices combine, and every value says how many pictures it would leave.
(() => {
  const { el, count } = stylepress;
  const MANY = 12; // values beyond which a list has a search field
  const MOST = 200; // values shown at once
  let facets = [];
  let columns = {};
  let total = 0;
  let chosen = new Map(); // name -> Set of indices into the facet's values

  function read(filters) {
    chosen = new Map();
    for (const facet of facets) {
      const wanted = (filters[facet.name] ?? []).map((label) => facet.values.indexOf(label)).filter((at) => at >= 0);
      if (wanted.length) chosen.set(facet.name, new Set(wanted));
    }
  }

  function write() {
    const filters = {};
    for (const facet of facets) {
      if (chosen.has(facet.name)) filters[facet.name] = [...chosen.get(facet.name)].sort((a, b) => a - b).map((at) => facet.values[at]);
    }
    stylepress.address.set({ filters });
  }

  /** Pictures that every choice allows; choices of the facet named `but` are left out. */
  function matching(but) {
    const tests = [...chosen].filter(([name]) => name !== but).map(([name, values]) => [columns[name], values]);
    const pictures = [];
    for (let picture = 0; picture < total; picture += 1) {
      if (tests.every(([column, values]) => values.has(column[picture]))) pictures.push(picture);
    }
    return pictures;
  }

  function counts(facet) {
    const numbers = new Array(facet.values.length).fill(0);
    for (const picture of matching(facet.name)) {
      if (columns[facet.name][picture] >= 0) numbers[columns[facet.name][picture]] += 1;
    }
    return numbers;
  }

  function toggle(name, value, on) {
    const values = new Set(chosen.get(name));
    if (on) values.add(value);
    else values.delete(value);
    if (values.size) chosen.set(name, values);
    else chosen.delete(name);
    write();
  }

  function options(facet, wanted) {
    const numbers = counts(facet);
    const fits = (label) => label.toLowerCase().includes(wanted.toLowerCase());
    const shown = facet.values.map((label, at) => [label, at]).filter(([label]) => fits(label));
    const rest = shown.length - MOST;
    return [
      ...shown.slice(0, MOST).map(([label, at]) => {
        const box = el("input", {
          type: "checkbox",
          value: at,
          onchange: (event) => toggle(facet.name, at, event.target.checked),
        });
        box.checked = chosen.get(facet.name)?.has(at) ?? false;
        const number = el("span", { class: "number" }, numbers[at].toLocaleString("en"));
        return el("label", { class: numbers[at] ? "" : "none" }, box, el("bdi", {}, label), number);
      }),
      rest > 0 ? el("p", { class: "hint" }, `and ${rest.toLocaleString("en")} more: search for them`) : null,
    ].filter(Boolean);
  }

  function facetElement(facet) {
    const list = el("fieldset", {}, el("legend", { class: "unseen" }, facet.label));
    const field = el("input", { type: "search", placeholder: "Search", "aria-label": `Search values of ${facet.label}` });
    const refresh = () => {
      const focused = list.contains(document.activeElement) ? document.activeElement.value : null;
      list.replaceChildren(list.firstChild, ...options(facet, field.value));
      if (focused !== null) list.querySelector(`input[value="${focused}"]`)?.focus();
    };
    field.addEventListener("input", refresh);
    const badge = el("span", { class: "badge" });
    const summary = el("summary", {}, el("bdi", {}, facet.label), badge);
    const panel = el("div", { class: "panel" }, facet.values.length > MANY ? field : null, list);
    const details = el("details", { class: "facet", name: "facet" }, summary, panel);
    details.addEventListener("toggle", () => {
      if (!details.open) return;
      refresh();
      panel.classList.toggle("leftward", details.getBoundingClientRect().left + panel.offsetWidth > innerWidth - 16);
    });
    details.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && details.open) {
        details.open = false;
        summary.focus();
      }
    });
    details.refresh = () => {
      const number = chosen.get(facet.name)?.size ?? 0;
      badge.textContent = number || "";
      badge.hidden = !number;
      if (details.open) refresh();
    };
    return details;
  }

  function chips() {
    const made = [];
    for (const facet of facets) {
      for (const value of chosen.get(facet.name) ?? []) {
        const text = [`${facet.label}: `, el("bdi", {}, facet.values[value])];
        const label = `Remove ${facet.label}: ${facet.values[value]}`;
        made.push(el("button", { class: "chip", "aria-label": label, onclick: () => toggle(facet.name, value, false) }, el("span", {}, text)));
      }
    }
    if (made.length) made.push(el("button", { class: "plain", onclick: stylepress.facets.clear }, "Clear all"));
    return made;
  }

  stylepress.facets = {
    begin() {
      facets = stylepress.data.index.facets.filter((facet) => facet.values.length > 1);
      columns = stylepress.data.columns.facets;
      total = stylepress.data.index.count;
      document.getElementById("facets").replaceChildren(...facets.map(facetElement));
      document.addEventListener("pointerdown", (event) => {
        const open = document.querySelector("details.facet[open]");
        if (open && !open.contains(event.target)) open.open = false;
      });
    },
    get varying() {
      return facets;
    },
    clear() {
      chosen = new Map();
      write();
      document.querySelector("details.facet summary")?.focus();
    },
    /** Reads the choices of a state, shows them, and returns the pictures they leave. */
    apply(state) {
      read(state.filters);
      const pictures = matching();
      const row = document.getElementById("chips");
      const inside = row.contains(document.activeElement);
      row.replaceChildren(...chips());
      if (inside) (row.querySelector("button") ?? document.querySelector("details.facet summary"))?.focus();
      for (const details of document.querySelectorAll("details.facet")) details.refresh();
      const of = pictures.length === total ? count(total, "picture") : `${pictures.length.toLocaleString("en")} of ${count(total, "picture")}`;
      document.getElementById("count").textContent = of;
      return pictures;
    },
  };
})();
