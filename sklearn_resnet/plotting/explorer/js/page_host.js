// The host of the page: buffers and sheets are in script elements, or in files beside the page.

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function loadImage(src) {
  const image = new Image();
  image.src = src;
  return image.decode().then(() => image);
}

const textOf = (id) => document.getElementById(id).textContent;

// a sandbox, as JupyterLab's, blocks downloads and tells nobody
const isInSandbox = self.origin === "null" && location.protocol !== "file:";

const pageHost = {
  async buffer(name) {
    const element = document.getElementById(`buffer-${name}`);
    const bytes = decodeBase64(element.textContent);
    if (element.dataset.encoding !== "zlib") return bytes.buffer;
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  },
  sheet: (k) => loadImage(pageData.sheetFiles ? pageData.sheetFiles[k] : `data:image/webp;base64,${textOf(`sheet-${k}`)}`),
  async save(name, text) {
    if (isInSandbox) return false;
    const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    return true;
  },
};
const pageData = JSON.parse(textOf("data"));
explore(document, pageData, pageHost).then((page) => {
  window.page = page;
  document.documentElement.dataset.ready = "true";
}, (error) => {
  document.getElementById("pinned").textContent = `This browser cannot show the map: ${error.message}`;
  throw error;
});
