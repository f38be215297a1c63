// Tags, which the user puts on points. They are a column.

const MAX_UNDONE = 100;
const NO_TAG = "no tag";
let tagNames = [...(data.tagNames ?? [])];
const tagCodes = data.tagNames?.length ? await readArray("tags", Int32Array) : new Int32Array(nPoints).fill(-1);
const undone = []; // rows with the codes that they had

function describeTags() {
  const counts = new Array(tagNames.length + 1).fill(0);
  for (let i = 0; i < nPoints; i++) counts[tagCodes[i] < 0 ? tagNames.length : tagCodes[i]]++;
  const tagGroups = tagNames.map((name, k) => {
    const color = data.tagColors[k % data.tagColors.length];
    return { name, count: counts[k], color, marker: MARKERS[Math.floor(k / data.tagColors.length) % MARKERS.length] };
  });
  tagGroups.push({ name: NO_TAG, count: counts[tagNames.length], color: null, marker: "circle" });
  return { name: data.tagColumn, names: tagNames, codes: tagCodes, groups: tagGroups, groupOf: tagNames.map((_, k) => k) };
}

function updateTags() {
  const described = describeTags();
  columns = tagNames.length ? [...ownColumns, described] : ownColumns;
  listColumns();
  byId("tags").replaceChildren(...tagNames.map((name, k) => makeTagButton(name, k, described.groups[k])));
  byId("undo-tag").disabled = !undone.length;
  byId("save-tags").disabled = described.groups.at(-1).count === nPoints;
  if (column.codes === tagCodes) {
    const hidden = hiddenNames();
    showColumn(data.tagColumn);
    if (hidden.length && column.codes === tagCodes) hideGroups(hidden);
  }
  if (pinned >= 0) showPinned(pinned);
}

function makeTagButton(name, k, group) {
  const key = k < 9 ? String(k + 1) : "";
  const dot = make("span", { className: "dot" });
  dot.style.background = group.color;
  const button = make("button", { type: "button", title: "Put this tag on the selection" }, [
    dot, make("span", { textContent: name }), make("span", { className: "count", textContent: formatCount(group.count) }),
  ]);
  if (key) button.append(make("kbd", { textContent: key }));
  button.addEventListener("click", () => putTagOn(k));
  return button;
}

// code -1 removes the tags of rows
function putTag(rows, codeOf) {
  const changedRows = rows.filter((i) => tagCodes[i] !== codeOf(i));
  if (!changedRows.length) return;
  undone.push({ rows: changedRows, codes: changedRows.map((i) => tagCodes[i]) });
  if (undone.length > MAX_UNDONE) undone.shift();
  for (const i of changedRows) tagCodes[i] = codeOf(i);
  tellTags();
}

function tellTags() {
  updateTags();
  host.changed?.("tags", { names: tagNames, codes: tagCodes });
}

const taggedRows = () => (selection.length || pinned < 0 ? selection : [pinned]);

function putTagOn(k) {
  const rows = taggedRows();
  if (!rows.length) return showTagNote("Select or pin images first.");
  putTag(rows, () => k);
  return showTagNote(k < 0 ? `Removed the tags of ${formatCount(rows.length)}.` : `Tagged ${formatCount(rows.length)}: ${tagNames[k]}`);
}

// the index of a tag, which is added if it is new
function findTag(name) {
  if (!tagNames.includes(name)) tagNames = [...tagNames, name];
  return tagNames.indexOf(name);
}

function tagByField() {
  const name = byId("tag-name").value.trim();
  if (!name) return showTagNote("Type a name for the tag.");
  if (!taggedRows().length) return showTagNote("Select or pin images first.");
  byId("tag-name").value = "";
  return putTagOn(findTag(name));
}

function tagByKey(k) {
  if (k < tagNames.length) return putTagOn(k);
  showTagNote(`There is no tag ${k + 1} yet. Type its name.`);
  return byId("tag-name").focus();
}

function undoTag() {
  const last = undone.pop();
  if (!last) return;
  last.rows.forEach((i, k) => {
    tagCodes[i] = last.codes[k];
  });
  tellTags();
  showTagNote(`Undone for ${formatCount(last.rows.length)}.`);
}

function showTagNote(text) {
  byId("tag-note").textContent = text;
  announce(text);
}

function saveTags() {
  const rows = [];
  for (let i = 0; i < nPoints; i++) if (tagCodes[i] >= 0) rows.push(i);
  save("tags.csv", makeTable(rows, [describeTags()]));
}

// reads a CSV file with the columns "index" and "tag"
function loadTags(text) {
  const [header, ...lines] = parseCsv(text);
  const place = ["index", data.tagColumn, "path"].map((name) => (header ?? []).map(restoreText).indexOf(name));
  const [indexAt, tagAt, pathAt] = place;
  if (indexAt < 0 || tagAt < 0) throw new Error(`it has no columns "index" and "${data.tagColumn}"`);
  const wanted = new Map();
  let nOthers = 0;
  for (const line of lines) {
    const i = Number(line[indexAt]), name = restoreText(line[tagAt] ?? "");
    const isRow = line[indexAt] !== "" && Number.isInteger(i) && i >= 0 && i < nPoints;
    const isOther = !isRow || (pathAt >= 0 && restoreText(line[pathAt]) !== (data.folder + fileOf(i)).replace(/\r/g, "\\r"));
    if (isOther) nOthers++;
    else wanted.set(i, name);
  }
  const codes = new Map([...wanted].map(([i, name]) => [i, name === "" ? -1 : findTag(name)]));
  putTag([...codes.keys()], (i) => codes.get(i));
  updateTags();
  const rest = nOthers ? ` ${formatCount(nOthers)} rows are of other images.` : "";
  showTagNote(`Loaded the tags of ${formatCount(codes.size)}.${rest}`);
}

async function loadTagFile(file) {
  try {
    loadTags(await file.text());
  } catch (error) {
    showTagNote(`Cannot load ${file.name}: ${error.message}.`);
  }
}

function setTags(names, codes) {
  // an echo, perhaps in another order, leaves the keys of the tags and what can be undone
  if (codes.every((code, i) => (names[code] ?? null) === (tagNames[tagCodes[i]] ?? null))) return;
  tagNames = [...names];
  tagCodes.set(codes);
  undone.length = 0;
  updateTags();
}
