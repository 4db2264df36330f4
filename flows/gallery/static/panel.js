// What the viewer tells of a picture: settings, scores, loss curve, time, files.
(() => {
  const { el, svg, data, number, seconds } = stylepress;

  const row = (name, ...value) => el("div", {}, el("dt", {}, el("bdi", {}, name)), el("dd", {}, ...value));
  const section = (title, ...children) => el("section", {}, el("h3", {}, title), ...children);
  const said = (value) => (typeof value === "string" ? value : JSON.stringify(value));

  /** Pictures that differ from this one in one facet only, by that facet's value. */
  function neighbours(facet, picture) {
    const others = stylepress.facets.varying.filter((other) => other !== facet && other.kind !== "output");
    const columns = data.columns.facets;
    const near = new Map([[columns[facet.name][picture], picture]]);
    for (let other = 0; other < data.index.count; other += 1) {
      const value = columns[facet.name][other];
      if (value < 0 || near.has(value)) continue;
      if (others.every(({ name }) => columns[name][other] === columns[name][picture])) near.set(value, other);
    }
    return near;
  }

  /** The values of a facet, each a way to the picture that has it and is alike in all else. */
  function along(facet, picture) {
    const label = data.value(facet, picture);
    const near = neighbours(facet, picture);
    if (label === null || near.size < 2 || near.size > 12) return el("bdi", {}, label ?? "–");
    const values = [...near].sort(([a], [b]) => a - b);
    return el(
      "span",
      { class: "along" },
      values.map(([value, other]) =>
        other === picture
          ? el("bdi", { "aria-current": "true" }, facet.values[value])
          : el("button", { class: "value", title: `The same with ${facet.label} ${facet.values[value]}`, "data-value": `${facet.name} ${value}`, onclick: () => stylepress.viewer.go(other) }, el("bdi", {}, facet.values[value])),
      ),
    );
  }

  /** The loss by steps, on a logarithmic axis. */
  function curve(points) {
    const shown = points.filter(([, loss]) => loss > 0);
    if (shown.length < 2) return null;
    const [wide, high, left, bottom, top] = [300, 130, 40, 18, 8];
    const logs = shown.map(([, loss]) => Math.log10(loss));
    const [low, most] = [Math.min(...logs), Math.max(...logs)];
    const last = shown.at(-1)[0];
    const first = shown[0][0];
    const x = (step) => left + ((wide - left - 6) * (step - first)) / (last - first || 1);
    const y = (log) => top + ((high - bottom - top) * (most - log)) / (most - low || 1);
    const line = shown.map(([step], at) => `${at ? "L" : "M"}${x(step).toFixed(1)} ${y(logs[at]).toFixed(1)}`).join("");
    const text = (at, up, words, anchor) => svg("text", { x: at, y: up, "text-anchor": anchor }, words);
    const label = `Loss from ${number(shown[0][1])} at step ${first} to ${number(shown.at(-1)[1])} at step ${last}`;
    return svg(
      "svg",
      { class: "curve", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label },
      svg("path", { class: "axis", d: `M${left} ${top}V${high - bottom}H${wide - 6}` }),
      svg("path", { class: "line", d: line }),
      text(left - 5, top + 8, number(10 ** most), "end"),
      text(left - 5, high - bottom, number(10 ** low), "end"),
      text(left, high - 4, String(first), "start"),
      text(wide - 6, high - 4, `step ${last}`, "end"),
    );
  }

  function inputs(one) {
    const shown = [one.content, ...(one.styles ?? [])].filter(Boolean);
    if (!shown.length) return null;
    const figures = shown.map((input) =>
      el("figure", {}, input.preview ? el("img", { src: input.preview, width: input.w, height: input.h, alt: "", loading: "lazy" }) : null, el("figcaption", {}, el("bdi", {}, input.label))),
    );
    return section("Made from", el("div", { class: "inputs" }, figures));
  }

  function scores(one) {
    const known = data.index.scores.filter(({ name }) => Number.isFinite(one.scores?.[name]));
    const rows = known.map(({ name, label, better }) => row(label, number(one.scores[name]), el("span", { class: "muted", title: `${better} is better` }, better === "lower" ? " ↓" : " ↑", el("span", { class: "unseen" }, ` ${better} is better`))));
    return rows.length ? section("Scores", el("dl", {}, rows)) : null;
  }

  function files(one) {
    const shots = one.snapshots ?? [];
    const links = shots.map(({ path, step }) => el("a", { href: path }, String(step)));
    return [
      shots.length ? section("After step", el("p", { class: "links" }, links)) : null,
      one.animation ? section("On the way", el("p", {}, el("a", { href: one.animation }, "Animation"))) : null,
    ];
  }

  /** Parts of the panel that need the picture's details. */
  function told(one) {
    const times = Object.entries(one.seconds ?? {}).filter(([, value]) => Number.isFinite(value));
    const terms = Object.entries(one.terms ?? {}).map(([name, value]) => row(name.replaceAll("_", " "), number(value)));
    const settings = Object.entries(one.settings ?? {}).map(([name, value]) => row(name, one.labels?.[name] ? `${one.labels[name]} (${said(value)})` : said(value)));
    const environment = Object.entries(one.environment ?? {}).map(([name, value]) => row(name, said(value)));
    const drawn = curve(one.curve ?? []);
    return [
      inputs(one),
      scores(one),
      drawn || terms.length ? section("Loss", drawn, el("dl", {}, terms, one.steps ? row("steps", `${one.steps}${one.stop ? ` (stopped by ${one.stop})` : ""}`) : null)) : null,
      times.length ? section("Time", el("dl", {}, times.map(([name, value]) => row(name, seconds(value))))) : null,
      ...files(one),
      el("details", {}, el("summary", {}, "All settings"), el("dl", {}, settings)),
      environment.length || one.finished ? el("details", {}, el("summary", {}, "Environment"), el("dl", {}, environment, one.finished ? row("finished", one.finished) : null)) : null,
    ].filter(Boolean);
  }

  /** What is known of a picture without its details: title, size, and what varies. */
  function varying(picture) {
    const record = data.at(picture);
    const rows = stylepress.facets.varying.map((facet) => row(facet.label, along(facet, picture)));
    const megabytes = record.bytes > 1e5 ? `${(record.bytes / 1e6).toFixed(1)} MB` : `${Math.round(record.bytes / 1e3)} kB`;
    return [el("h2", {}, el("bdi", {}, record.title)), el("p", { class: "muted" }, `${record.w} × ${record.h} px, ${megabytes}`), rows.length ? el("dl", { class: "varying" }, rows) : null].filter(Boolean);
  }

  stylepress.panel = { varying, told };

  /** What varies, of one picture, in one line: words speak for themselves, numbers need their names. */
  stylepress.varyingText = (picture) =>
    stylepress.facets.varying
      .filter(({ kind }) => kind !== "input")
      .map((facet) => [facet.label, data.value(facet, picture)])
      .filter(([, value]) => value !== null)
      .map(([label, value]) => (/^[-+.\d]/.test(value) || value.length < 5 ? `${label} ${value}` : value))
      .join(", ");
})();
