// The colours of the points, their legend, and which groups are shown.

const MARKER_PATHS = { // in a box of 16 x 16
  circle: "M8 2a6 6 0 1 0 .01 0z",
  triangle: "M8 2l7 12h-14z",
  square: "M3 3h10v10h-10z",
  star: "M8 1l2 5h5l-4 3.5 1.5 5.5-4.5-3.2-4.5 3.2 1.5-5.5-4-3.5h5z",
  diamond: "M8 1l5 7-5 7-5-7z",
  plus: "M6 2h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  inverted_triangle: "M1 2h14l-7 12z",
};
const shownFilter = getModel("shown");
const isShown = new Uint8Array(data.n).fill(1);
let column = data.columns[0];
let groups = null; // null for numbers on a scale
let groupOfPoint = [], isHidden = [];

const missingColor = () => data.missingColors[document.documentElement.dataset.theme];

function setColumn(name) {
  column = data.columns.find((candidate) => candidate.name === name);
  const { groupOf, codes } = column;
  groups = column.groups ?? null;
  if (groups) {
    groupOfPoint = codes.map((code) => (code < 0 ? groups.length - 1 : groupOf[code])); // the group of missing values is last
    isHidden = new Array(groups.length).fill(false);
  }
  updateColors();
}

function updateColors() {
  byId("legend-title").textContent = column.name;
  byId("legend-tools").hidden = !groups;
  let color, marker;
  if (groups) {
    color = groupOfPoint.map((k) => groups[k].color ?? missingColor());
    marker = groupOfPoint.map((k) => groups[k].marker);
    byId("legend").replaceChildren(...groups.map(makeLegendEntry));
  } else {
    color = column.values.map(scaleColor);
    marker = new Array(data.n).fill("circle");
    byId("legend").replaceChildren(...makeColorBar());
  }
  source.data = { ...source.data, color, marker };
  updateShown();
}

function scaleColor(value) {
  if (value === null) return missingColor();
  const { low, high } = column;
  const { length } = data.scale;
  return data.scale[Math.min(length - 1, Math.floor((length * (value - low)) / (high - low || 1)))];
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
  });
  const marker = makeSvg("svg", { viewBox: "0 0 16 16" });
  marker.append(makeSvg("path", { d: MARKER_PATHS[group.marker], fill: group.color ?? missingColor() }));
  const name = make("span", { textContent: group.name });
  const count = make("span", { className: "count", textContent: formatCount(group.count) });
  return make("label", {}, [checkbox, marker, name, count]);
}

function showAllGroups(isChecked) {
  isHidden.fill(!isChecked);
  for (const checkbox of byId("legend").querySelectorAll("input")) checkbox.checked = isChecked;
  updateShown();
}

function updateShown() {
  for (let i = 0; i < data.n; i++) isShown[i] = groups && isHidden[groupOfPoint[i]] ? 0 : 1;
  shownFilter.booleans = Array.from(isShown, Boolean);
  const kept = source.selected.indices.filter((i) => isShown[i]);
  if (kept.length < source.selected.indices.length) source.selected.indices = kept;
  drawSoon();
}
