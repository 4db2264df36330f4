// The viewer: one picture large, with zoom, arrow keys and swipe by PhotoSwipe, and beside it what is known of it.
(() => {
  const { el, data } = stylepress;
  const dialog = document.getElementById("viewer");
  const stage = dialog.querySelector(".stage");
  const panel = dialog.querySelector(".about");
  const tools = dialog.querySelector(".tools");
  const heading = dialog.querySelector(".position");
  const LARGEST = 2; // a small picture is shown at no more than twice its size
  const AHEAD = 2;
  const UNSEEN = /\.tiff?$/; // browsers do not draw it: its widest thumbnail stands for it
  let swipe = null;
  let list = [];
  let current = -1; // index of the picture that is shown

  const here = Boolean(document.body.dataset.photoswipe);
  const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  function slide(at) {
    const record = data.at(list[at]);
    if (!record) return { html: "", type: "html" };
    const small = record.widths.map((wide) => `thumbs/${record.thumb}-${wide}.webp`);
    const src = UNSEEN.test(record.path) ? (small.at(-1) ?? record.path) : record.path;
    return { src, width: record.w, height: record.h, msrc: small[0], alt: record.alt };
  }

  const fitting = (level) => Math.min(level.panAreaSize.x / level.elementSize.x, level.panAreaSize.y / level.elementSize.y, LARGEST);

  function create(at) {
    const made = new window.PhotoSwipe({
      dataSource: [],
      index: at,
      appendToEl: stage,
      getViewportSizeFn: () => ({ x: stage.clientWidth, y: stage.clientHeight }),
      paddingFn: (size) => (size.x < 700 ? { top: 8, bottom: 8, left: 0, right: 0 } : { top: 24, bottom: 24, left: 56, right: 56 }),
      initialZoomLevel: fitting,
      secondaryZoomLevel: (level) => fitting(level) * 2.5,
      maxZoomLevel: (level) => Math.max(fitting(level) * 8, 4),
      bgOpacity: 1,
      showHideAnimationType: calm() ? "none" : "fade",
      zoomAnimationDuration: calm() ? 0 : 250,
      trapFocus: false, // the dialog does that
      returnFocus: false,
      escKey: false,
      loop: false,
      close: false,
      counter: false,
      bgClickAction: "close",
      wheelToZoom: true,
      preload: [1, AHEAD],
      errorMsg: "This picture could not be loaded.",
    });
    made.addFilter("numItems", () => list.length);
    made.addFilter("itemData", (_, number) => slide(number));
    made.on("keydown", (event) => {
      const keys = event.originalEvent;
      const busy = !dialog.contains(keys.target) || panel.contains(keys.target) || document.getElementById("compare").open;
      if (busy) event.preventDefault();
    });
    made.on("change", () => changed(made.currIndex));
    made.on("destroy", closed);
    return made;
  }

  function changed(at) {
    stylepress.address.set({ open: data.short(list[at]) });
    prepare(at).catch(stylepress.failed);
  }

  /** Loads the records of a picture's neighbours, so that the next slides can be shown. */
  async function prepare(at) {
    const near = list.slice(Math.max(0, at - AHEAD), at + AHEAD + 1);
    const missing = near.some((picture) => !data.at(picture));
    await data.ready(near);
    if (missing && swipe) for (let next = at - AHEAD; next <= at + AHEAD; next += 1) swipe.refreshSlideContent(next);
  }

  function link(text, href, attributes) {
    return el("a", { class: "button", href, ...attributes }, text);
  }

  function buttons(picture, one) {
    const record = data.at(picture);
    const name = decodeURIComponent(record.path.split("/").at(-1));
    const picked = stylepress.picks.has(record.key);
    const compare = (how) => stylepress.address.set({ compare: data.short(picture), how }, { push: true });
    const before = one?.content?.preview;
    return [
      el("button", { "data-name": "before", disabled: !before, title: before ? null : "Its content is not in the gallery", onclick: () => compare("slider") }, "Before / after"),
      el("button", { "data-name": "pick", "aria-pressed": String(picked), onclick: () => stylepress.picks.toggle(record.key) }, picked ? "Selected" : "Select"),
      el("button", { "data-name": "copy", disabled: !one, onclick: () => copy(one.manifest) }, "Copy manifest"),
      link("Download", record.path, { "data-name": "download", download: name }),
    ];
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      stylepress.toast("The manifest of this picture is copied");
    } catch {
      stylepress.download("picture.yaml", text, "application/yaml"); // no clipboard without https
      stylepress.toast("The manifest of this picture is downloaded: no clipboard here");
    }
  }

  function setTools(picture, one) {
    const held = tools.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    tools.replaceChildren(...buttons(picture, one));
    if (held) tools.querySelector(`[data-name="${held}"]`)?.focus();
  }

  async function tell(picture) {
    const held = panel.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    const refocus = () => {
      if (held === null) return;
      const again = held ? [...panel.querySelectorAll("button")].find((button) => button.dataset.value?.split(" ")[0] === held.split(" ")[0]) : null;
      (again ?? panel).focus();
    };
    const at = list.indexOf(picture);
    heading.textContent = `${(at + 1).toLocaleString("en")} of ${list.length.toLocaleString("en")}`;
    const head = stylepress.panel.varying(picture);
    panel.replaceChildren(...head);
    panel.scrollTop = 0;
    setTools(picture, null);
    refocus();
    const record = data.at(picture);
    swipe?.element?.setAttribute("aria-label", record.alt);
    stylepress.say(`${record.alt}, ${heading.textContent}`);
    const one = await data.details(picture);
    if (current !== picture) return;
    panel.append(...stylepress.panel.told(one));
    setTools(picture, one);
  }

  /** PhotoSwipe's own looks, before ours so that ours prevail; needed only now. */
  function style(file) {
    return new Promise((resolve) => document.head.prepend(el("link", { rel: "stylesheet", href: file, onload: resolve, onerror: resolve })));
  }

  async function begin(picture) {
    if (!window.PhotoSwipe) await Promise.all([data.script(document.body.dataset.photoswipe), style(document.body.dataset.photoswipeStyle)]);
    await data.ready([picture]);
    if (!dialog.open) dialog.showModal();
    swipe = create(list.indexOf(picture));
    swipe.on("bindEvents", () => {
      swipe.element.setAttribute("role", "group"); // within the dialog
      swipe.element.removeAttribute("aria-modal");
    });
    swipe.init();
    await prepare(list.indexOf(picture));
  }

  function closed() {
    const picture = current;
    swipe = null;
    current = -1;
    if (dialog.open) dialog.close();
    if (stylepress.address.state.open) stylepress.address.set({ open: "" });
    if (picture >= 0) stylepress.focus(picture);
  }

  /** Opens the viewer at a picture; `among` is what the arrow keys go through. */
  function open(picture, among) {
    list = (among ?? stylepress.shown).includes(picture) ? (among ?? stylepress.shown) : [picture];
    data.ready([picture]).then(() => stylepress.address.set({ open: data.short(picture) }, { push: true }), stylepress.failed);
  }

  /** Goes to another picture while the viewer is open. */
  function go(picture) {
    if (!list.includes(picture)) list = [picture, ...list.filter((other) => other !== picture)].sort((a, b) => a - b);
    data.ready([picture]).then(() => {
      const at = list.indexOf(picture);
      swipe.refreshSlideContent(at);
      if (swipe.currIndex === at) changed(at);
      else swipe.goTo(at);
    }, stylepress.failed);
  }

  async function show(state) {
    if (!state.open || !here) {
      if (swipe) swipe.close();
      return;
    }
    const picture = await data.find(state.open);
    if (picture < 0) {
      stylepress.toast("The picture of this link is no longer in the gallery");
      stylepress.address.set({ open: "" });
      return;
    }
    if (picture === current) {
      if (data.at(picture)) tools.querySelector("[data-name=pick]")?.replaceWith(buttons(picture, null)[1]);
      return;
    }
    if (!list.includes(picture)) list = stylepress.shown.includes(picture) ? stylepress.shown : [picture];
    const opening = current < 0;
    current = picture;
    if (opening) await begin(picture);
    else if (swipe && list[swipe.currIndex] !== picture) swipe.goTo(list.indexOf(picture));
    if (current === picture) await tell(picture);
  }

  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (swipe) swipe.close();
  });
  dialog.querySelector(".close").addEventListener("click", () => swipe?.close());
  dialog.querySelector(".fold").addEventListener("click", (event) => {
    const folded = dialog.classList.toggle("folded");
    event.currentTarget.setAttribute("aria-expanded", String(!folded));
    swipe?.updateSize(true);
  });

  stylepress.viewer = { here, open, go, show };
})();
