// Elements, numbers and plurals. Texts always become text nodes, so that no label is ever read as markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") node.addEventListener(name.replace(/^on/, ""), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  /** An element with attributes, listeners (`onclick`) and children; absent ones are left out. */
  stylepress.el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

  /** The same for SVG. */
  stylepress.svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  /** A number to four digits: 0.03723, 12.99, 1.2e-7. */
  stylepress.number = (value) => {
    if (!Number.isFinite(value)) return "–";
    return String(Number(value.toPrecision(4)));
  };

  stylepress.seconds = (value) => {
    if (!Number.isFinite(value)) return "–";
    if (value < 60) return `${Number(value.toPrecision(2))} s`;
    return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  };

  stylepress.count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

  /** Says a sentence to screen readers. */
  stylepress.say = (text) => {
    document.getElementById("live").textContent = text;
  };

  /** Shows a sentence for a moment, and says it. */
  stylepress.toast = (text) => {
    const toast = document.getElementById("toast");
    const place = document.querySelector("dialog[open]:last-of-type") ?? document.body;
    place.append(toast); // above the dialog that is open
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => {
      toast.hidden = true;
      document.body.append(toast);
    }, 2600);
  };

  /** A function that does its work before the next frame, once however often it is called until then. */
  stylepress.oncePerFrame = (work) => {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        work();
      });
    };
  };

  /** Gives the viewer a file. */
  stylepress.download = (name, text, type) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    stylepress.el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
})();
