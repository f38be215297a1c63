"use strict";
(async () => {
const MOST_AUTOMATIC = 300; // points in view, up to which images are drawn on the map unasked
const MOST_LISTED = 60;
const MOST_GROUPS = 60;
const MARKERS = ["circle", "square", "triangle", "diamond", "inverted_triangle", "plus", "star"];
const PATHS = { // of the markers, in a box of 16
  circle: "M8 2a6 6 0 1 0 .01 0z", square: "M3 3h10v10h-10z", triangle: "M8 2l7 12h-14z",
  diamond: "M8 1l5 7-5 7-5-7z", inverted_triangle: "M1 2h14l-7 12z", plus: "M6 2h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  star: "M8 1l2 5h5l-4 3.5 1.5 5.5-4.5-3.2-4.5 3.2 1.5-5.5-4-3.5h5z",
};
const $ = (id) => document.getElementById(id);
const read = (id) => JSON.parse($(id).textContent);
const data = read("data");
const n = data.n;
const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
const name = (i) => (data.names ? data.names[i] : `image ${i}`);
const neighbors = (i) => data.neighbors.slice(i * data.n_neighbors, (i + 1) * data.n_neighbors).filter((j) => j >= 0);

const make = (tag, properties = {}, children = []) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

// --- the map, which Bokeh draws ---------------------------------------------------------------

function has_graphics_processor() {
  const context = make("canvas").getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  return info && !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(context.getParameter(info.UNMASKED_RENDERER_WEBGL));
}
const item = read("item");
// WebGL in software takes half a second for 60,000 points, 2-D canvas a twentieth of one
if (!has_graphics_processor()) item.doc.roots[0].attributes.output_backend = "canvas";
const views = await Bokeh.embed.embed_item(item, "map");
const page_document = Bokeh.documents[0];
const model = (key) => page_document.get_model_by_name(key);
const plot = model("plot"), source = model("points"), filter = model("shown");
const view = views.get_by_id(plot.id);
view.canvas_view.events_el.tabIndex = -1; // #map is what has the focus, and heeds keys
view.canvas_view.events_el.style.outline = "none";
const { x: xs, y: ys } = source.data;
const box = data.box; // least x, least y, greatest x, greatest y
const to_screen = (i) => [view.frame.x_scale.compute(xs[i]), view.frame.y_scale.compute(ys[i])];

function look_at(x, y, scale) { // scale: data units for a pixel
  const { width, height } = view.frame.bbox;
  plot.x_range.setv({ start: x - (scale * width) / 2, end: x + (scale * width) / 2 });
  plot.y_range.setv({ start: y - (scale * height) / 2, end: y + (scale * height) / 2 });
}
function current_look() {
  const { start, end } = plot.x_range;
  const y = (plot.y_range.start + plot.y_range.end) / 2;
  return [(start + end) / 2, y, (end - start) / view.frame.bbox.width];
}
function fit() {
  const { width, height } = view.frame.bbox;
  const scale = Math.max((box[2] - box[0]) / width, (box[3] - box[1]) / height);
  look_at((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, scale * 1.08 || 1); // one point has no extent
}
function zoom(factor) {
  const [x, y, scale] = current_look();
  look_at(x, y, scale / factor);
}
function move(dx, dy) { // by parts of the map
  const [x, y, scale] = current_look();
  look_at(x + dx * scale * view.frame.bbox.width, y + dy * scale * view.frame.bbox.height, scale);
}
function go_to(i) {
  const [x, y] = to_screen(i);
  const { width, height } = view.frame.bbox;
  if (x < 0 || y < 0 || x > width || y > height) look_at(xs[i], ys[i], current_look()[2]);
}

// --- images, from sheets of thumbnails --------------------------------------------------------

const sheets = [];
const per_sheet = data.n_columns ** 2;
const has_images = data.sheets.length > 0;
const is_small = data.side <= 48;

function when_loaded(k, draw) {
  if (!sheets[k]) {
    sheets[k] = new Image();
    sheets[k].src = "data:image/webp;base64," + data.sheets[k];
    data.sheets[k] = null; // the element holds it now
  }
  if (sheets[k].complete && sheets[k].naturalWidth) draw(sheets[k]);
  else sheets[k].addEventListener("load", () => draw(sheets[k]), { once: true });
}
function draw_image(context, i, x, y, size, later) {
  const k = Math.floor(i / per_sheet), place = i % per_sheet, { side, n_columns } = data;
  const is_loaded = sheets[k]?.complete && sheets[k].naturalWidth;
  if (!is_loaded && later) return when_loaded(k, later);
  when_loaded(k, (sheet) => {
    const column = place % n_columns, row = Math.floor(place / n_columns);
    context.imageSmoothingEnabled = !is_small || size < side;
    context.drawImage(sheet, column * side, row * side, side, side, x, y, size, size);
  });
}
function thumbnail(i, size) {
  const pixels = Math.round(Math.max(data.side, Math.min(size * devicePixelRatio, 2 * data.side)));
  const canvas = make("canvas", { width: pixels, height: pixels, className: is_small ? "crisp" : "" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name(i));
  draw_image(canvas.getContext("2d"), i, 0, 0, pixels);
  return canvas;
}

// --- colours, and what is shown ---------------------------------------------------------------

let column, groups, group_of, is_hidden;
const is_shown = new Uint8Array(n).fill(1);

const value_text = (values, i) => {
  if (values.values) return values.values[i] === null ? "" : String(Number(values.values[i].toPrecision(6)));
  return values.codes[i] < 0 ? "" : values.names[values.codes[i]];
};

function make_groups(values) {
  const counts = new Array(values.names.length).fill(0);
  let n_missing = 0;
  for (const code of values.codes) code < 0 ? n_missing++ : counts[code]++;
  const codes = [...counts.keys()];
  const has_rest = codes.length > MOST_GROUPS;
  let kept = codes;
  if (has_rest) {
    kept = codes.slice().sort((a, b) => counts[b] - counts[a]).slice(0, MOST_GROUPS - 1).sort((a, b) => a - b);
  }
  const made = kept.map((code, rank) => ({
    name: values.names[code], count: counts[code], color: data.colors[rank % data.colors.length],
    marker: MARKERS[Math.floor(rank / data.colors.length) % MARKERS.length],
  }));
  const group = new Array(codes.length).fill(made.length);
  kept.forEach((code, rank) => { group[code] = rank; });
  if (has_rest) {
    const count = counts.reduce((a, b) => a + b, 0) - made.reduce((sum, one) => sum + one.count, 0);
    made.push({ name: `${codes.length - kept.length} others`, count, color: "#808890", marker: "circle" });
  }
  if (n_missing) made.push({ name: data.missing[column] || "no label", count: n_missing, color: css("--none"), marker: "circle" });
  return [made, values.codes.map((code) => (code < 0 ? made.length - 1 : group[code]))];
}

function color_by(key) {
  const is_new = key !== column;
  column = key;
  const values = data.columns[key];
  let colors, markers;
  if (values.values) {
    const known = values.values.filter((value) => value !== null);
    const least = known.reduce((a, b) => Math.min(a, b)), most = known.reduce((a, b) => Math.max(a, b));
    const place = (value) => Math.round((255 * (value - least)) / (most - least || 1));
    colors = values.values.map((value) => (value === null ? css("--none") : data.scale[place(value)]));
    markers = new Array(n).fill("circle");
    groups = null;
    show_scale(least, most);
  } else {
    [groups, group_of] = make_groups(values);
    if (is_new) is_hidden = new Array(groups.length).fill(false);
    colors = group_of.map((group) => groups[group].color);
    markers = group_of.map((group) => groups[group].marker);
    show_legend();
  }
  source.data = { ...source.data, color: colors, marker: markers };
  update_shown();
}

function show_scale(least, most) {
  $("legend-title").textContent = column;
  $("legend-tools").hidden = true;
  const bar = make("div", { className: "scale" });
  bar.style.background = `linear-gradient(to right, ${data.scale.join(",")})`;
  const ends = [least, most].map((value) => make("span", { textContent: Number(value.toPrecision(4)) }));
  $("legend").replaceChildren(bar, make("div", { className: "ends" }, ends));
}

function show_legend() {
  $("legend-title").textContent = column;
  $("legend-tools").hidden = false;
  $("legend").replaceChildren(...groups.map((group, k) => {
    const check = make("input", { type: "checkbox", checked: !is_hidden[k] });
    check.addEventListener("change", () => { is_hidden[k] = !check.checked; update_shown(); });
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.setAttribute("viewBox", "0 0 16 16");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
    shape.setAttribute("d", PATHS[group.marker]);
    shape.setAttribute("fill", group.color);
    mark.append(shape);
    const count = make("span", { className: "count", textContent: group.count.toLocaleString("en") });
    return make("label", {}, [check, mark, make("span", { textContent: group.name }), count]);
  }));
}
function show_groups(is_checked) {
  is_hidden.fill(!is_checked);
  for (const check of $("legend").querySelectorAll("input")) check.checked = is_checked;
  update_shown();
}
function update_shown() {
  for (let i = 0; i < n; i++) is_shown[i] = groups && is_hidden[group_of[i]] ? 0 : 1;
  filter.booleans = Array.from(is_shown, Boolean);
  const kept = source.selected.indices.filter((i) => is_shown[i]);
  if (kept.length < source.selected.indices.length) source.selected.indices = kept;
  draw_soon();
}

// --- one image: under the pointer, or pinned ---------------------------------------------------

let hovered = -1, pinned = -1, found = [];

function describe(i, size) {
  const rows = [["file", name(i)], ...Object.entries(data.columns).map(([key, values]) => [key, value_text(values, i)])];
  const list = make("dl");
  for (const [key, value] of rows) {
    if (value !== "") list.append(make("dt", { textContent: key }), make("dd", { textContent: value }));
  }
  const parts = [list];
  if (has_images) {
    const image = thumbnail(i, size);
    image.classList.add("large");
    image.style.width = `${size}px`;
    parts.unshift(image);
  }
  return parts;
}
function image_button(i, text = "") {
  const button = make("button", { type: "button", title: name(i) });
  if (has_images) button.append(thumbnail(i, 56));
  button.append(text || (has_images ? "" : name(i)));
  button.dataset.index = i;
  button.setAttribute("aria-label", `${name(i)} ${value_text(data.columns[column], i)}`.trim());
  button.addEventListener("click", () => pin(i));
  return button;
}
function hover(i, x, y) {
  if (i === hovered && i < 0) return;
  const card = $("hover");
  if (i !== hovered) {
    hovered = i;
    card.hidden = i < 0;
    if (i >= 0) {
      const near = has_images ? neighbors(i).map((j) => thumbnail(j, 28)) : [];
      card.replaceChildren(...describe(i, Math.min(160, Math.max(96, data.side))), make("div", { className: "sheet" }, near));
      card.dataset.index = i;
    }
    draw_soon();
  }
  if (i < 0) return;
  const { clientWidth: width, clientHeight: height } = $("map");
  card.style.left = `${x + 18 + card.offsetWidth > width ? Math.max(0, x - 18 - card.offsetWidth) : x + 18}px`;
  card.style.top = `${Math.max(0, Math.min(y + 18, height - card.offsetHeight - 4))}px`;
}
function pin(i) {
  pinned = i;
  hover(-1);
  if (i < 0) {
    $("pinned").replaceChildren(make("p", { className: "hint", textContent: "Nothing is pinned." }));
  } else {
    const near = neighbors(i);
    const title = make("p", { className: "hint", textContent: `Nearest ${near.length} by ${data.near_by}:` });
    const sheet = make("div", { className: "sheet", id: "neighbors" }, near.map((j) => image_button(j, value_text(data.columns[column], j))));
    const close = make("button", { type: "button", id: "unpin", textContent: "Let go" });
    close.addEventListener("click", () => pin(-1));
    $("pinned").replaceChildren(...describe(i, Math.min(310, Math.max(160, 1.5 * data.side))), ...(near.length ? [title, sheet] : []), make("p", {}, [close]));
    $("pinned").dataset.index = i;
    go_to(i);
  }
  draw_soon();
}
function nearest(indices, x, y) {
  let best = -1, least = Infinity;
  for (const i of indices) {
    const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    if (is_shown[i] && distance < least) [best, least] = [i, distance];
  }
  return best;
}
window.explorer = { // what Bokeh's callbacks call
  hover({ index, geometry }) { hover(nearest(index.indices, geometry.x, geometry.y), geometry.sx, geometry.sy); },
  tap({ geometries, source: tapped }) {
    const i = nearest(tapped.inspected.indices, geometries.x, geometries.y);
    if (i >= 0) pin(i);
  },
};

// --- search and selection ----------------------------------------------------------------------

function search(text) {
  const wanted = text.trim().toLowerCase();
  found = [];
  if (wanted) {
    const matching = Object.values(data.columns).filter((values) => values.names).map((values) => [
      values.codes, values.names.map((label) => label.toLowerCase().includes(wanted)),
    ]);
    for (let i = 0; i < n; i++) {
      if (name(i).toLowerCase().includes(wanted) || matching.some(([codes, is_match]) => is_match[codes[i]])) found.push(i);
    }
  }
  $("matches-section").hidden = !wanted;
  $("select-matches").hidden = !found.length;
  $("n-matches").textContent = found.length.toLocaleString("en");
  $("matches").replaceChildren(...found.slice(0, MOST_LISTED).map((i) => image_button(i)));
  draw_soon();
}

let n_listed = 0;
let chosen_set = new Set();
function show_selection() {
  const chosen = source.selected.indices;
  chosen_set = new Set(chosen);
  draw_soon();
  const is_any = chosen.length > 0;
  $("n-selected").textContent = is_any ? chosen.length.toLocaleString("en") : "";
  $("selection-hint").hidden = is_any;
  $("selection-tools").hidden = !is_any;
  $("sheet").replaceChildren();
  $("counts").replaceChildren();
  if (is_any && groups) {
    const counts = new Array(groups.length).fill(0);
    for (const i of chosen) counts[group_of[i]]++;
    const order = [...counts.keys()].filter((k) => counts[k]).sort((a, b) => counts[b] - counts[a]);
    const lines = order.slice(0, 5).map((k) => `${counts[k].toLocaleString("en")} × ${groups[k].name}`);
    if (order.length > 5) lines.push(`and ${order.length - 5} more`);
    $("counts").replaceChildren(...lines.map((line) => make("li", { textContent: line })));
  }
  n_listed = 0;
  list_more();
}
function list_more() {
  const chosen = source.selected.indices;
  const next = chosen.slice(n_listed, n_listed + MOST_LISTED);
  $("sheet").append(...next.map((i) => image_button(i)));
  n_listed += next.length;
  $("more").hidden = n_listed >= chosen.length;
}
function select(indices) {
  source.selected.indices = indices.filter((i) => is_shown[i]);
}

const FORMULA = /(^|[;\n\t])('*[=+\-@\t\n])/g; // what a spreadsheet would compute: as the command writes tables
function cell(text) {
  text = String(text).replace(/\r/g, "\\r");
  if (text.trim() === "" || !Number.isFinite(Number(text))) text = text.replace(FORMULA, "$1'$2");
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
function save() {
  const keys = Object.keys(data.columns);
  const lines = [["index", "path", ...keys]];
  for (const i of source.selected.indices) lines.push([i, data.folder + name(i), ...keys.map((key) => value_text(data.columns[key], i))]);
  const text = lines.map((line) => line.map(cell).join(",")).join("\n") + "\n";
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "selection.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- what lies over the map: images, rings, lines ------------------------------------------------

const order = new Uint32Array(n).map((_, i) => i); // a fixed shuffle, so that no class comes first
for (let i = n - 1, seed = 1; i > 0; i--) {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  const j = seed % (i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}
let is_images_on = false, is_drawing = false;
const overlay = $("overlay");

function draw_soon() {
  if (is_drawing) return;
  is_drawing = true;
  requestAnimationFrame(() => { is_drawing = false; draw(); });
}
function draw() {
  const { clientWidth: width, clientHeight: height } = $("map");
  const ratio = devicePixelRatio;
  if (overlay.width !== Math.round(width * ratio) || overlay.height !== Math.round(height * ratio)) {
    overlay.width = Math.round(width * ratio);
    overlay.height = Math.round(height * ratio);
  }
  const context = overlay.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (has_images) draw_images(context, width, height);
  context.strokeStyle = css("--ring");
  context.lineWidth = 2;
  const ring = (i, radius) => {
    context.beginPath();
    context.arc(...to_screen(i), radius, 0, 2 * Math.PI);
    context.stroke();
  };
  for (const i of found.slice(0, 2000)) ring(i, data.size / 2 + 2);
  for (const i of new Set([pinned, hovered])) {
    if (i < 0) continue;
    context.globalAlpha = 0.5;
    for (const j of neighbors(i)) {
      context.beginPath();
      context.moveTo(...to_screen(i));
      context.lineTo(...to_screen(j));
      context.stroke();
    }
    context.globalAlpha = 1;
    for (const j of neighbors(i)) ring(j, data.size / 2 + 3);
    context.lineWidth = 3;
    ring(i, data.size / 2 + 6);
    context.lineWidth = 2;
  }
}
function draw_images(context, width, height) {
  const size = is_small ? 32 : 56;
  const { x_scale, y_scale } = view.frame;
  const [x0, y0] = [x_scale.compute(0), y_scale.compute(0)];
  const [kx, ky] = [x_scale.compute(1) - x0, y_scale.compute(1) - y0];
  const inside = [];
  for (const i of order) {
    if (!is_shown[i]) continue;
    const x = x0 + kx * xs[i], y = y0 + ky * ys[i];
    if (x < 0 || y < 0 || x > width || y > height) continue;
    inside.push(i, x, y);
    if (!is_images_on && inside.length > 3 * MOST_AUTOMATIC) return;
  }
  const taken = new Map(); // cell -> [x, y]
  const is_free = (cx, cy, x, y) => {
    for (let a = cx - 1; a <= cx + 1; a++) for (let b = cy - 1; b <= cy + 1; b++) {
      const other = taken.get(a * 65536 + b);
      if (other && Math.abs(other[0] - x) < size + 3 && Math.abs(other[1] - y) < size + 3) return false;
    }
    return true;
  };
  for (let k = 0; k < inside.length; k += 3) {
    const [i, x, y] = [inside[k], inside[k + 1], inside[k + 2]];
    const cx = Math.floor(x / (size + 3)), cy = Math.floor(y / (size + 3));
    if (!is_free(cx, cy, x, y)) continue;
    taken.set(cx * 65536 + cy, [x, y]);
    context.globalAlpha = chosen_set.size && !chosen_set.has(i) ? 0.15 : 1; // as Bokeh's points
    context.fillStyle = groups ? groups[group_of[i]].color : source.data.color[i];
    context.fillRect(x - size / 2 - 1.5, y - size / 2 - 1.5, size + 3, size + 3);
    context.fillStyle = "#fff";
    context.fillRect(x - size / 2, y - size / 2, size, size);
    draw_image(context, i, x - size / 2, y - size / 2, size, draw_soon);
  }
  context.globalAlpha = 1;
}

// --- wiring ---------------------------------------------------------------------------------------

for (const key of Object.keys(data.columns)) $("color").append(make("option", { value: key, textContent: key }));
$("color-field").hidden = Object.keys(data.columns).length < 2;
$("color").addEventListener("change", () => color_by($("color").value));
let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => search($("search").value), 120);
});
const tools = { pan: model("pan"), box: model("box"), lasso: model("lasso") };
function use_tool(key) {
  for (const [other, tool] of Object.entries(tools)) {
    tool.active = other === key;
    $(`tool-${other}`).setAttribute("aria-pressed", other === key);
  }
}
for (const key of Object.keys(tools)) $(`tool-${key}`).addEventListener("click", () => use_tool(key));
$("zoom-in").addEventListener("click", () => zoom(1.5));
$("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
$("zoom-fit").addEventListener("click", fit);
$("images").hidden = !has_images;
$("images").addEventListener("click", () => {
  is_images_on = !is_images_on;
  $("images").setAttribute("aria-pressed", is_images_on);
  draw_soon();
});
$("select-view").addEventListener("click", () => {
  const { x_range, y_range } = plot;
  select([...xs.keys()].filter((i) => xs[i] >= x_range.start && xs[i] <= x_range.end && ys[i] >= y_range.start && ys[i] <= y_range.end));
});
$("select-matches").addEventListener("click", () => select(found));
$("clear").addEventListener("click", () => select([]));
$("save").addEventListener("click", save);
$("more").addEventListener("click", list_more);
$("show-all").addEventListener("click", () => show_groups(true));
$("show-none").addEventListener("click", () => show_groups(false));
source.selected.properties.indices.change.connect(show_selection);

function set_theme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  color_by(column ?? Object.keys(data.columns)[0]); // what has no value is grey of the theme
}
$("theme").addEventListener("click", () => set_theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

const KEYS = {
  ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, 0.1), ArrowDown: () => move(0, -0.1),
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: fit,
  Enter: () => { const [x, y] = current_look(); pin(nearest(xs.keys(), x, y)); },
};
$("map").addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { pin(-1); select([]); }
  if (event.key === "/" && document.activeElement !== $("search")) { event.preventDefault(); $("search").focus(); }
});
$("map").addEventListener("mouseleave", () => hover(-1));
for (const range of [plot.x_range, plot.y_range]) range.change.connect(draw_soon);
let look;
new ResizeObserver(() => { // keeps the aspect, which Bokeh would stretch
  requestAnimationFrame(() => { look ? look_at(...look) : fit(); draw_soon(); });
}).observe($("map"));
plot.x_range.change.connect(() => { look = current_look(); });

set_theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
use_tool("pan");
document.documentElement.dataset.ready = "true";
})();
