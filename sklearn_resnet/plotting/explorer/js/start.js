// The start, and what the host can do with the map.

function fitWindow() {
  container.classList.toggle("narrow", container.clientWidth <= NARROW);
  for (const pane of panes) {
    const { clientWidth: width, clientHeight: height } = pane.element;
    Object.assign(pane, { width, height, isStale: true });
    if (!width || !height) continue;
    if (!pane.isFitted) {
      pane.isFitted = true;
      fitView(pane);
    }
  }
  drawSoon();
}

const observer = new ResizeObserver(fitWindow);
for (const { element } of panes) observer.observe(element);
observer.observe(container);

function showQuality() {
  const judged = panes.filter(({ quality }) => quality);
  byId("quality").textContent = judged.map(({ name, quality }) => (panes.length > 1 ? `${name}: ${quality}` : quality)).join("\n");
  byId("quality-section").hidden = !judged.length;
  byId("quality-section").open = container.clientWidth > NARROW;
}

showQuality();
setTheme(data.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
setTool("pan");
activate(activePane);
fitWindow();
updateTags();
showColumn(columns[0].name);
listSelection();
container.dataset.ready = "true";

return {
  select: (indices) => showSelection([...indices]),
  pin: (i) => showPin(i ?? -1),
  hide: hideGroups,
  colorBy: showColumn,
  setTags,
  setNames,
  setTheme(theme) {
    setTheme(theme);
    updateColors();
  },
  // what is shown now; for tests
  inspect: () => ({
    selection,
    pinned: pinned < 0 ? null : pinned,
    hidden: hiddenNames(),
    column: column.name,
    views: panes.map((pane) => rangesOf(pane)),
    renderer: panes[0].renderer.name,
    get colors() {
      return Array.from(pointColor, asHex);
    },
    get markers() {
      return Array.from(pointMarker, (k) => MARKERS[k]);
    },
    get tags() {
      return Array.from(tagCodes, (code) => tagNames[code] ?? null);
    },
  }),
  // where a point is in the window; for tests
  locate(i, k = 0) {
    const { left, top } = panes[k].element.getBoundingClientRect(), [x, y] = toScreen(panes[k], i);
    return [left + panes[k].element.clientLeft + x, top + panes[k].element.clientTop + y];
  },
  destroy() {
    ending.abort();
    observer.disconnect();
    for (const { renderer } of panes) renderer.destroy();
  },
};
