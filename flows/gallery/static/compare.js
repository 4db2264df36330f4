// Two to four pictures side by side with one zoom for all, or one over the other with a slider.
(() => {
  const { el, data } = stylepress;
  const dialog = document.getElementById("compare");
  const panes = dialog.querySelector(".panes");
  const modes = dialog.querySelector(".modes");
  const range = dialog.querySelector("input[type=range]");
  const CLOSEST = 12;
  let view = { scale: 1, x: 0, y: 0 }; // the shift in parts of a frame, the same for frames of any size
  let shown = ""; // state that is drawn
  let asked = 0;
  const pointers = new Map();

  function apply() {
    const most = (view.scale - 1) / 2;
    view.x = Math.min(most, Math.max(-most, view.x));
    view.y = Math.min(most, Math.max(-most, view.y));
    for (const image of panes.querySelectorAll("img")) {
      image.style.transform = `translate(${view.x * 100}%, ${view.y * 100}%) scale(${view.scale})`;
    }
    panes.classList.toggle("zoomed", view.scale > 1);
  }

  /** Zooms so that the point of a frame, in parts from its middle, stays where it is. */
  function zoom(factor, x = 0, y = 0) {
    const scale = Math.min(CLOSEST, Math.max(1, view.scale * factor));
    const by = scale / view.scale;
    view = { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
    apply();
  }

  function within(event) {
    const frame = (event.target.closest(".frame") ?? panes.querySelector(".frame")).getBoundingClientRect();
    return [(event.clientX - frame.left) / frame.width - 0.5, (event.clientY - frame.top) / frame.height - 0.5, frame];
  }

  function divide(share) {
    range.value = share;
    panes.style.setProperty("--share", `${share}%`);
    range.setAttribute("aria-valuetext", `${Math.round(share)} % of the first picture`);
  }

  function moved(event) {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    const [x, y, frame] = within(event);
    if (others.length) {
      const far = (a) => Math.hypot(a.clientX - others[0].clientX, a.clientY - others[0].clientY);
      zoom(far(event) / (far(before) || 1), x, y);
    } else if (before.dividing) divide(Math.min(100, Math.max(0, (x + 0.5) * 100)));
    else {
      view.x += (event.clientX - before.clientX) / frame.width;
      view.y += (event.clientY - before.clientY) / frame.height;
      apply();
    }
    pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY, dividing: before.dividing });
  }

  function pane({ src, title, values, alt, w, h }) {
    const image = el("img", { src, alt, width: w, height: h, draggable: "false" });
    return el("figure", {}, el("div", { class: "frame" }, image), el("figcaption", {}, el("bdi", { class: "title" }, title), el("bdi", { class: "values" }, values)));
  }

  /** What is compared: pictures, or the content before the one picture. */
  async function wanted(keys) {
    const pictures = (await Promise.all(keys.slice(0, 4).map(data.find))).filter((picture) => picture >= 0);
    await data.ready(pictures);
    const differing = stylepress.facets.varying.filter((facet) => pictures.some((picture) => data.value(facet, picture) !== data.value(facet, pictures[0])));
    const items = pictures.map((picture) => {
      const record = data.at(picture);
      const values = differing.map((facet) => `${facet.label} ${data.value(facet, picture) ?? "–"}`).join(", ");
      return { src: record.path, title: record.title, values, alt: record.alt, w: record.w, h: record.h };
    });
    if (items.length !== 1) return items;
    const { content } = await data.details(pictures[0]);
    if (!content?.preview) return items;
    return [{ src: content.preview, title: content.label, values: "before", alt: `The content: ${content.label}`, w: content.w, h: content.h }, { ...items[0], values: "after" }];
  }

  function mode(text, how, state) {
    return el("button", { "aria-pressed": String(state.how === how), onclick: () => stylepress.address.set({ how }) }, text);
  }

  async function show(state) {
    const wish = `${state.compare}|${state.how}`;
    if (wish === shown) return;
    const same = state.compare === shown.split("|")[0];
    shown = wish;
    asked += 1;
    const turn = asked;
    if (!state.compare) {
      if (dialog.open) dialog.close();
      return;
    }
    const items = await wanted(stylepress.address.keys(state.compare));
    if (turn !== asked) return;
    if (items.length < 2) {
      stylepress.toast("There is nothing to compare with");
      stylepress.address.set({ compare: "", how: "" });
      return;
    }
    const slider = state.how === "slider" && items.length === 2;
    const held = modes.contains(document.activeElement) ? document.activeElement.textContent : null;
    panes.replaceChildren(...items.map(pane), ...(slider ? [el("div", { class: "divider" })] : []));
    panes.className = `panes of-${items.length}${slider ? " slider" : ""}`;
    panes.style.setProperty("--ratio", String(items[1].w / items[1].h));
    modes.replaceChildren(...(items.length === 2 ? [mode("Side by side", "", state), mode("Slider", "slider", state)] : []));
    if (held) [...modes.children].find((button) => button.textContent === held)?.focus();
    dialog.querySelector(".divide").hidden = !slider;
    if (!same) view = { scale: 1, x: 0, y: 0 };
    divide(50);
    apply();
    if (!dialog.open) dialog.showModal();
  }

  const close = () => stylepress.address.set({ compare: "", how: "" });
  const KEYS = { "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(1e-9) };
  const SHIFTS = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };

  dialog.addEventListener("keydown", (event) => {
    if (event.key in KEYS && !event.ctrlKey && !event.metaKey) KEYS[event.key]();
    else if (event.key in SHIFTS && event.target !== range) {
      view.x += SHIFTS[event.key][0];
      view.y += SHIFTS[event.key][1];
      apply();
    } else return;
    event.preventDefault();
  });
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.querySelector(".close").addEventListener("click", close);
  for (const button of dialog.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => KEYS[button.dataset.zoom]());
  range.addEventListener("input", () => divide(Number(range.value)));
  panes.addEventListener("wheel", (event) => {
    const [x, y] = within(event);
    zoom(Math.exp(-event.deltaY / 400), x, y);
    event.preventDefault();
  }, { passive: false });
  panes.addEventListener("pointerdown", (event) => {
    const dividing = panes.classList.contains("slider") && (event.target.closest(".divider") !== null || view.scale === 1);
    pointers.set(event.pointerId, { clientX: event.clientX, clientY: event.clientY, dividing });
    panes.setPointerCapture(event.pointerId);
    if (dividing) moved(event);
  });
  panes.addEventListener("pointermove", moved);
  for (const end of ["pointerup", "pointercancel"]) panes.addEventListener(end, (event) => pointers.delete(event.pointerId));
  panes.addEventListener("dblclick", (event) => {
    const [x, y] = within(event);
    zoom(view.scale > 1 ? 1e-9 : 3, x, y);
  });

  stylepress.compare = { show };
})();
