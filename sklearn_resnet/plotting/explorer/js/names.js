// Names of clusters: on the map by level of zoom, and in a list in which the user renames them.

const MIN_SIZE = 42; // pixels from the centre of a typical cluster of the level that is shown
const NAME_SIZES = [20, 16, 13]; // pixels, from the coarsest level
const EXEMPLAR_SIDE = 30;
// without a prototype, because a cluster may be called "constructor"
const asTable = (names) => Object.assign(Object.create(null), names);
const clustersOf = (pane) => pane.clusters ?? [];
const levelsOf = (pane) => [...new Set(clustersOf(pane).map(({ level }) => level))];
let ownNames = asTable(data.names); // by the keys of clusters
let areNamesOn = true;

// for each row, the index of its cluster among those of the pane, or -1
const clusterCodes = new Map(await Promise.all(panes.map(async (pane, k) => {
  const read = (level) => readArray(`cluster${level}${k ? `-${k}` : ""}`, Int32Array);
  return [pane, await Promise.all(levelsOf(pane).map(read))];
})));
const hasClusters = panes.some((pane) => clustersOf(pane).length);
const nameOfCluster = ({ key, name }) => ownNames[key] ?? name;
const nameOfLabel = ({ clusterPrefix }, name) => (clusterPrefix === undefined ? name : nameOfCluster({ key: clusterPrefix + name, name }));

// the finest level whose clusters are large enough, else the coarsest
function levelInView(pane) {
  const isLegible = (level) => {
    const sizes = clustersOf(pane).filter((cluster) => cluster.level === level).map(({ size }) => size).sort((a, b) => a - b);
    return sizes[sizes.length >> 1] / pane.view.scale >= MIN_SIZE;
  };
  return levelsOf(pane).filter(isLegible).at(-1) ?? 0;
}

function drawClusterNames(context, pane, hasExemplars) {
  if (!areNamesOn || !clustersOf(pane).length) return;
  const level = levelInView(pane), size = NAME_SIZES[Math.min(level, NAME_SIZES.length - 1)];
  const shown = clustersOf(pane).filter((cluster) => cluster.level === level).sort((a, b) => b.count - a.count);
  const taken = [];
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const cluster of shown) {
    const [atX, y] = placeOnScreen(pane, ...cluster.at);
    if (atX < 0 || y < 0 || atX > pane.width || y > pane.height) continue;
    const medoids = hasExemplars ? cluster.medoids : [];
    const text = shorten(nameOfCluster(cluster)), textWidth = context.measureText(text).width;
    const width = Math.max(textWidth, medoids.length * (EXEMPLAR_SIDE + 2)), height = size + 6 + (medoids.length ? EXEMPLAR_SIDE + 2 : 0);
    const margin = Math.min(pane.width / 2, width / 2 + 4); // whole in the map
    const x = Math.max(margin, Math.min(atX, pane.width - margin));
    const box = [x - width / 2 - 4, y - height / 2 - 4, x + width / 2 + 4, y + height / 2 + 4];
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    taken.push(box);
    context.lineWidth = 4;
    context.strokeStyle = cssVariable("--paper");
    context.fillStyle = cssVariable("--ink");
    const textY = box[1] + 4 + size / 2;
    context.strokeText(text, x - textWidth / 2, textY);
    context.fillText(text, x - textWidth / 2, textY);
    const left = x - (medoids.length * (EXEMPLAR_SIDE + 2)) / 2;
    context.fillStyle = cssVariable("--paper");
    medoids.forEach((i, k) => {
      const imageX = left + k * (EXEMPLAR_SIDE + 2), imageY = textY + size / 2 + 4;
      context.fillRect(imageX - 2, imageY - 2, EXEMPLAR_SIDE + 4, EXEMPLAR_SIDE + 4);
      drawImage(context, i, imageX, imageY, EXEMPLAR_SIDE, drawSoon);
    });
  }
}

const shorten = (text) => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

// again when another level is in view
let listed = "";
function listClustersInView() {
  const now = hasClusters && activePane.view ? `${panes.indexOf(activePane)} ${levelInView(activePane)}` : "";
  if (now === listed || byId("clusters").contains(root.activeElement)) return;
  listed = now;
  listClusters();
}

function listClusters() {
  byId("clusters-section").hidden = !hasClusters;
  if (!hasClusters || !activePane.view) return;
  const level = levelInView(activePane);
  const shown = clustersOf(activePane).filter((cluster) => cluster.level === level);
  byId("clusters").replaceChildren(...shown.map((cluster) => {
    const field = make("input", { value: nameOfCluster(cluster), maxLength: 200 });
    field.setAttribute("aria-label", `Name of ${cluster.name}`);
    field.addEventListener("change", () => renameCluster(cluster, field.value.trim()));
    const button = make("button", { type: "button", textContent: formatCount(cluster.count), title: "Select this cluster" });
    button.setAttribute("aria-label", `Select ${nameOfCluster(cluster)}, ${formatCount(cluster.count)} images`);
    button.addEventListener("click", () => selectCluster(cluster));
    const exemplar = hasImages && cluster.medoids?.length ? [makeThumbnail(cluster.medoids[0], 30)] : [];
    return make("li", {}, [...exemplar, field, button]);
  }));
}

function renameCluster(cluster, name) {
  if (name && name !== cluster.name) ownNames[cluster.key] = name;
  else delete ownNames[cluster.key];
  host.changed?.("names", { ...ownNames });
  showNames();
}

function selectCluster(cluster) {
  const codes = clusterCodes.get(activePane)[cluster.level], code = clustersOf(activePane).indexOf(cluster), found = [];
  for (let i = 0; i < nPoints; i++) if (codes[i] === code) found.push(i);
  select(found);
}

function setNames(names) {
  ownNames = asTable(names);
  listClusters();
  showNames();
}

// wherever the labels of the column of clusters are
function showNames() {
  if (groups) listGroups();
  listCounts();
  if (pinned >= 0) showPinned(pinned);
  if (byId("search").value) search(byId("search").value);
  drawSoon();
}

// columns of a CSV file: the names of the clusters of each level
function clusterColumns() {
  return panes.flatMap((pane) => clusterCodes.get(pane).map((codes, level) => ({
    name: `${panes.length > 1 ? `${pane.name}: ` : ""}cluster level ${level}`,
    codes,
    names: clustersOf(pane).map(nameOfCluster),
  })));
}
