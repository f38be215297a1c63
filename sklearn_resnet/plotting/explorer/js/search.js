// Search for labels and file names.

const MAX_LISTED = 60;
let matches = [];

function findMatches(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const isMatch = (name) => name.toLowerCase().includes(wanted);
  const matching = columns.filter((each) => each.names).map((each) => ({
    codes: each.codes,
    areMatches: each.names.map((name) => isMatch(nameOfLabel(each, name))),
  }));
  const found = [];
  for (let i = 0; i < nPoints; i++) {
    if (isMatch(fileOf(i)) || matching.some(({ codes, areMatches }) => areMatches[codes[i]])) found.push(i);
  }
  return found;
}

function search(text) {
  matches = findMatches(text);
  byId("matches-section").hidden = !text.trim();
  byId("select-matches").hidden = !matches.length;
  byId("n-matches").textContent = formatCount(matches.length);
  byId("matches").replaceChildren(...matches.slice(0, MAX_LISTED).map((i) => makeImageButton(i)));
  if (text.trim()) announce(`${formatCount(matches.length)} matches`);
  drawSoon();
}
