// Search for labels and file names.

const MAX_LISTED = 60;
let matches = [];

function findMatches(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const isMatch = (name) => name.toLowerCase().includes(wanted);
  const columns = data.columns.filter((each) => each.names);
  const matching = columns.map(({ codes, names }) => ({ codes, areMatches: names.map(isMatch) }));
  const hasLabel = (i) => matching.some(({ codes, areMatches }) => areMatches[codes[i]]);
  return [...xs.keys()].filter((i) => isMatch(fileOf(i)) || hasLabel(i));
}

function search(text) {
  matches = findMatches(text);
  byId("matches-section").hidden = !text.trim();
  byId("select-matches").hidden = !matches.length;
  byId("n-matches").textContent = formatCount(matches.length);
  byId("matches").replaceChildren(...matches.slice(0, MAX_LISTED).map((i) => makeImageButton(i)));
  drawSoon();
}
