// How each point looks: its colour and marker, and whether it is shown and selected.

const MARKER_PATHS = { // in a box of 16 x 16
  circle: "M8 2a6 6 0 1 0 .01 0z",
  triangle: "M8 2l7 12h-14z",
  square: "M3 3h10v10h-10z",
  star: "M8 1l2 5h5l-4 3.5 1.5 5.5-4.5-3.2-4.5 3.2 1.5-5.5-4-3.5h5z",
  diamond: "M8 1l5 7-5 7-5-7z",
  plus: "M6 2h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  inverted_triangle: "M1 2h14l-7 12z",
};
const MARKERS = Object.keys(MARKER_PATHS);
const MARKER_BITS = 7, IS_SELECTED = 8, IS_HIDDEN = 16; // of a kind

const pointColor = new Uint32Array(nPoints); // 0xffBBGGRR, as in the pixels of a canvas
const pointMarker = new Uint8Array(nPoints); // index in MARKERS
const isShown = new Uint8Array(nPoints).fill(1);
const isSelected = new Uint8Array(nPoints);
let selection = []; // in ascending order

// points are drawn in a fixed random order, so that no label comes first, and some of them stand for all
const drawingOrder = shuffledIndices(nPoints);
const orderedColor = new Uint32Array(nPoints), orderedKind = new Uint8Array(nPoints);

function shuffledIndices(count) {
  const order = new Uint32Array(count).map((_, i) => i);
  for (let i = count - 1, seed = 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = seed % (i + 1), other = order[i];
    order[i] = order[j];
    order[j] = other;
  }
  return order;
}

// a color is "#rrggbb"
function asPixel(color) {
  const number = Number.parseInt(color.slice(1), 16);
  return (0xff000000 | ((number & 0xff) << 16) | (number & 0xff00) | (number >> 16)) >>> 0;
}

function asHex(pixel) {
  const swapped = ((pixel & 0xff) << 16) | (pixel & 0xff00) | ((pixel >> 16) & 0xff);
  return `#${swapped.toString(16).padStart(6, "0")}`;
}

function applyStyles() {
  for (let k = 0; k < nPoints; k++) {
    const i = drawingOrder[k];
    orderedColor[k] = pointColor[i];
    orderedKind[k] = pointMarker[i] | (isSelected[i] ? IS_SELECTED : 0) | (isShown[i] ? 0 : IS_HIDDEN);
  }
  for (const pane of panes) pane.renderer.setStyles();
  redrawAll();
}
