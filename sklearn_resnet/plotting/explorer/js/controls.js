// Handlers of buttons, fields and keys, and the start of the page.

const TOOLS = ["pan", "box", "lasso"];
const KEYS = {
  ArrowLeft: () => pan(-0.1, 0),
  ArrowRight: () => pan(0.1, 0),
  ArrowUp: () => pan(0, 0.1),
  ArrowDown: () => pan(0, -0.1),
  "+": () => zoom(1.5),
  "=": () => zoom(1.5),
  "-": () => zoom(1 / 1.5),
  0: fitView,
  Enter: () => {
    const [x, y] = getView();
    pin(nearestPoint(xs.keys(), x, y));
  },
};
const onClick = (id, action) => byId(id).addEventListener("click", action);

function setTool(name) {
  for (const tool of TOOLS) {
    getModel(tool).active = tool === name;
    byId(`tool-${tool}`).setAttribute("aria-pressed", tool === name);
  }
}

function toggleImages() {
  isImagesOn = !isImagesOn;
  byId("images").setAttribute("aria-pressed", isImagesOn);
  drawSoon();
}

for (const tool of TOOLS) onClick(`tool-${tool}`, () => setTool(tool));
onClick("select-view", () => select(pointsInView()));
onClick("zoom-in", () => zoom(1.5));
onClick("zoom-out", () => zoom(1 / 1.5));
onClick("zoom-fit", fitView);
onClick("images", toggleImages);
byId("images").hidden = !hasImages;
onClick("select-matches", () => select(matches));
onClick("save", saveSelection);
onClick("clear", () => select([]));
onClick("more", listMore);
onClick("show-all", () => showAllGroups(true));
onClick("show-none", () => showAllGroups(false));
onClick("theme", toggleTheme);
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
});

byId("color").append(...data.columns.map(({ name }) => make("option", { value: name, textContent: name })));
byId("color").addEventListener("change", () => setColumn(byId("color").value));
byId("color-field").hidden = data.columns.length < 2;
let searchTimer;
byId("search").addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(() => search(byId("search").value), 120);
});

byId("map").addEventListener("mouseleave", () => hover(-1));
byId("map").addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keydown", (event) => {
  if (byId("whole").open) return; // Escape closes it
  if (event.key === "Escape") {
    pin(-1);
    select([]);
  }
  if (event.key === "/" && document.activeElement !== byId("search")) {
    event.preventDefault();
    byId("search").focus();
  }
});

for (const element of document.querySelectorAll("[data-point]")) { // of the section below the map
  element.addEventListener("click", () => {
    pin(Number(element.dataset.point));
    byId("stage").scrollIntoView();
  });
}

source.selected.properties.indices.change.connect(showSelection);
let lastView = null;
for (const range of [plot.x_range, plot.y_range]) {
  range.change.connect(() => {
    lastView = getView();
    drawSoon();
  });
}
new ResizeObserver(() => { // keeps the scales of both axes equal; Bokeh does not
  requestAnimationFrame(() => {
    if (lastView) setView(...lastView);
    else fitView();
    drawSoon();
  });
}).observe(byId("map"));

setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
setColumn(data.columns[0].name);
setTool("pan");
document.documentElement.dataset.ready = "true";
