// Handlers of buttons, fields and keys.

const NARROW = 900; // pixels, up to which the details are below the map
const KEYS = {
  ArrowLeft: (pane) => pan(pane, -0.1, 0),
  ArrowRight: (pane) => pan(pane, 0.1, 0),
  ArrowUp: (pane) => pan(pane, 0, 0.1),
  ArrowDown: (pane) => pan(pane, 0, -0.1),
  "+": (pane) => zoom(pane, 1.5),
  "=": (pane) => zoom(pane, 1.5),
  "-": (pane) => zoom(pane, 1 / 1.5),
  0: fitView,
  Enter: (pane) => pin(nearestPoint(pane, pane.width / 2, pane.height / 2, Infinity)),
};
const onClick = (id, action) => byId(id).addEventListener("click", action);

function toggleImages() {
  isImagesOn = !isImagesOn;
  byId("images").setAttribute("aria-pressed", isImagesOn);
  drawSoon();
}

function toggleNames() {
  areNamesOn = !areNamesOn;
  byId("cluster-names").setAttribute("aria-pressed", areNamesOn);
  drawSoon();
}

function listColumns() {
  byId("color").replaceChildren(...columns.map(({ name }) => make("option", { value: name, textContent: name })));
  byId("color").value = column.name;
  byId("color-field").hidden = columns.length < 2;
}

for (const name of TOOLS) onClick(`tool-${name}`, () => setTool(name));
onClick("select-view", () => select(pointsInView(activePane)));
onClick("zoom-in", () => zoom(activePane, 1.5));
onClick("zoom-out", () => zoom(activePane, 1 / 1.5));
onClick("zoom-fit", () => fitView(activePane));
onClick("images", toggleImages);
byId("images").hidden = !hasImages;
onClick("cluster-names", toggleNames);
byId("cluster-names").hidden = !hasClusters;
onClick("select-matches", () => select(matches));
onClick("save", saveSelection);
onClick("clear", () => select([]));
onClick("more", listMore);
onClick("show-all", () => showAllGroups(true));
onClick("show-none", () => showAllGroups(false));
onClick("theme", toggleTheme);
onClick("put-tag", tagByField);
onClick("remove-tag", () => putTagOn(-1));
onClick("undo-tag", undoTag);
onClick("save-tags", saveTags);
onClick("load-tags", () => byId("tag-file").click());
byId("tag-file").addEventListener("change", async () => {
  const [file] = byId("tag-file").files;
  if (file) await loadTagFile(file);
  byId("tag-file").value = "";
});
byId("tag-name").addEventListener("keydown", ({ key }) => {
  if (key === "Enter") tagByField();
});
onClick("copy-text", copyText);
onClick("copy-close", () => byId("copy").close());
onClick("whole-previous", () => enlargeNext(-1));
onClick("whole-next", () => enlargeNext(1));
onClick("whole-close", () => byId("whole").close());
byId("whole-canvas").addEventListener("click", ({ offsetX, offsetY }) => enlargeAt(offsetX, offsetY));
byId("whole").addEventListener("keydown", ({ key }) => {
  if (key === "ArrowLeft") enlargeNext(-1);
  if (key === "ArrowRight") enlargeNext(1);
});
byId("whole").addEventListener("close", () => byId("enlarge")?.focus());
addEventListener("resize", () => {
  if (byId("whole").open) drawEnlarged();
}, { signal: ending.signal });

byId("color").addEventListener("change", () => setColumn(byId("color").value));
let searchTimer;
byId("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(() => search(byId("search").value), 120);
});

for (const pane of panes) {
  pane.element.addEventListener("keydown", (event) => {
    if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    KEYS[event.key](pane);
  });
}

const isTyping = ({ target }) => target.matches?.("input:not([type=checkbox]), select, textarea");

function handleKey(event) {
  if (byId("whole").open || byId("copy").open) return; // Escape closes them
  const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
  if (event.key === "Escape") {
    pin(-1);
    select([]);
  } else if (isTyping(event)) {
    return;
  } else if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
  } else if (isUndo) {
    event.preventDefault();
    undoTag();
  } else if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    tagByKey(Number(event.key) - 1);
  } else if (event.key === "Delete" || event.key === "Backspace") putTagOn(-1);
}
container.addEventListener("keydown", handleKey, { signal: ending.signal });

for (const element of root.querySelectorAll("[data-point]")) { // of the section below the map
  element.addEventListener("click", () => {
    pin(Number(element.dataset.point));
    byId("stage").scrollIntoView();
  });
}
