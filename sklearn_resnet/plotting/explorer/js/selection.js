// The selection: how many points of each group, and their images.

const MAX_COUNTS = 5;
let nListed = 0;

function select(indices) {
  showSelection(indices);
  host.changed?.("selection", selection);
}

function showSelection(indices) {
  isSelected.fill(0);
  for (const i of indices) if (isShown[i]) isSelected[i] = 1;
  selection = [];
  for (let i = 0; i < nPoints; i++) if (isSelected[i]) selection.push(i);
  applyStyles();
  listSelection();
}

// how: "replace", "add" or "remove"
function combine(indices, how) {
  if (how === "replace") return select(indices);
  const chosen = new Set(selection);
  for (const i of indices) {
    if (how === "add") chosen.add(i);
    else chosen.delete(i);
  }
  return select([...chosen]);
}

function listSelection() {
  const isEmpty = selection.length === 0;
  byId("n-selected").textContent = isEmpty ? "" : formatCount(selection.length);
  byId("selection-hint").hidden = !isEmpty;
  byId("selection-tools").hidden = isEmpty;
  listCounts();
  byId("sheet").replaceChildren();
  nListed = 0;
  listMore();
  announce(isEmpty ? "Nothing is selected." : `${formatCount(selection.length)} selected`);
}

function listCounts() {
  byId("counts").replaceChildren(...countGroups(selection).map((line) => make("li", { textContent: line })));
}

function countGroups(indices) {
  if (!groups) return [];
  const counts = new Array(groups.length).fill(0);
  for (const i of indices) counts[groupOf(i)]++;
  const order = [...counts.keys()].filter((k) => counts[k]).sort((a, b) => counts[b] - counts[a]);
  const lines = order.slice(0, MAX_COUNTS).map((k) => `${formatCount(counts[k])} × ${nameOfLabel(column, groups[k].name)}`);
  if (order.length > MAX_COUNTS) lines.push(`and ${order.length - MAX_COUNTS} more`);
  return lines;
}

function listMore() {
  const next = selection.slice(nListed, nListed + MAX_LISTED);
  byId("sheet").append(...next.map((i) => makeImageButton(i)));
  nListed += next.length;
  byId("more").hidden = nListed >= selection.length;
}
