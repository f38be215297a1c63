// The data: what Python describes in `data`, and the arrays in the host's buffers.

const readArray = async (name, ArrayType) => new ArrayType(await host.buffer(name));
const readColumn = (column, k) => readArray(`column${k}`, column.names ? Int32Array : Float64Array);
const readNeighbors = (_, k) => readArray(k ? `neighbors-${k}` : "neighbors", Int32Array);
const readPositions = (map, k) => readArray(`xy${k}`, Float32Array);

const nPoints = data.n;
const [positions, columnArrays, neighbors, places, boxes, overviewIndices] = await Promise.all([
  Promise.all(data.maps.map(readPositions)),
  Promise.all(data.columns.map(readColumn)),
  Promise.all((data.nNeighbors ? data.distances : []).map(readNeighbors)),
  data.nSheets ? readArray("place", Uint32Array) : null,
  data.hasBoxes ? readArray("boxes", Int32Array) : null,
  data.hasBoxes ? readArray("overviewOf", Int32Array) : null,
]);
const ownColumns = data.columns.map((column, k) => ({ ...column, [column.names ? "codes" : "values"]: columnArrays[k] }));
let columns = ownColumns; // and that of the tags, once there are any

let fileNames = null;
const fileNamesText = data.hasNames ? new TextDecoder().decode(await host.buffer("names")) : "";

function fileOf(i) {
  if (!data.hasNames) return `image ${i}`;
  fileNames ??= fileNamesText.split("\0");
  return fileNames[i];
}

// top, left, bottom, right; null for a whole image
const NO_BOX = -(2 ** 31);
function boxOf(i) {
  if (!boxes || boxes[4 * i] === NO_BOX) return null;
  return boxes.subarray(4 * i, 4 * i + 4);
}

// with the page, and the rows and columns of a region
function nameOf(i) {
  const box = boxOf(i), page = data.pages?.[i] ?? null;
  const name = page === null ? fileOf(i) : `${fileOf(i)}, page ${page}`;
  if (!box) return name;
  const [top, left, bottom, right] = box;
  return `${name} [${top}:${bottom}, ${left}:${right}]`;
}

// by: index of the distance, in data.distances
function neighborsOf(i, by) {
  if (!neighbors.length) return [];
  return [...neighbors[by].subarray(i * data.nNeighbors, (i + 1) * data.nNeighbors)].filter((j) => j >= 0);
}

function valueText(described, i) {
  const { values, names, codes } = described;
  if (values) return Number.isNaN(values[i]) ? "" : String(Number(values[i].toPrecision(6)));
  return codes[i] < 0 ? "" : nameOfLabel(described, names[codes[i]]);
}
