// Cards of single images: the one under the pointer, and the pinned one with its neighbours.

let hovered = -1, pinned = -1;

function describe(i, size) {
  const rows = [["file", nameOf(i)], ...columns.map((each) => [each.name, valueText(each, i)])];
  const list = make("dl");
  for (const [key, value] of rows) {
    if (value !== "") list.append(make("dt", { textContent: key }), make("dd", { textContent: value }));
  }
  if (!hasImages) return [list];
  const image = makeThumbnail(i, size);
  image.classList.add("large");
  image.style.width = `${size}px`;
  return [image, list];
}

function makeImageButton(i, text = "") {
  const button = make("button", { type: "button", title: nameOf(i) });
  if (hasImages) button.append(makeThumbnail(i, 56));
  button.append(text || (hasImages ? "" : nameOf(i)));
  button.dataset.index = i;
  button.setAttribute("aria-label", `${nameOf(i)} ${valueText(column, i)}`.trim());
  button.addEventListener("click", () => pin(i));
  return button;
}

// x, y: the pointer on a pane
function hover(i, pane, x, y) {
  if (i !== hovered) {
    hovered = i;
    showHoverCard(i, pane);
    drawSoon();
  }
  if (i < 0) return;
  const card = byId("hover"), { width, height } = pane;
  if (card.parentElement !== pane.element) pane.element.append(card);
  const isBeyond = x + 18 + card.offsetWidth > width;
  card.style.left = `${isBeyond ? Math.max(0, x - 18 - card.offsetWidth) : x + 18}px`;
  card.style.top = `${Math.max(0, Math.min(y + 18, height - card.offsetHeight - 4))}px`;
}

function showHoverCard(i, pane) {
  const card = byId("hover");
  card.hidden = i < 0;
  if (i < 0) return;
  const beside = hasImages ? neighborsOf(i, pane.search).map((j) => makeThumbnail(j, 28)) : [];
  const size = Math.min(160, Math.max(96, data.side));
  card.replaceChildren(...describe(i, size), make("div", { className: "sheet" }, beside));
  card.dataset.index = i;
}

function pin(i) {
  showPin(i);
  host.changed?.("pinned", i < 0 ? null : i);
}

function showPin(i) {
  pinned = i;
  hover(-1);
  if (i < 0) {
    byId("pinned").replaceChildren(make("p", { className: "hint", textContent: "Nothing is pinned." }));
  } else {
    showPinned(i);
    bringIntoView(i);
  }
  drawSoon();
}

function makeNeighbors(i, by) {
  const beside = neighborsOf(i, by);
  if (!beside.length) return [];
  const title = `Nearest ${beside.length} by ${data.distances[by]}:`;
  const buttons = beside.map((j) => makeImageButton(j, valueText(column, j)));
  return [
    make("p", { className: "hint", textContent: title }),
    make("div", { className: "sheet", id: by ? `neighbors-${by}` : "neighbors" }, buttons),
  ];
}

function showPinned(i) {
  const parts = describe(i, Math.min(310, Math.max(160, 1.5 * data.side)));
  parts.push(...makeOverview(i, 310));
  parts.push(...data.distances.flatMap((_, by) => makeNeighbors(i, by)));
  if (data.neighborNote) parts.push(make("p", { className: "hint", textContent: data.neighborNote }));
  const unpin = make("button", { type: "button", id: "unpin", textContent: "Unpin" });
  unpin.addEventListener("click", () => pin(-1));
  byId("pinned").replaceChildren(...parts, make("p", {}, [unpin]));
  byId("pinned").dataset.index = i;
}
