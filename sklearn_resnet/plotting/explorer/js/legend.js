// The colours of the points, their legend, and which groups are shown.

let column = columns[0];
let groups = null; // null for numbers on a scale
let isHidden = [];

const missingColor = () => data.missingColors[container.dataset.theme];
const groupOf = (i) => (column.codes[i] < 0 ? groups.length - 1 : column.groupOf[column.codes[i]]); // that of missing values is last

function showColumn(name) {
  column = columns.find((candidate) => candidate.name === name) ?? columns[0];
  byId("color").value = column.name;
  groups = column.groups ?? null;
  isHidden = new Array(groups ? groups.length : 0).fill(false);
  updateColors();
  if (column.name !== name) host.changed?.("column", column.name); // there are no tags
}

function setColumn(name) {
  showColumn(name);
  host.changed?.("column", name);
}

function updateColors() {
  byId("legend-title").textContent = column.name;
  byId("legend-tools").hidden = !groups;
  const missing = asPixel(missingColor());
  if (groups) {
    const colors = groups.map(({ color }) => (color ? asPixel(color) : missing));
    const markers = groups.map(({ marker }) => MARKERS.indexOf(marker));
    for (let i = 0; i < nPoints; i++) {
      const k = groupOf(i);
      pointColor[i] = colors[k];
      pointMarker[i] = markers[k];
    }
    listGroups();
  } else {
    const colors = data.scale.map(asPixel);
    for (let i = 0; i < nPoints; i++) pointColor[i] = scaleColor(column.values[i], colors, missing);
    pointMarker.fill(0);
    byId("legend").replaceChildren(...makeColorBar());
  }
  updateShown();
}

const listGroups = () => byId("legend").replaceChildren(...groups.map(makeLegendEntry));

function scaleColor(value, colors, missing) {
  if (Number.isNaN(value)) return missing;
  const { low, high } = column;
  return colors[Math.min(colors.length - 1, Math.floor((colors.length * (value - low)) / (high - low || 1)))];
}

function makeColorBar() {
  const bar = make("div", { className: "scale" });
  bar.style.background = `linear-gradient(to right, ${data.scale.join(",")})`;
  const ends = [column.low, column.high].map((value) => make("span", { textContent: Number(value.toPrecision(4)) }));
  return [bar, make("div", { className: "ends" }, ends)];
}

function makeLegendEntry(group, k) {
  const checkbox = make("input", { type: "checkbox", checked: !isHidden[k] });
  checkbox.addEventListener("change", () => {
    isHidden[k] = !checkbox.checked;
    updateShown();
    tellHidden();
  });
  const marker = makeSvg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  marker.append(makeSvg("path", { d: MARKER_PATHS[group.marker], fill: group.color ?? missingColor() }));
  const name = make("span", { textContent: nameOfLabel(column, group.name) });
  const count = make("span", { className: "count", textContent: formatCount(group.count) });
  return make("label", {}, [checkbox, marker, name, count]);
}

// the names of the data: a group that the user renames stays hidden
const hiddenNames = () => (groups ?? []).filter((_, k) => isHidden[k]).map(({ name }) => name);
const tellHidden = () => host.changed?.("hidden", hiddenNames());

function hideGroups(names) {
  const hidden = new Set(names);
  isHidden = (groups ?? []).map(({ name }) => hidden.has(name));
  byId("legend").querySelectorAll("input").forEach((checkbox, k) => {
    checkbox.checked = !isHidden[k];
  });
  updateShown();
}

function showAllGroups(isChecked) {
  hideGroups(isChecked ? [] : groups.map(({ name }) => name));
  tellHidden();
}

function updateShown() {
  for (let i = 0; i < nPoints; i++) isShown[i] = groups && isHidden[groupOf(i)] ? 0 : 1;
  const kept = selection.filter((i) => isShown[i]);
  if (kept.length < selection.length) select(kept);
  else applyStyles();
}
