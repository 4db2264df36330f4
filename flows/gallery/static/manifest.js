// A manifest of several pictures, put together from what each says of its inputs and settings.
(() => {
  /** A text as YAML: JSON, with what YAML does not let stand in one spelled out. */
  const text = (value) => JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

  /** A value as YAML on one line; 1e-8 would be a text there, 1.0e-8 is a number. */
  function flow(value) {
    if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
    if (typeof value === "number") return String(value).replace(/^(-?\d+)e/, "$1.0e");
    if (value === null || typeof value !== "object") return text(value);
    return `{${Object.entries(value).map(([name, part]) => `${text(name)}: ${flow(part)}`).join(", ")}}`;
  }

  /** Entries without repetition, each with a label of its own, by which a cell can name it. */
  function inputs(details, kind) {
    const entries = new Map();
    const labels = new Set();
    for (const { inputs: given, labels: said } of details) {
      const entry = given[kind];
      const name = flow(entry);
      if (!entry || entries.has(name)) continue;
      const plain = typeof entry === "string" ? { path: entry } : entry;
      const wanted = String(plain.label ?? said?.[kind] ?? plain.path ?? kind);
      let label = wanted;
      for (let number = 2; labels.has(label); number += 1) label = `${wanted} (${number})`;
      labels.add(label);
      entries.set(name, { ...plain, label });
    }
    return entries;
  }

  stylepress.manifestOf = (details, title) => {
    const kinds = { content: inputs(details, "content"), style: inputs(details, "style") };
    const lines = ["version: 1", `name: ${flow(`${title}: a selection`.slice(0, 100))}`, "inputs:"];
    for (const [kind, entries] of Object.entries(kinds)) {
      if (entries.size) lines.push(`  ${kind}:`, ...[...entries.values()].map((entry) => `    - ${flow(entry)}`));
    }
    // the sample keeps what is added and drops content × style
    lines.push("jobs:", "  - name: selection", `    sample: {count: ${details.length}, seed: 0}`, "    add:");
    for (const one of details) {
      const cell = { ...one.settings };
      for (const kind of ["content", "style"]) {
        const entry = kinds[kind].get(flow(one.inputs[kind]));
        if (entry) cell[kind] = entry.label;
      }
      lines.push(`      - ${flow(cell)}`);
    }
    if (details[0]?.format) lines.push(`output: {format: ${flow(details[0].format)}}`);
    return `${lines.join("\n")}\n`;
  };
})();
