// The gallery's data: classic scripts that call `stylepress.take`, added when they are needed; a page that is opened from a folder may not fetch().
(() => {
  const taken = new Map(); // name -> value
  const loading = new Map(); // name -> promise
  const found = new Map(); // a key's first digits -> index of its picture

  stylepress.take = (name, value) => {
    taken.set(name, value);
    const [kind, number] = name.split("-");
    if (kind === "pictures") value.forEach(({ key }, at) => found.set(key.slice(0, 12), number * index().per.pictures + at));
  };

  /** Adds a script of the gallery; resolves when it has run. */
  function script(file) {
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error(`${file} could not be loaded`));
      document.head.append(stylepress.el("script", { src: file, onload: resolve, onerror: failed }));
    });
  }

  function load(name, file) {
    if (!loading.has(name)) {
      const done = taken.has(name) ? Promise.resolve() : script(file);
      loading.set(name, done.then(() => taken.get(name)));
      loading.get(name).catch(() => loading.delete(name)); // to be tried again
    }
    return loading.get(name);
  }

  const index = () => taken.get("index");
  const part = (kind, picture) => Math.floor(picture / index().per[kind]);

  function piece(kind, picture) {
    const number = part(kind, picture);
    return load(`${kind}-${number}`, index()[kind][number]);
  }

  /** The record of a picture if it is here, else undefined. */
  function at(picture) {
    return taken.get(`pictures-${part("pictures", picture)}`)?.[picture % index().per.pictures];
  }

  /** Makes sure that the records of some pictures are here. */
  async function ready(pictures) {
    const first = new Map(pictures.map((picture) => [part("pictures", picture), picture]));
    await Promise.all([...first.values()].map((picture) => piece("pictures", picture)));
  }

  async function details(picture) {
    return (await piece("details", picture))[picture % index().per.details];
  }

  /** Index of the picture whose key begins so, or -1. */
  async function find(key) {
    if (!found.has(key)) {
      const { length, text } = await load("keys", index().keys);
      for (let at = 0; at * length < text.length; at += 1) found.set(text.substr(at * length, length), at);
    }
    return found.get(key) ?? -1;
  }

  stylepress.data = {
    begin: async () => {
      await load("index", document.body.dataset.index);
      return load("columns", index().columns);
    },
    get index() {
      return index();
    },
    get columns() {
      return taken.get("columns");
    },
    measures: () => load("measures", index().measures),
    /** Width and height of a picture, known before its record is here. */
    shape: (picture) => taken.get("columns").shapes.values[taken.get("columns").shapes.of[picture]],
    /** A picture's value of a facet as people read it, or null. */
    value: (facet, picture) => facet.values[taken.get("columns").facets[facet.name][picture]] ?? null,
    short: (picture) => at(picture).key.slice(0, 12),
    at,
    ready,
    details,
    find,
    script,
  };

  /** An <img> of a picture's thumbnail, `width` CSS pixels wide. */
  stylepress.thumbnail = (record, width, attributes) => {
    if (!record.widths.length) return stylepress.el("span", { class: "nothumb" }, record.alt);
    const file = (wide) => `thumbs/${record.thumb}-${wide}.webp`;
    const sources = record.widths.map((wide) => `${file(wide)} ${wide}w`).join(", ");
    return stylepress.el("img", {
      src: file(record.widths[0]),
      srcset: record.widths.length > 1 ? sources : null,
      sizes: `${Math.round(width)}px`,
      width: record.w,
      height: record.h,
      alt: record.alt,
      decoding: "async",
      ...attributes,
    });
  };
})();
