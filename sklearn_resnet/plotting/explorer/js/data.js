// The data of the page, which Python writes.

const data = readJson("data");

const nameOf = (i) => (data.names ? data.names[i] : `image ${i}`);

function neighborsOf(i) {
  const found = data.neighbors.slice(i * data.nNeighbors, (i + 1) * data.nNeighbors);
  return found.filter((j) => j >= 0);
}

function valueText({ values, names, codes }, i) {
  if (values) return values[i] === null ? "" : String(Number(values[i].toPrecision(6)));
  return codes[i] < 0 ? "" : names[codes[i]];
}
