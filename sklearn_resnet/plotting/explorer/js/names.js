// Names of clusters: on the map by level of zoom, and in a list in which the user renames them.

const MIN_DIAMETER = 120; // pixels of a typical cluster of the level that is shown
const NAME_SIZES = [20, 16, 13]; // pixels, from the coarsest level
const EXEMPLAR_SIDE = 30;
const clustersOf = (pane) => pane.clusters ?? [];
const levels = [...new Set(panes.flatMap(clustersOf).map(({ level }) => level))].sort((a, b) => a - b);
const clusterCodes = new Map(await Promise.all(levels.map(async (level) => [level, await readArray(`cluster${level}`, Int32Array)])));
let ownNames = { ...data.names }; // by "level:index"
let areNamesOn = levels.length > 0;

// the index of a cluster among those of its level, by which the rows are coded
for (const pane of panes) {
  const counts = {};
  for (const cluster of clustersOf(pane)) {
    counts[cluster.level] ??= 0;
    cluster.key = `${cluster.level}:${counts[cluster.level]++}`;
  }
}

const nameOfCluster = ({ key, name }) => ownNames[key] ?? name;

// the finest level whose clusters are large enough, else the coarsest
function levelInView(pane) {
  const isLegible = (level) => {
    const sizes = clustersOf(pane).filter((cluster) => cluster.level === level).map(({ size }) => size).sort((a, b) => a - b);
    return sizes.length && sizes[sizes.length >> 1] / pane.view.scale >= MIN_DIAMETER;
  };
  return levels.filter(isLegible).at(-1) ?? levels[0];
}

function drawClusterNames(context, pane) {
  if (!areNamesOn || !clustersOf(pane).length) return;
  const level = levelInView(pane), size = NAME_SIZES[Math.min(levels.indexOf(level), NAME_SIZES.length - 1)];
  const shown = clustersOf(pane).filter((cluster) => cluster.level === level).sort((a, b) => b.count - a.count);
  const taken = [];
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const cluster of shown) {
    const [x, y] = placeOnScreen(pane, ...cluster.at);
    const medoids = hasImages ? (cluster.medoids ?? []).slice(0, 3) : [];
    const text = shorten(nameOfCluster(cluster)), textWidth = context.measureText(text).width;
    const width = Math.max(textWidth, medoids.length * (EXEMPLAR_SIDE + 2)), height = size + 6 + (medoids.length ? EXEMPLAR_SIDE + 2 : 0);
    const box = [x - width / 2 - 4, y - height / 2 - 4, x + width / 2 + 4, y + height / 2 + 4];
    const isOutside = box[2] < 0 || box[3] < 0 || box[0] > pane.width || box[1] > pane.height;
    if (isOutside || taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
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
  const now = levels.length && activePane.view ? `${panes.indexOf(activePane)} ${levelInView(activePane)}` : "";
  if (now === listed || byId("clusters").contains(root.activeElement)) return;
  listed = now;
  listClusters();
}

function listClusters() {
  byId("clusters-section").hidden = !levels.length;
  if (!levels.length || !activePane.view) return;
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
  drawSoon();
}

function selectCluster({ key, level }) {
  const code = Number(key.split(":")[1]), codes = clusterCodes.get(level), found = [];
  for (let i = 0; i < nPoints; i++) if (codes[i] === code) found.push(i);
  select(found);
}

function setNames(names) {
  ownNames = { ...names };
  listClusters();
  drawSoon();
}

// columns of a CSV file: the names of each level
function clusterColumns() {
  const named = panes.find((pane) => clustersOf(pane).length);
  return levels.map((level) => ({
    name: `cluster level ${level}`,
    codes: clusterCodes.get(level),
    names: clustersOf(named).filter((cluster) => cluster.level === level).map(nameOfCluster),
  }));
}
