// The selection: pictures picked on the wall or in the viewer, to compare or to render again.
(() => {
  const { el, data, count } = stylepress;
  const MOST = 4; // that can be compared
  const bar = document.getElementById("picks");

  const picked = () => stylepress.address.keys(stylepress.address.state.pick);

  function toggle(key) {
    const short = key.slice(0, 12);
    const before = picked();
    const after = before.includes(short) ? before.filter((other) => other !== short) : [...before, short];
    stylepress.address.set({ pick: after.join(".") });
    stylepress.say(`${count(after.length, "picture")} selected`);
  }

  /** The box of a tile. */
  function box(record) {
    const input = el("input", { type: "checkbox", class: "pick", "aria-label": `Select ${record.alt}`, "data-key": record.key.slice(0, 12), onchange: () => toggle(record.key) });
    input.checked = picked().includes(record.key.slice(0, 12));
    return input;
  }

  async function manifest() {
    const pictures = (await Promise.all(picked().map(data.find))).filter((picture) => picture >= 0);
    const details = await Promise.all(pictures.map(data.details));
    stylepress.download("selection.yaml", stylepress.manifestOf(details, data.index.title), "application/yaml");
    stylepress.toast(`A manifest of ${count(details.length, "picture")}`);
  }

  function show(state) {
    const keys = stylepress.address.keys(state.pick);
    for (const input of document.querySelectorAll("input.pick")) input.checked = keys.includes(input.dataset.key);
    document.body.classList.toggle("picking", keys.length > 0);
    bar.hidden = !keys.length;
    if (!keys.length) return;
    const focused = bar.contains(document.activeElement) ? document.activeElement.textContent : null;
    const few = keys.length >= 2 && keys.length <= MOST;
    bar.replaceChildren(
      el("span", {}, `${keys.length} selected`),
      el("button", { disabled: !few, title: few ? null : `Select two to ${MOST}`, onclick: () => stylepress.address.set({ compare: keys.join("."), how: "" }, { push: true }) }, "Compare"),
      el("button", { onclick: () => manifest().catch(stylepress.failed) }, "Download manifest"),
      el("button", { class: "plain", onclick: () => stylepress.address.set({ pick: "" }) }, "Clear"),
    );
    if (focused) [...bar.children].find((child) => child.textContent === focused)?.focus();
  }

  stylepress.picks = { box, toggle, show, has: (key) => picked().includes(key.slice(0, 12)) };
})();
