// The map, which Bokeh draws: its figure, its view and its points.

function hasGpu() {
  const context = make("canvas").getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  if (!info) return false;
  const renderer = context.getParameter(info.UNMASKED_RENDERER_WEBGL);
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
}

const item = readJson("item");
// for 60,000 points, WebGL in software takes half a second, a 2-D canvas a twentieth of one
if (!hasGpu()) item.doc.roots[0].attributes.output_backend = "canvas";
const views = await Bokeh.embed.embed_item(item, "map");
const bokehDocument = Bokeh.documents[0];
const getModel = (name) => bokehDocument.get_model_by_name(name);
const plot = getModel("plot"), source = getModel("points");
const plotView = views.get_by_id(plot.id);
plotView.canvas_view.events_el.tabIndex = -1; // #map has the focus and handles keys
plotView.canvas_view.events_el.style.outline = "none";
const { x: xs, y: ys } = source.data;

const toScreen = (i) => [plotView.frame.x_scale.compute(xs[i]), plotView.frame.y_scale.compute(ys[i])];

// scale: data units in a pixel
function setView(x, y, scale) {
  const { width, height } = plotView.frame.bbox;
  plot.x_range.setv({ start: x - (scale * width) / 2, end: x + (scale * width) / 2 });
  plot.y_range.setv({ start: y - (scale * height) / 2, end: y + (scale * height) / 2 });
}

function getView() {
  const { start, end } = plot.x_range;
  const y = (plot.y_range.start + plot.y_range.end) / 2;
  return [(start + end) / 2, y, (end - start) / plotView.frame.bbox.width];
}

function fitView() {
  const { width, height } = plotView.frame.bbox;
  const [left, bottom, right, top] = data.box;
  const scale = Math.max((right - left) / width, (top - bottom) / height);
  setView((left + right) / 2, (bottom + top) / 2, scale * 1.08 || 1); // one point has no extent
}

function zoom(factor) {
  const [x, y, scale] = getView();
  setView(x, y, scale / factor);
}

// dx, dy: fractions of the map
function pan(dx, dy) {
  const [x, y, scale] = getView();
  const { width, height } = plotView.frame.bbox;
  setView(x + dx * scale * width, y + dy * scale * height, scale);
}

function bringIntoView(i) {
  const [x, y] = toScreen(i);
  const { width, height } = plotView.frame.bbox;
  if (x < 0 || y < 0 || x > width || y > height) setView(xs[i], ys[i], getView()[2]);
}

function pointsInView() {
  const { x_range: { start: left, end: right }, y_range: { start: bottom, end: top } } = plot;
  return [...xs.keys()].filter((i) => xs[i] >= left && xs[i] <= right && ys[i] >= bottom && ys[i] <= top);
}

function nearestPoint(indices, x, y) {
  let nearest = -1, minimum = Infinity;
  for (const i of indices) {
    const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (isShown[i] && distance < minimum) [nearest, minimum] = [i, distance];
  }
  return nearest;
}
