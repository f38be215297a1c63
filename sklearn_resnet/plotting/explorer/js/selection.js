// The selection: how many points of each group, their images, and a CSV file of them.

const MAX_COUNTS = 5;
const FORMULA = /(^|[;\n\t])('*[=+\-@\t\n])/g; // as in the tables of the command
let selected = new Set();
let nListed = 0;

function select(indices) {
  source.selected.indices = indices.filter((i) => isShown[i]);
}

function showSelection() {
  const { indices } = source.selected;
  const isEmpty = indices.length === 0;
  selected = new Set(indices);
  drawSoon();
  byId("n-selected").textContent = isEmpty ? "" : formatCount(indices.length);
  byId("selection-hint").hidden = !isEmpty;
  byId("selection-tools").hidden = isEmpty;
  byId("counts").replaceChildren(...countGroups(indices).map((line) => make("li", { textContent: line })));
  byId("sheet").replaceChildren();
  nListed = 0;
  listMore();
}

function countGroups(indices) {
  if (!groups) return [];
  const counts = new Array(groups.length).fill(0);
  for (const i of indices) counts[groupOfPoint[i]]++;
  const order = [...counts.keys()].filter((k) => counts[k]).sort((a, b) => counts[b] - counts[a]);
  const lines = order.slice(0, MAX_COUNTS).map((k) => `${formatCount(counts[k])} × ${groups[k].name}`);
  if (order.length > MAX_COUNTS) lines.push(`and ${order.length - MAX_COUNTS} more`);
  return lines;
}

function listMore() {
  const { indices } = source.selected;
  const next = indices.slice(nListed, nListed + MAX_LISTED);
  byId("sheet").append(...next.map((i) => makeImageButton(i)));
  nListed += next.length;
  byId("more").hidden = nListed >= indices.length;
}

// an apostrophe keeps spreadsheets from computing text that looks like a formula
function csvCell(value) {
  let text = String(value).replace(/\r/g, "\\r");
  if (text.trim() === "" || !Number.isFinite(Number(text))) text = text.replace(FORMULA, "$1'$2");
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

function saveSelection() {
  const places = data.boxes ? ["top", "left", "bottom", "right"] : []; // a table of regions
  if (data.pages) places.push("page");
  const first = ["index", "path", ...places];
  const columns = data.columns.filter((each) => !first.includes(each.name)); // each name once
  const lines = [[...first, ...columns.map((each) => each.name)]];
  for (const i of source.selected.indices) {
    const place = [...(data.boxes?.[i] ?? ["", "", "", ""]), data.pages?.[i] ?? ""].slice(0, places.length);
    lines.push([i, data.folder + fileOf(i), ...place, ...columns.map((each) => valueText(each, i))]);
  }
  const text = lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n";
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: url, download: "selection.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
