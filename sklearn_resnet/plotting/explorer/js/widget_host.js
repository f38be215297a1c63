// The host of the widget: arrays are in the model, and Python makes sheets when they are needed.

const bufferOf = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
const asView = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);
const loadSheet = (view) => createImageBitmap(new Blob([view], { type: "image/webp" }));

// JupyterLab and VS Code have themes of their own
function findTheme() {
  const { dataset, classList } = document.body;
  if (dataset.jpThemeLight) return dataset.jpThemeLight === "false" ? "dark" : "light";
  if (dataset.vscodeThemeKind) return /dark|high-contrast$/.test(dataset.vscodeThemeKind) ? "dark" : "light";
  if (classList.contains("dark") || classList.contains("dark-theme")) return "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function makeHost(model) {
  const waiting = new Map(); // by sheet, what to do with it
  const receive = ({ kind, k, error }, buffers) => {
    if (kind !== "sheet" || !waiting.has(k)) return;
    const { resolve, reject } = waiting.get(k);
    waiting.delete(k);
    if (error) reject(new Error(error));
    else resolve(loadSheet(buffers[0]));
  };
  model.on("msg:custom", receive);
  return {
    buffer: async (name) => bufferOf(model.get("_buffers")[name]),
    sheet(k) {
      const first = model.get("_first_sheet");
      if (k === 0 && first?.byteLength) return loadSheet(first);
      return new Promise((resolve, reject) => {
        waiting.set(k, { resolve, reject });
        model.send({ kind: "sheet", k });
      });
    },
    async save(name, text) {
      if (document.body.dataset.vscodeThemeKind) return false; // it blocks downloads
      const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      Object.assign(document.createElement("a"), { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      return true;
    },
    isReady: false, // a view that starts shows its defaults, and then what the model holds
    changed(name, value) {
      if (!this.isReady) return;
      if (name === "selection") model.set("selection", asView(Uint32Array.from(value)));
      if (name === "pinned") model.set("pinned", value);
      if (name === "hidden") model.set("hidden", value);
      if (name === "column") {
        model.set("color_by", value);
        model.set("hidden", []); // in the same message: they were labels of another column
      }
      if (name === "tags") model.set("tags", { names: value.names, codes: asView(Int32Array.from(value.codes)) });
      if (name === "names") model.set("names", value);
      model.save_changes();
    },
    end: () => model.off("msg:custom", receive),
  };
}

// what Python, or another view of the widget, has set
function follow(model, view) {
  const listeners = {
    selection: () => view.select(new Uint32Array(bufferOf(model.get("selection")))),
    pinned: () => view.pin(model.get("pinned")),
    hidden: () => view.hide(model.get("hidden")),
    color_by: () => view.colorBy(model.get("color_by")),
    tags() {
      const { names, codes } = model.get("tags");
      view.setTags(names, new Int32Array(bufferOf(codes)));
    },
    names: () => view.setNames(model.get("names")),
  };
  const isShown = { // already, because it was changed in this view
    selection: (shown) => String(shown.selection) === String(new Uint32Array(bufferOf(model.get("selection")))),
    pinned: (shown) => shown.pinned === model.get("pinned"),
    hidden: (shown) => String(shown.hidden) === String(model.get("hidden")),
    color_by: (shown) => shown.column === model.get("color_by"),
  };
  const apply = (name) => {
    if (!isShown[name]?.(view.inspect())) listeners[name]();
  };
  const handlers = Object.keys(listeners).map((name) => [`change:${name}`, () => apply(name)]);
  for (const name of ["names", "tags", "color_by", "hidden", "selection", "pinned"]) apply(name);
  for (const [event, handler] of handlers) model.on(event, handler);
  return () => handlers.forEach(([event, handler]) => model.off(event, handler));
}

// the picture that a saved notebook shows without the widget
function hidePictures(id, isHidden) {
  for (const picture of document.querySelectorAll(`img[alt*="${id}"]`)) {
    const output = picture.closest(".jp-OutputArea-child, .output_area, .output") ?? picture;
    output.style.display = isHidden ? "none" : "";
  }
}

const nViews = new Map(); // by id: the views that are shown
function countView(id, step) {
  nViews.set(id, (nViews.get(id) ?? 0) + step);
  hidePictures(id, nViews.get(id) > 0);
}

async function render({ model, el }) {
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the keys of the map
  const place = document.createElement("div");
  el.append(place);
  const root = place.attachShadow({ mode: "open" });
  root.innerHTML = `<style>${model.get("_style")}</style><div id="explorer" data-theme="light">${model.get("_markup")}</div>`;
  root.addEventListener("keydown", (event) => event.stopPropagation());
  const host = makeHost(model);
  const data = { ...JSON.parse(model.get("_metadata")), theme: findTheme() };
  const view = await explore(root, data, host);
  place.explorer = view;
  host.isReady = true;
  const unfollow = follow(model, view);
  const themes = new MutationObserver(() => view.setTheme(findTheme()));
  themes.observe(document.body, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"] });
  const id = model.get("_id");
  const pictures = new MutationObserver(() => hidePictures(id, true)); // it may be drawn later
  pictures.observe(document.body, { childList: true, subtree: true });
  countView(id, 1);
  setTimeout(() => pictures.disconnect(), 30_000);
  return () => {
    pictures.disconnect();
    countView(id, -1);
    themes.disconnect();
    unfollow();
    host.end();
    view.destroy();
  };
}

export default { render };
