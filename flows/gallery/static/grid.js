// The grid: the viewer chooses what runs along rows, columns and pages. Rows far from the window are left out of the document.
(() => {
  const { el, data, count } = stylepress;
  const place = document.getElementById("grid");
  const frame = el("div", { class: "frame", tabindex: 0, role: "region", "aria-label": "Grid of pictures" });
  const bar = el("div", { class: "bar" });
  const pager = el("nav", { class: "pager", "aria-label": "Pages of the grid" });
  const MARGIN = 2; // rows kept beyond the window
  const ABSENT = { name: "", label: "", values: [""] };
  let table = null; // what is drawn: axes, cells by row, height of a row
  place.append(bar, pager, frame);

  const facet = (name) => stylepress.facets.varying.find((candidate) => candidate.name === name);

  /** Axes of a state, with defaults for those it does not name; `none` is no axis. */
  function axes(state) {
    const rest = stylepress.facets.varying.map((candidate) => candidate.name);
    const taken = new Set([state.rows, state.cols, state.pages]);
    const next = () => rest.find((name) => !taken.has(name));
    const chosen = {};
    for (const axis of ["cols", "rows", "pages"]) {
      const name = state[axis] === "none" ? "" : state[axis] || (axis === "pages" ? "" : next()) || "";
      chosen[axis] = facet(name) && !Object.values(chosen).includes(name) ? name : "";
      taken.add(chosen[axis]);
    }
    return chosen;
  }

  function change(axis, name) {
    stylepress.address.set({ [axis]: name || "none", ...(axis === "pages" ? { page: "" } : {}) });
  }

  function select(axis, label, chosen) {
    const list = el("select", { onchange: (event) => change(axis, event.target.value) });
    for (const { name, label: said } of [{ name: "", label: "nothing" }, ...stylepress.facets.varying]) {
      const option = el("option", { value: name }, said);
      option.selected = name === chosen[axis];
      list.append(option);
    }
    return el("label", {}, `${label} `, list);
  }

  /** What a value of an axis is called; pictures that an axis does not concern stand under a dash. */
  const named = (axis, value) => (value < 0 ? "–" : axis.values[value]);

  /** The values of an axis that some picture has, no value the last. */
  function used(axis, pictures) {
    if (!axis.name) return [0];
    const column = data.columns.facets[axis.name];
    const there = new Set(pictures.map((picture) => column[picture]));
    return [...axis.values.keys(), -1].filter((at) => there.has(at));
  }

  const on = (axis, picture) => (axis.name ? data.columns.facets[axis.name][picture] : 0);

  function pages(axis, values, page) {
    if (!axis.name) return [];
    const at = Math.max(0, values.findIndex((value) => named(axis, value) === page));
    const go = (to) => stylepress.address.set({ page: named(axis, values[to]) });
    const button = (label, to, text) => el("button", { class: "plain", "aria-label": label, disabled: !(to in values), onclick: () => go(to) }, text);
    const list = el("select", { "aria-label": axis.label, onchange: (event) => go(Number(event.target.value)) });
    values.forEach((value, number) => {
      const option = el("option", { value: number }, named(axis, value));
      option.selected = number === at;
      list.append(option);
    });
    return [button("Previous page", at - 1, "←"), el("span", {}, axis.label), list, button("Next page", at + 1, "→"), el("span", { class: "muted" }, `${at + 1} of ${values.length}`)];
  }

  function show(pictures, state) {
    const chosen = axes(state);
    const focused = bar.contains(document.activeElement) ? [...bar.querySelectorAll("select")].indexOf(document.activeElement) : -1;
    bar.replaceChildren(select("rows", "Rows", chosen), select("cols", "Columns", chosen), select("pages", "Pages", chosen));
    if (focused >= 0) bar.querySelectorAll("select")[focused].focus();
    const [rows, cols, by] = ["rows", "cols", "pages"].map((axis) => facet(chosen[axis]) ?? ABSENT);
    const values = used(by, pictures);
    const held = pager.contains(document.activeElement) ? [...pager.children].indexOf(document.activeElement) : -1;
    pager.replaceChildren(...pages(by, values, state.page));
    pager.hidden = !by.name;
    if (held >= 0) (pager.children[held]?.disabled ? pager.querySelector("select") : pager.children[held])?.focus();
    const page = values.find((value) => named(by, value) === state.page) ?? values[0];
    const shown = by.name ? pictures.filter((picture) => on(by, picture) === page) : pictures;
    build(rows, cols, shown);
  }

  function build(rows, cols, shown) {
    const cells = new Map();
    for (const picture of shown) {
      const name = `${on(rows, picture)} ${on(cols, picture)}`;
      if (!cells.has(name)) cells.set(name, []);
      cells.get(name).push(picture);
    }
    const across = used(cols, shown);
    const width = Math.max(92, Math.min(260, (frame.clientWidth - 140) / Math.max(1, across.length) - 12));
    const ratio = shown.length ? Math.max(...shown.slice(0, 500).map((picture) => data.shape(picture)[1] / data.shape(picture)[0])) : 1;
    table = { rows, cols, across, down: used(rows, shown), cells, width, height: Math.round(Math.min(ratio, 2) * width) + 12, shown, drawn: "" };
    const head = across.map((value) => el("th", { scope: "col" }, el("bdi", {}, named(cols, value))));
    const corner = el("th", { class: "corner", scope: "col" }, el("bdi", {}, rows.label), rows.label && cols.label ? " / " : "", el("bdi", {}, cols.label));
    table.body = el("tbody");
    const caption = el("caption", {}, shown.length ? `${count(table.down.length, "row")}, ${count(across.length, "column")}` : "No picture has these values.");
    const element = el("table", { "aria-rowcount": table.down.length + 1 }, caption, el("thead", {}, el("tr", { "aria-rowindex": 1 }, corner, head)), table.body);
    element.style.setProperty("--cell", `${width}px`);
    element.style.setProperty("--high", `${table.height - 12}px`);
    frame.replaceChildren(element);
    draw();
  }

  function cell(value, across) {
    const pictures = table.cells.get(`${value} ${across}`);
    if (!pictures) return el("td", { class: "empty" }, el("span", { class: "unseen" }, "no picture"));
    const record = data.at(pictures[0]);
    if (!record) return el("td");
    const more = pictures.length > 1 ? el("span", { class: "more", "aria-label": `and ${pictures.length - 1} more` }, `+${pictures.length - 1}`) : null;
    const image = stylepress.thumbnail(record, table.width, { loading: "lazy" });
    return el("td", {}, el("a", { href: record.path, "data-picture": pictures[0], "data-cell": `${value} ${across}` }, image, more));
  }

  function draw() {
    if (!table || place.hidden) return;
    const first = Math.max(0, Math.floor(frame.scrollTop / table.height) - MARGIN);
    const last = Math.min(table.down.length, Math.ceil((frame.scrollTop + innerHeight) / table.height) + MARGIN);
    const shown = table.down.slice(first, last);
    const wanted = shown.flatMap((value) => table.across.flatMap((across) => table.cells.get(`${value} ${across}`)?.[0] ?? []));
    const missing = wanted.filter((picture) => !data.at(picture));
    const drawn = `${first} ${last} ${missing.length}`;
    if (missing.length) data.ready(missing).then(soon, stylepress.failed);
    if (drawn === table.drawn) return;
    table.drawn = drawn;
    const held = document.activeElement?.dataset?.cell;
    const space = (number) => {
      const row = el("tr", { class: "space", "aria-hidden": "true" }, el("td"));
      row.style.height = `${number * table.height}px`;
      return number ? [row] : [];
    };
    const rows = shown.map((value, at) =>
      el("tr", { "aria-rowindex": first + at + 2 }, el("th", { scope: "row" }, el("bdi", {}, named(table.rows, value))), table.across.map((across) => cell(value, across))),
    );
    table.body.replaceChildren(...space(first), ...rows, ...space(table.down.length - last));
    if (held) frame.querySelector(`[data-cell="${held}"]`)?.focus({ preventScroll: true });
  }

  const soon = stylepress.oncePerFrame(draw);

  function focus(picture) {
    for (const [name, pictures] of table?.cells ?? []) {
      if (!pictures.includes(picture)) continue;
      frame.querySelector(`[data-cell="${name}"]`)?.focus();
    }
  }

  frame.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-picture]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !stylepress.viewer.here) return;
    event.preventDefault();
    stylepress.viewer.open(Number(link.dataset.picture), table.cells.get(link.dataset.cell).length > 1 ? table.cells.get(link.dataset.cell) : table.shown);
  });
  frame.addEventListener("scroll", soon, { passive: true });

  stylepress.grid = { show, focus };
})();
