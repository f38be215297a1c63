// Mouse, pen and touch on the panes: hover, click, drag, wheel and pinch.

const TOOLS = ["pan", "box", "lasso"];
const CLICK = 5, TAP = 12; // pixels that a pointer may move in a click
const HIT = 3, TOUCH_HIT = 14; // pixels around a dot that count as the dot
let tool = "pan";
let toolLine = null; // { pane, points } of the box or the lasso
const pointers = new Map(); // those that are down, by id
let pinch = null;

function setTool(name) {
  tool = name;
  for (const each of TOOLS) byId(`tool-${each}`).setAttribute("aria-pressed", each === name);
  for (const { element } of panes) element.dataset.tool = name;
}

function placeOf(pane, { clientX, clientY }) {
  const box = pane.element.getBoundingClientRect();
  return [clientX - box.left - pane.element.clientLeft, clientY - box.top - pane.element.clientTop];
}

const hitRadius = (pane, { pointerType }) => sizeInView(pane) / 2 + (pointerType === "mouse" ? HIT : TOUCH_HIT);

function startDrag(pane, event) {
  if (event.button > 0 || event.target.closest("button, input")) return;
  activate(pane);
  pane.element.setPointerCapture?.(event.pointerId);
  const [x, y] = placeOf(pane, event);
  pointers.set(event.pointerId, { pane, x, y, startX: x, startY: y, isClick: pointers.size === 0 });
  if (pointers.size === 2) startPinch(pane);
  else if (tool !== "pan") toolLine = { pane, points: [[x, y]] };
}

function startPinch(pane) {
  toolLine = null;
  for (const pointer of pointers.values()) pointer.isClick = false;
  pinch = { pane, ...spreadOfPointers() };
}

function spreadOfPointers() {
  const [a, b] = [...pointers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
}

function drag(pane, event) {
  const pointer = pointers.get(event.pointerId);
  const [x, y] = placeOf(pane, event);
  if (!pointer) {
    if (event.buttons === 0 && event.pointerType !== "touch") hover(nearestPoint(pane, x, y, hitRadius(pane, event)), pane, x, y);
    return;
  }
  const [dx, dy] = [x - pointer.x, y - pointer.y];
  Object.assign(pointer, { x, y });
  const limit = event.pointerType === "mouse" ? CLICK : TAP;
  if (Math.hypot(x - pointer.startX, y - pointer.startY) > limit) pointer.isClick = false;
  if (pinch) dragPinch();
  else if (toolLine) {
    toolLine.points.push([x, y]);
    drawSoon();
  } else if (pointers.size === 1) {
    if (!pointer.isClick) hover(-1);
    move(pane);
    const { view } = pane;
    setView(pane, view.x - dx * view.scale, view.y + dy * view.scale, view.scale);
  }
}

function dragPinch() {
  const { pane, x, y, distance } = pinch, now = spreadOfPointers(), { view } = pane;
  move(pane);
  setView(pane, view.x - (now.x - x) * view.scale, view.y + (now.y - y) * view.scale, view.scale);
  zoom(pane, now.distance / distance, now.x, now.y);
  pinch = { pane, ...now };
}

function endDrag(pane, event) {
  const pointer = pointers.get(event.pointerId);
  if (!pointer) return;
  pointers.delete(event.pointerId);
  const wasPinch = pinch;
  if (pointers.size < 2) pinch = null;
  const line = toolLine;
  toolLine = null;
  drawSoon();
  if (event.type === "pointercancel" || wasPinch) return;
  if (pointer.isClick) {
    const i = nearestPoint(pane, pointer.x, pointer.y, hitRadius(pane, event));
    if (i >= 0) pin(i);
  } else if (line) selectByLine(line, event);
}

function selectByLine({ pane, points }, { shiftKey, altKey }) {
  const how = altKey ? "remove" : shiftKey ? "add" : "replace";
  const corners = points.map(([x, y]) => toMap(pane, x, y));
  if (tool === "lasso") return combine(pointsInPolygon(pane, corners), how);
  const [[xa, ya], [xb, yb]] = [corners[0], corners.at(-1)];
  return combine(pointsInBox(pane, [Math.min(xa, xb), Math.min(ya, yb), Math.max(xa, xb), Math.max(ya, yb)]), how);
}

function drawToolLine(context, pane) {
  if (toolLine?.pane !== pane) return;
  const { points } = toolLine, [[x, y]] = points, [endX, endY] = points.at(-1);
  context.beginPath();
  if (tool === "box") context.rect(x, y, endX - x, endY - y);
  else points.forEach((point) => context.lineTo(...point));
  if (tool === "lasso") context.closePath();
  context.globalAlpha = 0.12;
  context.fillStyle = context.strokeStyle = cssVariable("--accent");
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.stroke();
}

function turnWheel(pane, event) {
  event.preventDefault();
  activate(pane);
  const pixels = event.deltaY * [1, 16, 100][event.deltaMode];
  move(pane);
  zoom(pane, Math.exp(-Math.max(-200, Math.min(200, pixels)) / 300), ...placeOf(pane, event));
}

for (const pane of panes) {
  const { element } = pane;
  element.addEventListener("pointerdown", (event) => startDrag(pane, event));
  element.addEventListener("pointermove", (event) => drag(pane, event));
  for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, (event) => endDrag(pane, event));
  element.addEventListener("pointerleave", () => hover(-1));
  element.addEventListener("wheel", (event) => turnWheel(pane, event), { passive: false });
  element.addEventListener("focus", () => activate(pane));
}
