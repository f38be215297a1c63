// The overlay of the map: images, rings around matches, and lines to neighbours.

const MAX_AUTOMATIC = 300; // points in view, up to which images are drawn without the button
const MAX_RINGS = 2000;
const overlay = byId("overlay");
const drawingOrder = shuffledIndices(data.n);
let isImagesOn = false, isScheduled = false;

// in a fixed random order, so that no label comes first
function shuffledIndices(n) {
  const order = new Uint32Array(n).map((_, i) => i);
  for (let i = n - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function drawSoon() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    draw();
  });
}

function draw() {
  const { clientWidth: width, clientHeight: height } = byId("map");
  const ratio = devicePixelRatio;
  if (overlay.width !== Math.round(width * ratio) || overlay.height !== Math.round(height * ratio)) {
    overlay.width = Math.round(width * ratio);
    overlay.height = Math.round(height * ratio);
  }
  const context = overlay.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (hasImages) drawImages(context, width, height);
  context.strokeStyle = cssVariable("--ring");
  context.lineWidth = 2;
  for (const i of matches.slice(0, MAX_RINGS)) drawRing(context, i, data.pointSize / 2 + 2);
  for (const i of new Set([pinned, hovered])) {
    if (i >= 0) drawNeighbors(context, i);
  }
}

function drawRing(context, i, radius) {
  context.beginPath();
  context.arc(...toScreen(i), radius, 0, 2 * Math.PI);
  context.stroke();
}

function drawNeighbors(context, i) {
  context.globalAlpha = 0.5;
  for (const j of neighborsOf(i)) {
    context.beginPath();
    context.moveTo(...toScreen(i));
    context.lineTo(...toScreen(j));
    context.stroke();
  }
  context.globalAlpha = 1;
  for (const j of neighborsOf(i)) drawRing(context, j, data.pointSize / 2 + 3);
  context.lineWidth = 3;
  drawRing(context, i, data.pointSize / 2 + 6);
  context.lineWidth = 2;
}

// i, x, y of each point in view, in one array for speed; empty if there are too many for images
function findVisible(width, height) {
  const { x_scale: xScale, y_scale: yScale } = plotView.frame;
  const [x0, y0] = [xScale.compute(0), yScale.compute(0)];
  const [xFactor, yFactor] = [xScale.compute(1) - x0, yScale.compute(1) - y0];
  const visible = [];
  for (const i of drawingOrder) {
    if (!isShown[i]) continue;
    const x = x0 + xFactor * xs[i], y = y0 + yFactor * ys[i];
    if (x < 0 || y < 0 || x > width || y > height) continue;
    visible.push(i, x, y);
    if (!isImagesOn && visible.length > 3 * MAX_AUTOMATIC) return [];
  }
  return visible;
}

function drawImages(context, width, height) {
  const size = areSmall ? 32 : 56, cell = size + 3;
  const taken = new Map(); // the image in each cell of a grid
  const isFree = (cellX, cellY, x, y) => {
    for (let a = cellX - 1; a <= cellX + 1; a++) {
      for (let b = cellY - 1; b <= cellY + 1; b++) {
        const other = taken.get(a * 65536 + b);
        if (other && Math.abs(other[0] - x) < cell && Math.abs(other[1] - y) < cell) return false;
      }
    }
    return true;
  };
  const visible = findVisible(width, height);
  for (let k = 0; k < visible.length; k += 3) {
    const i = visible[k], x = visible[k + 1], y = visible[k + 2];
    const cellX = Math.floor(x / cell), cellY = Math.floor(y / cell);
    if (!isFree(cellX, cellY, x, y)) continue;
    taken.set(cellX * 65536 + cellY, [x, y]);
    context.globalAlpha = selected.size && !selected.has(i) ? 0.15 : 1; // like Bokeh's points
    context.fillStyle = source.data.color[i];
    context.fillRect(x - size / 2 - 1.5, y - size / 2 - 1.5, cell, cell);
    context.fillStyle = "#fff";
    context.fillRect(x - size / 2, y - size / 2, size, size);
    drawImage(context, i, x - size / 2, y - size / 2, size, drawSoon);
  }
  context.globalAlpha = 1;
}
