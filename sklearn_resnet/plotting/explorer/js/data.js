// The data of the page, which Python writes.

const data = readJson("data");

const fileOf = (i) => (data.names ? data.names[i] : `image ${i}`);

// with the page, and the rows and columns of a region
function nameOf(i) {
  const box = data.boxes?.[i], page = data.pages?.[i] ?? null;
  const name = page === null ? fileOf(i) : `${fileOf(i)}, page ${page}`;
  if (!box) return name;
  const [top, left, bottom, right] = box;
  return `${name} [${top}:${bottom}, ${left}:${right}]`;
}

function neighborsOf(i) {
  const found = data.neighbors.slice(i * data.nNeighbors, (i + 1) * data.nNeighbors);
  return found.filter((j) => j >= 0);
}

function valueText({ values, names, codes }, i) {
  if (values) return values[i] === null ? "" : String(Number(values[i].toPrecision(6)));
  return codes[i] < 0 ? "" : names[codes[i]];
}
