// CSV files: of the selection and of the tags.

const FORMULA = /(^|[;\n\t])('*[=+\-@\t\n])/g; // as in the tables of the command
const INERT_FORMULA = /(^|[;\n\t])'('*[=+\-@\t\n])/g;

// an apostrophe keeps spreadsheets from computing text that looks like a formula
function csvCell(value) {
  let text = String(value).replace(/\r/g, "\\r");
  if (text.trim() === "" || !Number.isFinite(Number(text))) text = text.replace(FORMULA, "$1'$2");
  return /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

const restoreText = (text) => text.replace(INERT_FORMULA, "$1$2");

// the rows of a CSV file, as lists of texts
function parseCsv(text) {
  const rows = [[]], cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|\r|$)/gy;
  text = text.replace(/^\uFEFF/, "");
  while (cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (!found) throw new Error("it is no CSV file");
    const [, value, end] = found;
    rows.at(-1).push(value.startsWith('"') ? value.slice(1, -1).replace(/""/g, '"') : value);
    if (end === ",") {
      if (cell.lastIndex === text.length) rows.at(-1).push("");
    } else if (cell.lastIndex < text.length) rows.push([]);
  }
  return rows.filter((row) => row.length);
}

function makeTable(indices, chosen) {
  const placeNames = data.hasBoxes ? ["top", "left", "bottom", "right"] : []; // a table of regions
  if (data.pages) placeNames.push("page");
  const first = ["index", "path", ...placeNames];
  const columnsBehind = chosen.filter((each) => !first.includes(each.name)); // each name once
  const lines = [[...first, ...columnsBehind.map((each) => each.name)]];
  for (const i of indices) {
    const place = [...(boxOf(i) ?? ["", "", "", ""]), data.pages?.[i] ?? ""].slice(0, placeNames.length);
    lines.push([i, data.folder + fileOf(i), ...place, ...columnsBehind.map((each) => valueText(each, i))]);
  }
  return lines.map((line) => line.map(csvCell).join(",")).join("\n") + "\n";
}

async function save(name, text) {
  if (await host.save(name, text)) return;
  byId("copied-text").value = text;
  byId("copy-name").textContent = name;
  byId("copy").showModal();
  byId("copied-text").select();
}

async function copyText() {
  const field = byId("copied-text");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // where the page has no permission
  }
  byId("copy-done").textContent = "Copied.";
}

const saveSelection = () => save("selection.csv", makeTable(selection, [...columns, ...clusterColumns()]));
