// Regions of larger images: their boxes on the whole image, in the pinned card and in a dialog.

const MIN_BOX = 9; // pixels: smaller boxes are enlarged
const overviews = []; // promises of images
let enlarged = -1;

const overviewOf = (i) => (boxes ? data.overviews[overviewIndices[i]] : undefined);

function regionsBeside(i) {
  const found = [];
  for (let j = 0; j < nPoints; j++) {
    if (overviewIndices[j] === overviewIndices[i] && (isShown[j] || j === i)) found.push(j);
  }
  return found;
}

async function loadOverview(k) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([await host.buffer(`overview${k}`)], { type: "image/webp" }));
  await image.decode();
  return image;
}

function whenOverviewLoaded(k, use) {
  overviews[k] ??= loadOverview(k);
  overviews[k].then(use);
}

// left, top, width and height of a box on the drawn image
function placeBox(i, scale, minimum) {
  const [top, left, bottom, right] = boxOf(i);
  const width = Math.max(minimum, (right - left) * scale), height = Math.max(minimum, (bottom - top) * scale);
  return [((left + right) * scale - width) / 2, ((top + bottom) * scale - height) / 2, width, height];
}

// others: regions drawn thinly, in the colours of their points
function drawOverview(canvas, i, maxWidth, maxHeight, others = []) {
  const { width, height } = overviewOf(i);
  const scale = Math.min(maxWidth / width, maxHeight / height);
  const drawnWidth = Math.max(1, Math.round(width * scale)), drawnHeight = Math.max(1, Math.round(height * scale));
  Object.assign(canvas, { width: drawnWidth * devicePixelRatio, height: drawnHeight * devicePixelRatio });
  canvas.style.width = `${drawnWidth}px`;
  canvas.style.height = `${drawnHeight}px`;
  whenOverviewLoaded(overviewIndices[i], (image) => {
    const context = canvas.getContext("2d");
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.drawImage(image, 0, 0, drawnWidth, drawnHeight);
    context.lineWidth = 1.5;
    for (const j of others) {
      context.strokeStyle = asHex(pointColor[j]);
      context.strokeRect(...placeBox(j, scale, 0));
    }
    for (const [color, lineWidth] of [["#fff", 5], [cssVariable("--ring"), 2.5]]) {
      Object.assign(context, { strokeStyle: color, lineWidth });
      context.strokeRect(...placeBox(i, scale, MIN_BOX));
    }
  });
  return scale;
}

// the whole image with the box, for a card; nothing for an image that is whole itself
function makeOverview(i, size) {
  if (!boxOf(i)) return [];
  if (data.overviewNote) return [make("p", { className: "hint", textContent: data.overviewNote })];
  if (!overviewOf(i)) return [make("p", { className: "hint", textContent: "The whole image could not be read." })];
  const canvas = make("canvas");
  drawOverview(canvas, i, size, size);
  const button = make("button", { type: "button", id: "enlarge", title: "Enlarge the whole image" }, [canvas]);
  button.setAttribute("aria-label", `Enlarge the whole image of ${nameOf(i)}`);
  button.addEventListener("click", () => enlarge(i));
  return [button];
}

function enlarge(i) {
  enlarged = i;
  if (!byId("whole").open) byId("whole").showModal();
  const beside = regionsBeside(i);
  byId("whole-name").textContent = [nameOf(i), valueText(column, i)].filter(Boolean).join("  ");
  byId("whole-count").textContent = `Region ${formatCount(beside.indexOf(i) + 1)} of ${formatCount(beside.length)}`;
  for (const id of ["whole-previous", "whole-next"]) byId(id).disabled = beside.length < 2;
  drawEnlarged();
}

function drawEnlarged() {
  const { clientWidth: width, clientHeight: height } = byId("whole-stage");
  byId("whole-canvas").setAttribute("aria-label", byId("whole-name").textContent);
  return drawOverview(byId("whole-canvas"), enlarged, width, height, regionsBeside(enlarged));
}

function enlargeNext(step) {
  const beside = regionsBeside(enlarged);
  const next = beside[(beside.indexOf(enlarged) + step + beside.length) % beside.length];
  pin(next);
  enlarge(next);
}

// x, y: on the canvas
function enlargeAt(x, y) {
  const scale = byId("whole-canvas").clientWidth / overviewOf(enlarged).width;
  const isInside = ([left, top, width, height]) => x >= left && x <= left + width && y >= top && y <= top + height;
  const areaOf = ([top, left, bottom, right]) => (bottom - top) * (right - left);
  const found = regionsBeside(enlarged).filter((j) => isInside(placeBox(j, scale, MIN_BOX)));
  if (!found.length) return;
  const smallest = found.reduce((a, b) => (areaOf(boxOf(b)) < areaOf(boxOf(a)) ? b : a));
  pin(smallest);
  enlarge(smallest);
}
