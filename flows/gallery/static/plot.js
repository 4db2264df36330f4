// Scores against each other: a point is a picture; those that no other beats on both are joined by a line.
(() => {
  const { el, svg, data, number, count } = stylepress;
  const place = document.getElementById("plot");
  const bar = el("div", { class: "bar" });
  const figure = el("figure", { class: "chart" });
  const tip = el("div", { class: "tip", hidden: true });
  const best = el("section", { "aria-labelledby": "front" });
  const NEAR = 18; // CSS pixels from a point within which it is meant
  const MOST = 60; // pictures of the front that are shown below
  place.append(bar, figure, best);
  figure.append(tip);
  let drawn = { points: [], wide: 0 };
  let turn = 0;

  /** Scores of a state, with a style score and a content score by default. */
  function axes(state) {
    const scores = data.index.scores;
    const named = (name, begins, other) => scores.find((score) => score.name === name) ?? scores.find((score) => score.name.startsWith(begins)) ?? scores.find((score) => score !== other);
    const x = named(state.x, "content_", null);
    return { x, y: named(state.y, "style_", x) };
  }

  function select(axis, label, chosen) {
    const list = el("select", { onchange: (event) => stylepress.address.set({ [axis]: event.target.value }) });
    for (const score of data.index.scores) {
      const option = el("option", { value: score.name }, score.label);
      option.selected = score === chosen;
      list.append(option);
    }
    return el("label", {}, `${label} `, list);
  }

  /** Points that no other point beats or equals on both scores, from the best on x on. */
  function front(points, x, y) {
    const [a, b] = [x.better === "lower" ? 1 : -1, y.better === "lower" ? 1 : -1];
    const sorted = [...points].sort((p, q) => a * (p.x - q.x) || b * (p.y - q.y));
    const chosen = [];
    for (const point of sorted) {
      if (!chosen.length || b * point.y < b * chosen.at(-1).y) chosen.push(point);
    }
    return chosen;
  }

  function ticks(low, high) {
    const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
    const wide = [1, 2, 5, 10].map((by) => by * step).find((by) => (high - low) / by <= 6);
    const made = [];
    for (let at = Math.ceil(low / wide); at * wide <= high; at += 1) made.push(Number((at * wide).toPrecision(12)));
    return made;
  }

  function scale(values, from, to) {
    const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    const [first, last] = [low - room, high + room];
    return { at: (value) => from + ((to - from) * (value - first)) / (last - first), ticks: ticks(first, last) };
  }

  const dots = (points) => points.map(({ left, top }) => `M${left.toFixed(1)} ${top.toFixed(1)}h0`).join("");

  function chart(points, x, y) {
    const wide = figure.clientWidth;
    const high = Math.round(Math.min(wide * 0.62, 560));
    const [left, right, top, bottom] = [56, 16, 16, 48];
    const across = scale(points.map((point) => point.x), left, wide - right);
    const up = scale(points.map((point) => point.y), high - bottom, top);
    for (const point of points) [point.left, point.top] = [across.at(point.x), up.at(point.y)];
    const chosen = front(points, x, y);
    const line = chosen.map((point, at) => `${at ? "L" : "M"}${point.left.toFixed(1)} ${point.top.toFixed(1)}`).join("");
    const links = chosen.slice(0, MOST).map((point) => {
      const link = svg("a", { href: "#", "aria-label": `Open ${point.name()}` }, svg("circle", { cx: point.left, cy: point.top, r: 6 }));
      link.addEventListener("click", (event) => {
        event.preventDefault();
        event.stopPropagation();
        stylepress.viewer.open(point.picture, chosen.map(({ picture }) => picture));
      });
      link.addEventListener("focus", () => hover(point));
      link.addEventListener("blur", () => hover(null));
      return link;
    });
    const arrow = (score) => `${score.label} (${score.better} is better)`;
    const drawing = svg(
      "svg",
      { width: wide, height: high, role: "group", "aria-label": `${count(points.length, "picture")}: ${y.label} against ${x.label}; ${chosen.length} on the Pareto front` },
      across.ticks.map((tick) => [svg("path", { class: "tick", d: `M${across.at(tick)} ${top}V${high - bottom}` }), svg("text", { x: across.at(tick), y: high - bottom + 18, "text-anchor": "middle" }, String(tick))]),
      up.ticks.map((tick) => [svg("path", { class: "tick", d: `M${left} ${up.at(tick)}H${wide - right}` }), svg("text", { x: left - 8, y: up.at(tick) + 4, "text-anchor": "end" }, String(tick))]),
      svg("text", { class: "name", x: (left + wide - right) / 2, y: high - 8, "text-anchor": "middle" }, arrow(x)),
      svg("text", { class: "name", transform: `translate(14 ${(top + high - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, arrow(y)),
      svg("path", { class: "dots", d: dots(points) }),
      svg("path", { class: "front", d: line }),
      links,
      svg("circle", { class: "here", r: 9, cx: -99, cy: -99 }),
    );
    figure.replaceChildren(drawing, tip);
    drawn = { points, wide };
    return chosen;
  }

  function nearest(event) {
    const frame = figure.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let found = null;
    let least = NEAR ** 2;
    for (const point of drawn.points) {
      const far = (point.left - x) ** 2 + (point.top - y) ** 2;
      if (far < least) [found, least] = [point, far];
    }
    return found;
  }

  let over = null;
  async function hover(point) {
    over = point;
    const here = figure.querySelector(".here");
    here?.setAttribute("cx", point ? point.left : -99);
    here?.setAttribute("cy", point ? point.top : -99);
    figure.classList.toggle("over", Boolean(point));
    tip.hidden = !point;
    if (!point) return;
    await data.ready([point.picture]);
    if (over !== point) return;
    const record = data.at(point.picture);
    tip.replaceChildren(stylepress.thumbnail(record, 160, { alt: "" }), el("bdi", { class: "title" }, record.title), el("bdi", { class: "values" }, stylepress.varyingText(point.picture)));
    const left = point.left + 16 + 180 > drawn.wide ? point.left - 16 - 180 : point.left + 16;
    tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, point.top - 90)}px)`;
  }

  async function listed(chosen, x, y) {
    const some = chosen.slice(0, MOST);
    await data.ready(some.map(({ picture }) => picture));
    return some.map((point) => {
      const record = data.at(point.picture);
      const open = (event) => {
        if (!stylepress.viewer.here) return;
        event.preventDefault();
        stylepress.viewer.open(point.picture, chosen.map(({ picture }) => picture));
      };
      const values = `${x.label} ${number(point.x)}, ${y.label} ${number(point.y)}`;
      return el("li", {}, el("a", { href: record.path, onclick: open, "data-picture": point.picture }, stylepress.thumbnail(record, 160, { loading: "lazy" })), el("p", { class: "values" }, stylepress.varyingText(point.picture) || record.title), el("p", { class: "values muted" }, values));
    });
  }

  async function show(pictures, state) {
    turn += 1;
    const mine = turn;
    const { x, y } = axes(state);
    if (!x || !y) return figure.replaceChildren(el("p", { class: "hint" }, "These pictures have no scores to plot."));
    const { scores } = await data.measures();
    if (mine !== turn) return undefined;
    const focused = bar.contains(document.activeElement) ? [...bar.querySelectorAll("select")].indexOf(document.activeElement) : -1;
    bar.replaceChildren(select("y", "Up", y), select("x", "Across", x));
    if (focused >= 0) bar.querySelectorAll("select")[focused].focus();
    const points = pictures
      .map((picture) => ({ picture, x: scores[x.name][picture], y: scores[y.name][picture], name: () => data.at(picture)?.alt ?? `picture ${picture + 1}` }))
      .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
    if (!points.length) {
      best.replaceChildren();
      return figure.replaceChildren(el("p", { class: "hint" }, "None of these pictures has both scores."));
    }
    await data.ready(front(points, x, y).slice(0, MOST).map(({ picture }) => picture));
    if (mine !== turn) return undefined;
    const chosen = chart(points, x, y);
    const items = await listed(chosen, x, y);
    const hint = `${count(chosen.length, "picture")} of ${points.length.toLocaleString("en")} that no other beats on both scores. Choose among these by eye.`;
    best.replaceChildren(el("h2", { id: "front" }, "The Pareto front"), el("p", { class: "hint" }, hint), el("ul", { class: "front" }, items));
    return undefined;
  }

  figure.addEventListener("pointermove", (event) => {
    const point = nearest(event);
    if (point !== over) hover(point);
  });
  figure.addEventListener("pointerleave", () => hover(null));
  figure.addEventListener("click", (event) => {
    const point = nearest(event);
    if (!point || event.target.closest("a")) return;
    if (stylepress.viewer.here) stylepress.viewer.open(point.picture, stylepress.shown);
    else data.ready([point.picture]).then(() => location.assign(data.at(point.picture).path));
  });
  new ResizeObserver(() => {
    if (!place.hidden && drawn.wide && Math.abs(figure.clientWidth - drawn.wide) > 1) stylepress.refresh();
  }).observe(figure);

  stylepress.plot = { show, focus: (picture) => best.querySelector(`[data-picture="${picture}"]`)?.focus() };
})();
