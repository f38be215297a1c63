// Thumbnails, cut out of sheets that hold many of them.

const MAX_SHEETS = 48; // that are kept
const sheets = new Map(); // by index, least recently used first
const nPerSheet = data.nColumns ** 2;
const hasImages = data.nSheets > 0;
const areSmall = data.side <= 48;
// points in the order of levels, a spread sample first; at random if all are in one sheet
const hasLevels = data.nSheets > 1;
const levelOrder = hasLevels ? invert(places) : drawingOrder;
const levelRanks = hasLevels ? places : invert(drawingOrder);

function invert(order) {
  const inverse = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i++) inverse[order[i]] = i;
  return inverse;
}

// calls use(image) now if the sheet is loaded; else `later`, or use(image), once it is
function withSheet(k, use, later) {
  let sheet = sheets.get(k);
  if (sheet) sheets.delete(k);
  else {
    sheet = { image: null, waiting: [] };
    host.sheet(k).then((image) => {
      sheet.image = image;
      for (const call of sheet.waiting.splice(0)) call(image);
    }, () => sheets.delete(k)); // it cannot be had
  }
  sheets.set(k, sheet);
  if (sheets.size > MAX_SHEETS) sheets.delete(sheets.keys().next().value);
  if (sheet.image) use(sheet.image);
  else if (!sheet.waiting.includes(later ?? use)) sheet.waiting.push(later ?? use);
}

// redraw: called later instead of drawing, if the sheet is not loaded yet
function drawImage(context, i, x, y, size, redraw) {
  const place = places[i], position = place % nPerSheet, { side, nColumns } = data;
  withSheet(Math.floor(place / nPerSheet), (sheet) => {
    const x0 = (position % nColumns) * side, y0 = Math.floor(position / nColumns) * side;
    context.imageSmoothingEnabled = !areSmall || size < side;
    context.drawImage(sheet, x0, y0, side, side, x, y, size, size);
  }, redraw);
}

function makeThumbnail(i, size) {
  const pixels = Math.round(Math.max(data.side, Math.min(size * devicePixelRatio, 2 * data.side)));
  const canvas = make("canvas", { width: pixels, height: pixels, className: areSmall ? "crisp" : "" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", nameOf(i));
  drawImage(canvas.getContext("2d"), i, 0, 0, pixels);
  return canvas;
}
