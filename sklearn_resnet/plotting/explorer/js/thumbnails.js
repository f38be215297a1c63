// Thumbnails, cut out of sheets that hold many of them.

const sheets = [];
const nPerSheet = data.nColumns ** 2;
const hasImages = data.sheets.length > 0;
const areSmall = data.side <= 48;

const isLoaded = (sheet) => sheet?.complete && sheet.naturalWidth > 0;

function whenLoaded(k, use) {
  if (!sheets[k]) {
    sheets[k] = new Image();
    sheets[k].src = "data:image/webp;base64," + data.sheets[k];
    data.sheets[k] = null; // the element holds the image now
  }
  if (isLoaded(sheets[k])) use(sheets[k]);
  else sheets[k].addEventListener("load", () => use(sheets[k]), { once: true });
}

// redraw: called later instead of drawing, if the sheet is not loaded yet
function drawImage(context, i, x, y, size, redraw) {
  const k = Math.floor(i / nPerSheet), position = i % nPerSheet, { side, nColumns } = data;
  if (redraw && !isLoaded(sheets[k])) {
    whenLoaded(k, redraw);
    return;
  }
  whenLoaded(k, (sheet) => {
    const x0 = (position % nColumns) * side, y0 = Math.floor(position / nColumns) * side;
    context.imageSmoothingEnabled = !areSmall || size < side;
    context.drawImage(sheet, x0, y0, side, side, x, y, size, size);
  });
}

function makeThumbnail(i, size) {
  const pixels = Math.round(Math.max(data.side, Math.min(size * devicePixelRatio, 2 * data.side)));
  const canvas = make("canvas", { width: pixels, height: pixels, className: areSmall ? "crisp" : "" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", nameOf(i));
  drawImage(canvas.getContext("2d"), i, 0, 0, pixels);
  return canvas;
}
