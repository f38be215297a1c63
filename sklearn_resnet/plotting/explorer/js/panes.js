// Panes: each shows a map of the same points in a view of its own.

const FAINT = 0.06; // opacity of points that are not selected, while others are
const MAX_CELLS = 512; // of the index along each axis
const MARGIN = 1.08; // of the whole map
const isGpuUsed = data.renderer ? data.renderer === "webgl" : hasGpu();
const panes = data.maps.map(makePane);
let activePane = panes[0];

function makePane(map, k) {
  const element = k === 0 ? byId("map") : makePaneElement();
  const xy = positions[k];
  const { clientWidth: width, clientHeight: height } = element;
  const pane = { ...map, element, xy, overlay: element.querySelector(".overlay"), width, height, view: null, isMoving: false, isStale: true };
  pane.renderer = makeRenderer(pane);
  if (data.maps.length > 1) {
    element.setAttribute("aria-label", `${map.name}. ${element.getAttribute("aria-label")}`);
    element.append(make("p", { className: "map-name", textContent: map.name, title: map.quality ?? "" }));
  }
  return pane;
}

function makeRenderer(pane) {
  const canvas = pane.element.querySelector(".points");
  if (!isGpuUsed) return makeSoftwareRenderer(canvas, pane.xy);
  canvas.addEventListener("webglcontextlost", () => {
    if (!ending.signal.aborted) drawInSoftware(pane);
  });
  try {
    return makeWebglRenderer(canvas, pane.xy);
  } catch {
    return makeSoftwareRenderer(replaceCanvas(pane), pane.xy); // its driver cannot do it
  }
}

function drawInSoftware(pane) {
  pane.renderer = makeSoftwareRenderer(replaceCanvas(pane), pane.xy);
  redrawAll();
}

// a canvas that had a WebGL context can have no other
function replaceCanvas({ element }) {
  const former = element.querySelector(".points"), canvas = former.cloneNode(false);
  former.replaceWith(canvas);
  return canvas;
}

function makePaneElement() {
  const element = byId("map").cloneNode(false);
  element.removeAttribute("id");
  element.append(make("canvas", { className: "points" }), make("canvas", { className: "overlay" }));
  for (const canvas of element.children) canvas.setAttribute("aria-hidden", "true");
  byId("maps").append(element);
  return element;
}

function activate(pane) {
  activePane = pane;
  for (const each of panes) each.element.classList.toggle("active", panes.length > 1 && each === pane);
}

const placeOnScreen = ({ view, width, height }, x, y) => [(x - view.x) / view.scale + width / 2, (view.y - y) / view.scale + height / 2];
const toScreen = (pane, i) => placeOnScreen(pane, pane.xy[2 * i], pane.xy[2 * i + 1]);

const toMap = ({ view, width, height }, x, y) => [view.x + (x - width / 2) * view.scale, view.y - (y - height / 2) * view.scale];

// scale: units of the map in a pixel
function setView(pane, x, y, scale) {
  pane.view = { x, y, scale };
  pane.isStale = true;
  drawSoon();
}

function wholeView({ box: [left, bottom, right, top], width, height }) {
  const scale = MARGIN * Math.max((right - left) / width, (top - bottom) / height) || 1; // one point has no extent
  return [(left + right) / 2, (bottom + top) / 2, scale];
}

const fitView = (pane) => setView(pane, ...wholeView(pane));

// x, y: the place that stays, in pixels
function zoom(pane, factor, x = pane.width / 2, y = pane.height / 2) {
  const [fixedX, fixedY] = toMap(pane, x, y), { view } = pane;
  setView(pane, fixedX + (view.x - fixedX) / factor, fixedY + (view.y - fixedY) / factor, view.scale / factor);
}

// dx, dy: fractions of the pane
function pan(pane, dx, dy) {
  const { view, width, height } = pane;
  setView(pane, view.x + dx * view.scale * width, view.y + dy * view.scale * height, view.scale);
}

function bringIntoView(i) {
  for (const pane of panes) {
    const [x, y] = toScreen(pane, i), { width, height } = pane;
    if (x < 0 || y < 0 || x > width || y > height) setView(pane, pane.xy[2 * i], pane.xy[2 * i + 1], pane.view.scale);
  }
}

