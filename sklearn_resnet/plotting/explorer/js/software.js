// The renderer without a graphics processor: it blends the masks of markers into an image.

const N_OFFSETS = 4; // of a mask along each axis, in fractions of a pixel
const MIN_COVERAGE = 0.06;
const MAX_MILLISECONDS = 25; // of a frame while the map moves, then fewer points are drawn
const MIN_WHILE_MOVING = 50_000; // points

// for each offset, which pixels a marker covers (relative to its own) and how much of them
function makeMasks(marker, size, stride) {
  const cell = Math.ceil(size * 1.5) + 4, half = cell >> 1;
  const canvas = make("canvas", { width: cell * N_OFFSETS, height: cell * N_OFFSETS });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const path = new Path2D(MARKER_PATHS[MARKERS[marker]]);
  const scale = size / 12; // of the box of 16 x 16, in which a circle measures 12
  for (let row = 0; row < N_OFFSETS; row++) {
    for (let column = 0; column < N_OFFSETS; column++) {
      const [x, y] = [column, row].map((k) => k * cell + half + (k + 0.5) / N_OFFSETS);
      context.setTransform(scale, 0, 0, scale, x - 8 * scale, y - 8 * scale);
      context.fill(path);
    }
  }
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const masks = [];
  for (let row = 0; row < N_OFFSETS; row++) {
    for (let column = 0; column < N_OFFSETS; column++) {
      const offsets = [], coverages = [];
      for (let y = 0; y < cell; y++) {
        for (let x = 0; x < cell; x++) {
          const coverage = pixels[4 * ((row * cell + y) * canvas.width + column * cell + x) + 3] / 255;
          if (coverage < MIN_COVERAGE) continue;
          offsets.push((y - half) * stride + x - half);
          coverages.push(coverage);
        }
      }
      masks.push({ offsets: Int32Array.from(offsets), coverages });
    }
  }
  return masks;
}

function makeSoftwareRenderer(canvas, xy) {
  const context = canvas.getContext("2d", { alpha: false });
  const xs = new Float32Array(nPoints), ys = new Float32Array(nPoints); // in drawing order
  drawingOrder.forEach((i, k) => {
    xs[k] = xy[2 * i];
    ys[k] = xy[2 * i + 1];
  });
  let image = null, pixels = null, margin = 0, maskKey = "", masks = [], milliseconds = 0;

  function prepare(width, height, size) {
    const needed = Math.ceil(size) + 4;
    if (!image || canvas.width !== width || canvas.height !== height || margin < needed) {
      margin = needed + 4;
      Object.assign(canvas, { width, height });
      image = new ImageData(width + 2 * margin, height + 2 * margin);
      pixels = new Uint32Array(image.data.buffer);
      maskKey = "";
    }
    if (maskKey !== `${size}`) {
      maskKey = `${size}`;
      masks = [];
    }
  }

  // alpha of each pixel of each mask, 256 for opaque
  const alphasOf = (alpha) => (mask) => Uint16Array.from(mask.coverages, (coverage) => Math.round(256 * alpha * coverage));

  function blend(view, size, wanted, alpha, count) {
    const { ratio, stride } = view;
    const { width, height } = canvas;
    const xFactor = ratio / view.scale, yFactor = -xFactor;
    const xStart = width / 2 - view.x * xFactor, yStart = height / 2 - view.y * yFactor;
    const offsetsOf = [], alphas = [];
    const prepareMarker = (marker) => {
      masks[marker] ??= makeMasks(marker, size, stride);
      offsetsOf[marker] = masks[marker].map(({ offsets }) => offsets);
      alphas[marker] = masks[marker].map(alphasOf(alpha));
    };
    for (let k = 0; k < count; k++) {
      const kind = orderedKind[k];
      if (kind >= IS_HIDDEN || (kind & IS_SELECTED) !== wanted) continue;
      const x = xs[k] * xFactor + xStart, y = ys[k] * yFactor + yStart;
      if (!(x >= 0 && y >= 0 && x < width && y < height)) continue;
      const marker = kind & MARKER_BITS;
      if (!offsetsOf[marker]) prepareMarker(marker);
      const column = x | 0, row = y | 0;
      const offset = (((y - row) * N_OFFSETS) | 0) * N_OFFSETS + (((x - column) * N_OFFSETS) | 0);
      const covered = offsetsOf[marker][offset], weights = alphas[marker][offset];
      const start = (row + margin) * stride + column + margin;
      const color = orderedColor[k], redBlue = color & 0xff00ff, green = color & 0xff00;
      for (let j = 0; j < covered.length; j++) {
        const place = start + covered[j], weight = weights[j], rest = 256 - weight, under = pixels[place];
        const outer = ((Math.imul(redBlue, weight) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
        const inner = ((Math.imul(green, weight) + Math.imul(under & 0xff00, rest)) >>> 8) & 0xff00;
        pixels[place] = 0xff000000 | outer | inner;
      }
    }
  }

  return {
    name: "software",
    setStyles() {},
    draw({ x, y, scale, width, height, ratio, size, alpha, isMoving }) {
      const began = performance.now();
      const drawnSize = Math.round(2 * size * ratio) / 2;
      prepare(Math.round(width * ratio), Math.round(height * ratio), drawnSize);
      pixels.fill(asPixel(cssVariable("--paper")));
      const isSlow = isMoving && milliseconds > MAX_MILLISECONDS;
      const count = isSlow ? Math.min(nPoints, Math.max(MIN_WHILE_MOVING, Math.floor((nPoints * MAX_MILLISECONDS) / milliseconds))) : nPoints;
      const view = { x, y, scale, ratio, stride: image.width };
      blend(view, drawnSize, 0, selection.length ? FAINT : alpha, count);
      if (selection.length) blend(view, drawnSize, IS_SELECTED, 1, nPoints);
      context.putImageData(image, -margin, -margin);
      if (!isSlow) milliseconds = performance.now() - began;
    },
    destroy() {},
  };
}
