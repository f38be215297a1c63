// Elements below `root`, which is the document or the shadow root of a widget.

const byId = (id) => root.getElementById(id);
const container = byId("explorer");
const cssVariable = (name) => getComputedStyle(container).getPropertyValue(name).trim();
const ending = new AbortController(); // ends what outlives the elements: listeners on the window

function make(tag, properties = {}, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const formatCount = (count) => count.toLocaleString("en");

// told to screen readers
function announce(text) {
  byId("status").textContent = text;
}