// left, bottom, right and top end of the view
function rangesOf({ view: { x, y, scale }, width, height }) {
  return [x - (scale * width) / 2, y - (scale * height) / 2, x + (scale * width) / 2, y + (scale * height) / 2];
}

// points of small dots grow while one zooms in
function sizeInView(pane) {
  const growth = Math.sqrt(wholeView(pane)[2] / pane.view.scale);
  return Math.max(data.pointSize, Math.min(4, data.pointSize * growth));
}

// the points of each cell of a grid over the map, in their order of levels
function indexOf(pane) {
  if (pane.index) return pane.index;
  const { xy, box: [left, bottom, right, top] } = pane;
  const side = Math.max(1, Math.min(MAX_CELLS, Math.ceil(Math.sqrt(nPoints / 8))));
  const xFactor = side / (right - left || 1), yFactor = side / (top - bottom || 1);
  const clip = (cell) => Math.max(0, Math.min(side - 1, Math.floor(cell)));
  const columnOf = (x) => clip((x - left) * xFactor), rowOf = (y) => clip((y - bottom) * yFactor);
  const starts = new Uint32Array(side * side + 1), cells = new Uint32Array(nPoints), rows = new Uint32Array(nPoints);
  for (let i = 0; i < nPoints; i++) {
    cells[i] = rowOf(xy[2 * i + 1]) * side + columnOf(xy[2 * i]);
    starts[cells[i] + 1]++;
  }
  for (let cell = 0; cell < side * side; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  for (const i of levelOrder) rows[next[cells[i]]++] = i;
  pane.index = { side, starts, rows, columnOf, rowOf };
  return pane.index;
}

// number of points in the cells of a box, which may be more than those in the box
function countAround(pane, [left, bottom, right, top]) {
  const { side, starts, columnOf, rowOf } = indexOf(pane);
  let count = 0;
  for (let row = rowOf(bottom); row <= rowOf(top); row++) {
    count += starts[row * side + columnOf(right) + 1] - starts[row * side + columnOf(left)];
  }
  return count;
}

// points that are shown in a box
function pointsInBox(pane, [left, bottom, right, top]) {
  const { xy } = pane, { side, starts, rows, columnOf, rowOf } = indexOf(pane);
  const found = [];
  for (let row = rowOf(bottom); row <= rowOf(top); row++) {
    const end = starts[row * side + columnOf(right) + 1];
    for (let k = starts[row * side + columnOf(left)]; k < end; k++) {
      const i = rows[k], x = xy[2 * i], y = xy[2 * i + 1];
      if (isShown[i] && x >= left && x <= right && y >= bottom && y <= top) found.push(i);
    }
  }
  return found;
}

const pointsInView = (pane) => pointsInBox(pane, rangesOf(pane));

// corners: in the units of the map
function pointsInPolygon(pane, corners) {
  const xsOfCorners = corners.map(([x]) => x), ysOfCorners = corners.map(([, y]) => y);
  const box = [Math.min(...xsOfCorners), Math.min(...ysOfCorners), Math.max(...xsOfCorners), Math.max(...ysOfCorners)];
  return pointsInBox(pane, box).filter((i) => {
    const x = pane.xy[2 * i], y = pane.xy[2 * i + 1];
    let isInside = false;
    for (let a = 0, b = corners.length - 1; a < corners.length; b = a++) {
      const [xa, ya] = corners[a], [xb, yb] = corners[b];
      if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) isInside = !isInside;
    }
    return isInside;
  });
}

// the nearest point that is shown within a radius in pixels of a place in pixels; -1 if there is none
function nearestPoint(pane, x, y, radius) {
  const { xy, view: { scale } } = pane, [centreX, centreY] = toMap(pane, x, y);
  const reach = Number.isFinite(radius) ? radius * scale : Infinity;
  let nearest = -1, minimum = reach ** 2;
  for (const i of pointsInBox(pane, [centreX - reach, centreY - reach, centreX + reach, centreY + reach])) {
    const distance = (xy[2 * i] - centreX) ** 2 + (xy[2 * i + 1] - centreY) ** 2;
    if (distance <= minimum) [nearest, minimum] = [i, distance];
  }
  return nearest;
}
