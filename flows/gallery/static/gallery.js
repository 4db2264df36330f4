// The page begins here: loads the data, and shows what the address says whenever it changes.
(() => {
  const { el, data, address } = stylepress;
  const views = { wall: document.getElementById("wall"), grid: document.getElementById("grid"), scores: document.getElementById("plot") };
  const drawers = { wall: stylepress.wall, grid: stylepress.grid, scores: stylepress.plot };
  let last = "";

  stylepress.shown = []; // pictures of the view, in its order
  stylepress.failed = (error) => stylepress.toast(error.message);
  const orderOf = (state) => ([...document.getElementById("order").options].some(({ value }) => value === state.order) ? state.order : "");
  const viewOf = (state) => (state.view in views ? state.view : "wall");

  /** Pictures in the order of a score; those without one come last. */
  async function ordered(pictures, order) {
    if (!order) return pictures;
    const [name, sign] = order.startsWith("-") ? [order.slice(1), -1] : [order, 1];
    const measures = await data.measures();
    const values = name === "seconds" ? measures.seconds : measures.scores[name];
    if (!values) return pictures;
    const has = (picture) => Number.isFinite(values[picture]);
    const sorted = pictures.filter(has).sort((a, b) => sign * (values[a] - values[b]));
    return [...sorted, ...pictures.filter((picture) => !has(picture))];
  }

  function controls(state) {
    for (const link of document.querySelectorAll("nav.views a[data-view]")) {
      const here = link.dataset.view === viewOf(state);
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.getElementById("order").value = orderOf(state);
    for (const button of document.querySelectorAll("#size button")) button.setAttribute("aria-pressed", String(button.value === state.size));
    document.getElementById("wall-tools").hidden = viewOf(state) !== "wall";
  }

  async function show(state) {
    const look = JSON.stringify([viewOf(state), state.filters, state.order, state.size, state.rows, state.cols, state.pages, state.page, state.x, state.y]);
    stylepress.picks.show(state);
    if (look !== last) {
      const filtered = last && JSON.parse(last)[1];
      last = look;
      controls(state);
      const pictures = stylepress.facets.apply(state);
      const list = await ordered(pictures, viewOf(state) === "wall" ? orderOf(state) : "");
      if (look !== last) return;
      stylepress.shown = list;
      for (const [name, element] of Object.entries(views)) element.hidden = name !== viewOf(state);
      document.getElementById("nothing").hidden = list.length > 0 || !data.index.count;
      if (filtered && JSON.stringify(filtered) !== JSON.stringify(state.filters)) stylepress.say(document.getElementById("count").textContent);
      await drawers[viewOf(state)].show(list, state);
    }
    await stylepress.viewer.show(state);
    await stylepress.compare.show(state);
  }

  /** Gives the focus to a picture in the view that is shown. */
  stylepress.focus = (picture) => drawers[viewOf(address.state)].focus(picture);
  stylepress.refresh = () => {
    last = "";
    show(address.state).catch(stylepress.failed);
  };

  function listen() {
    for (const link of document.querySelectorAll("nav.views a[data-view]")) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        address.set({ view: link.dataset.view }, { push: true });
      });
    }
    const order = document.getElementById("order");
    for (const score of data.index.scores) {
      const best = score.better === "higher" ? `-${score.name}` : score.name;
      order.append(el("option", { value: best }, `Best ${score.label}`));
    }
    order.append(el("option", { value: "-seconds" }, "Longest render first"));
    order.addEventListener("change", () => address.set({ order: order.value }));
    for (const button of document.querySelectorAll("#size button")) button.addEventListener("click", () => address.set({ size: button.value }));
    document.getElementById("clear").addEventListener("click", stylepress.facets.clear);
  }

  async function begin() {
    await data.begin();
    stylepress.facets.begin();
    listen();
    if (data.index.scores.length < 2) document.querySelector("[data-view=scores]").hidden = true;
    if (stylepress.facets.varying.length === 0) document.querySelector("[data-view=grid]").hidden = true;
    address.on((state) => show(state).catch(stylepress.failed));
    document.body.classList.add("ready");
    await show(address.state);
  }

  begin().catch((error) => {
    document.documentElement.classList.remove("js"); // the plain list is there still
    stylepress.failed(error);
  });
})();
