// The layer over the points: images, rings around matches, lines to neighbours, names and the line of a tool.

const MAX_AUTOMATIC = 300; // points in view, up to which images are drawn without the button
const MAX_CANDIDATES = 4000; // for images
const MAX_RINGS = 2000;
const SETTLED_AFTER = 150; // milliseconds without a movement
let isImagesOn = false, isScheduled = false, settling = 0;

function drawSoon() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    panes.forEach(draw);
    listClustersInView();
  });
}

function redrawAll() {
  for (const pane of panes) pane.isStale = true;
  drawSoon();
}

// until the map has come to rest, some points may stand for all
function move(pane) {
  pane.isMoving = true;
  clearTimeout(settling);
  settling = setTimeout(() => {
    for (const each of panes) each.isMoving = false;
    redrawAll();
  }, SETTLED_AFTER);
}

function draw(pane) {
  const { overlay, width, height } = pane, ratio = devicePixelRatio;
  if (!pane.view || !width || !height) return;
  const size = sizeInView(pane);
  if (pane.isStale) {
    pane.isStale = false;
    pane.renderer.draw({ ...pane.view, width, height, ratio, size, alpha: data.pointAlpha, isMoving: pane.isMoving });
  }
  if (overlay.width !== Math.round(width * ratio) || overlay.height !== Math.round(height * ratio)) {
    overlay.width = Math.round(width * ratio);
    overlay.height = Math.round(height * ratio);
  }
  const context = overlay.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const hasDrawn = hasImages && drawImages(context, pane);
  context.strokeStyle = cssVariable("--ring");
  context.lineWidth = 2;
  for (const i of matches.slice(0, MAX_RINGS)) drawRing(context, pane, i, size / 2 + 2);
  drawClusterNames(context, pane, hasImages && !hasDrawn && !selection.length); // nor over what is selected
  context.strokeStyle = cssVariable("--ring");
  for (const i of new Set([pinned, hovered])) {
    if (i >= 0) drawNeighbors(context, pane, i, size);
  }
  drawToolLine(context, pane);
}

function drawRing(context, pane, i, radius) {
  context.beginPath();
  context.arc(...toScreen(pane, i), radius, 0, 2 * Math.PI);
  context.stroke();
}

function drawNeighbors(context, pane, i, size) {
  const beside = neighborsOf(i, pane.search);
  context.lineWidth = 2;
  context.globalAlpha = 0.5;
  for (const j of beside) {
    context.beginPath();
    context.moveTo(...toScreen(pane, i));
    context.lineTo(...toScreen(pane, j));
    context.stroke();
  }
  context.globalAlpha = 1;
  for (const j of beside) drawRing(context, pane, j, size / 2 + 3);
  context.lineWidth = 3;
  drawRing(context, pane, i, size / 2 + 6);
}

// points in view in their order of levels, not many more than there is room for; none if there are too many for images
function findCandidates(pane) {
  const [left, bottom, right, top] = rangesOf(pane), { xy } = pane;
  const isCrowded = countAround(pane, [left, bottom, right, top]) > 5 * MAX_CANDIDATES;
  if (isCrowded && !isImagesOn) return [];
  if (!isCrowded) {
    const found = pointsInView(pane);
    if (!isImagesOn && found.length > MAX_AUTOMATIC) return [];
    return found.sort((a, b) => levelRanks[a] - levelRanks[b]);
  }
  const found = [];
  for (const i of levelOrder) {
    const x = xy[2 * i], y = xy[2 * i + 1];
    if (isShown[i] && x >= left && x <= right && y >= bottom && y <= top && found.push(i) === MAX_CANDIDATES) break;
  }
  return found;
}

// whether there are any
function drawImages(context, pane) {
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
  for (const i of findCandidates(pane)) {
    const [x, y] = toScreen(pane, i);
    const cellX = Math.floor(x / cell), cellY = Math.floor(y / cell);
    if (!isFree(cellX, cellY, x, y)) continue;
    taken.set(cellX * 65536 + cellY, [x, y]);
    context.globalAlpha = selection.length && !isSelected[i] ? 0.15 : 1; // like the points
    context.fillStyle = asHex(pointColor[i]);
    context.fillRect(x - size / 2 - 1.5, y - size / 2 - 1.5, cell, cell);
    context.fillStyle = "#fff";
    context.fillRect(x - size / 2, y - size / 2, size, size);
    drawImage(context, i, x - size / 2, y - size / 2, size, drawSoon);
  }
  context.globalAlpha = 1;
  return taken.size > 0;
}
