// The wall: rows of equal height that fill the width. Only what is near the window is in the document, so ten thousand are no burden.
(() => {
  const { el, data } = stylepress;
  const HEIGHT = { s: 120, m: 210, l: 340 }; // of a row, in CSS pixels, before it is stretched to the width
  const GAP = { s: 6, m: 20, l: 28 };
  const BELOW = { s: 0, m: 46, l: 46 }; // room for the caption
  const NARROWEST = 0.45; // width by height of a tile; what lies beyond is shown whole in it
  const WIDEST = 3.2;
  const wall = document.getElementById("wall");
  const tiles = new Map(); // position -> element
  let pictures = [];
  let rows = [];
  let size = "m";

  /** Rows of tiles: where each begins, its height, and the widths in it. */
  function layout(shapes, width, wanted, gap, below) {
    const made = [];
    let top = 0;
    let first = 0;
    const close = (end, last) => {
      const ratios = shapes.slice(first, end);
      const sum = ratios.reduce((total, ratio) => total + ratio, 0);
      const full = (width - gap * (ratios.length - 1)) / sum;
      const height = last ? Math.min(full, made.at(-1)?.height ?? wanted) : full;
      made.push({ top, height, first, widths: ratios.map((ratio) => ratio * height) });
      top += height + below + gap;
      first = end;
    };
    let sum = 0;
    for (let at = 0; at < shapes.length; at += 1) {
      const before = (width - gap * (at - first - 1)) / sum; // the row's height without this one
      sum += shapes[at];
      const after = (width - gap * (at - first)) / sum;
      if (after > wanted) continue;
      const better = at > first && before / wanted < wanted / after; // nearer to what is wanted without it
      close(better ? at : at + 1, false);
      sum = better ? shapes[at] : 0;
    }
    if (first < shapes.length) close(shapes.length, true);
    return { rows: made, height: Math.max(0, top - gap) };
  }

  function caption(record) {
    return el("figcaption", { title: record.alt }, el("bdi", { class: "title" }, record.title), el("bdi", { class: "values" }, record.values ?? ""));
  }

  function fill(tile, position, width) {
    const record = data.at(pictures[position]);
    if (!record || tile.dataset.key === record.key) return;
    tile.dataset.key = record.key;
    const image = stylepress.thumbnail(record, width, { loading: position < 12 ? "eager" : "lazy", fetchpriority: position < 6 ? "high" : null });
    const values = stylepress.varyingText(pictures[position]);
    const link = el("a", { href: record.path, "data-position": position }, image);
    const figure = el("figure", {}, link, caption({ ...record, values }));
    tile.replaceChildren(figure, stylepress.picks.box(record));
  }

  function place(tile, row, at) {
    const left = row.widths.slice(0, at).reduce((total, width) => total + width + GAP[size], 0);
    tile.style.transform = `translate(${left}px, ${row.top}px)`;
    tile.style.width = `${row.widths[at]}px`;
    tile.style.setProperty("--height", `${row.height}px`);
  }

  /** Number of the first row that ends below a place. */
  function rowAt(place) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].top + rows[middle].height + BELOW[size] < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function draw() {
    if (wall.hidden) return;
    const top = -wall.getBoundingClientRect().top;
    const margin = innerHeight / 2;
    const seen = new Map();
    for (let at = rowAt(top - margin); at < rows.length && rows[at].top < top + innerHeight + margin; at += 1) {
      rows[at].widths.forEach((_, inside) => seen.set(rows[at].first + inside, [rows[at], inside]));
    }
    for (const [position, tile] of tiles) {
      if (!seen.has(position) && !tile.contains(document.activeElement)) {
        tile.remove();
        tiles.delete(position);
      }
    }
    for (const [position, [row, inside]] of seen) {
      const tile = tiles.get(position) ?? el("li", { "aria-setsize": pictures.length, "aria-posinset": position + 1 });
      place(tile, row, inside);
      fill(tile, position, row.widths[inside]);
      if (!tiles.has(position)) insert(tile, position);
    }
    const missing = [...seen.keys()].map((position) => pictures[position]).filter((picture) => !data.at(picture));
    if (missing.length) data.ready(missing).then(soon, stylepress.failed);
  }

  /** Puts a tile into the document in the order of the pictures, which is the order of the Tab key. */
  function insert(tile, position) {
    tiles.set(position, tile);
    tile.position = position;
    const after = [...wall.children].find((other) => other.position > position);
    wall.insertBefore(tile, after ?? null);
  }

  const soon = stylepress.oncePerFrame(draw);

  function measure() {
    const width = wall.clientWidth;
    const wanted = Math.min(HEIGHT[size], width * (size === "s" ? 0.28 : size === "m" ? 0.46 : 0.9));
    const ratio = ([w, h]) => Math.min(WIDEST, Math.max(NARROWEST, w / h));
    const laid = layout(pictures.map((picture) => ratio(data.shape(picture))), width, wanted, GAP[size], BELOW[size]);
    rows = laid.rows;
    wall.style.height = `${laid.height}px`;
    wall.dataset.size = size;
    draw();
  }

  function show(list, state) {
    const same = list.length === pictures.length && list.every((picture, at) => picture === pictures[at]);
    if (same && state.size === size && rows.length) return draw();
    if (!same) {
      for (const tile of tiles.values()) tile.remove();
      tiles.clear();
    }
    pictures = list;
    size = state.size in HEIGHT ? state.size : "m";
    measure();
    return undefined;
  }

  /** Scrolls to a picture and gives it the focus. */
  function focus(picture) {
    const position = pictures.indexOf(picture);
    if (position < 0) return;
    const row = rows.findLast((candidate) => candidate.first <= position);
    const top = wall.getBoundingClientRect().top + row.top;
    if (top < 0 || top + row.height > innerHeight) scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
    draw();
    tiles.get(position)?.querySelector("a")?.focus({ preventScroll: true });
  }

  function step(event) {
    const link = event.target.closest("a[data-position]");
    if (!link || event.altKey || event.ctrlKey || event.metaKey) return;
    const position = Number(link.dataset.position);
    const row = rows.findLastIndex((candidate) => candidate.first <= position);
    const inside = position - rows[row].first;
    const below = (other) => (rows[other] ? rows[other].first + Math.min(inside, rows[other].widths.length - 1) : -1);
    const moves = { ArrowRight: position + 1, ArrowLeft: position - 1, ArrowDown: below(row + 1), ArrowUp: below(row - 1), Home: 0, End: pictures.length - 1 };
    if (event.key === "x") tiles.get(position).querySelector("input").click();
    if (!(event.key in moves)) return;
    event.preventDefault();
    if (pictures[moves[event.key]] !== undefined) focus(pictures[moves[event.key]]);
  }

  wall.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-position]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !stylepress.viewer.here) return;
    event.preventDefault();
    stylepress.viewer.open(pictures[Number(link.dataset.position)]);
  });
  wall.addEventListener("keydown", step);
  addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(() => {
    if (!wall.hidden && Math.abs(wall.clientWidth - (wall.measured ?? 0)) > 0.5) {
      wall.measured = wall.clientWidth;
      measure();
    }
  }).observe(wall);

  stylepress.wall = { show, focus };
})();
