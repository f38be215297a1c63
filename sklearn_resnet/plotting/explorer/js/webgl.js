// The renderer on a graphics processor.

const VERTEX_SHADER = `#version 300 es
in vec2 position; in vec4 color; in float kind;
uniform vec2 centre, factor; uniform float size, alpha, wanted;
out vec4 shade; flat out float marker;
void main() {
  float isHidden = step(15.5, kind), isSelected = step(7.5, mod(kind, 16.0));
  bool isDrawn = isHidden < 0.5 && (wanted < 0.0 || isSelected == wanted);
  gl_Position = isDrawn ? vec4((position - centre) * factor, 0, 1) : vec4(2, 2, 2, 1);
  gl_PointSize = size * 16.0 / 12.0 + 2.0;
  marker = mod(kind, 8.0);
  shade = vec4(color.rgb, alpha);
}`;
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec4 shade; flat in float marker; uniform sampler2D atlas; uniform float size, n;
out vec4 result;
void main() {
  float side = size * 16.0 / 12.0;
  vec2 place = clamp((gl_PointCoord - 0.5) * (side + 2.0) / side + 0.5, 0.0, 1.0);
  float a = shade.a * texture(atlas, vec2((marker + place.x) / n, place.y)).a;
  result = vec4(shade.rgb * a, a);
}`;
const ATLAS_SIDE = 64; // pixels of a marker

function hasGpu() {
  const context = make("canvas").getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  if (!info) return false;
  const name = context.getParameter(info.UNMASKED_RENDERER_WEBGL);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

function makeProgram(gl) {
  const program = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
}

function makeAtlas(gl) {
  const canvas = make("canvas", { width: ATLAS_SIDE * MARKERS.length, height: ATLAS_SIDE });
  const context = canvas.getContext("2d");
  MARKERS.forEach((name, k) => {
    context.setTransform(ATLAS_SIDE / 16, 0, 0, ATLAS_SIDE / 16, k * ATLAS_SIDE, 0);
    context.fill(new Path2D(MARKER_PATHS[name]));
  });
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, canvas);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.generateMipmap(gl.TEXTURE_2D);
}

function makeWebglRenderer(canvas, xy) {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  const program = makeProgram(gl);
  gl.useProgram(program);
  makeAtlas(gl);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const uniforms = Object.fromEntries(["centre", "factor", "size", "alpha", "wanted", "n"].map((name) => [name, uniform(name)]));
  const connect = (name, length, type, isNormalized) => {
    const place = gl.getAttribLocation(program, name), buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, length, type, isNormalized, 0, 0);
    return buffer;
  };
  const ordered = new Float32Array(2 * nPoints);
  drawingOrder.forEach((i, k) => ordered.set(xy.subarray(2 * i, 2 * i + 2), 2 * k));
  connect("position", 2, gl.FLOAT, false);
  gl.bufferData(gl.ARRAY_BUFFER, ordered, gl.STATIC_DRAW);
  const colorBuffer = connect("color", 4, gl.UNSIGNED_BYTE, true), kindBuffer = connect("kind", 1, gl.UNSIGNED_BYTE, false);
  const drawPoints = (wanted, alpha) => {
    gl.uniform1f(uniforms.wanted, wanted);
    gl.uniform1f(uniforms.alpha, alpha);
    gl.drawArrays(gl.POINTS, 0, nPoints);
  };
  return {
    name: "webgl",
    setStyles() {
      for (const [buffer, values] of [[colorBuffer, orderedColor], [kindBuffer, orderedKind]]) {
        gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
        gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      }
    },
    draw({ x, y, scale, width, height, ratio, size, alpha }) {
      const [drawnWidth, drawnHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== drawnWidth || canvas.height !== drawnHeight) {
        Object.assign(canvas, { width: drawnWidth, height: drawnHeight });
      }
      gl.viewport(0, 0, drawnWidth, drawnHeight);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(uniforms.centre, x, y);
      gl.uniform2f(uniforms.factor, 2 / (scale * width), 2 / (scale * height));
      gl.uniform1f(uniforms.size, size * ratio);
      gl.uniform1f(uniforms.n, MARKERS.length);
      if (!selection.length) return drawPoints(-1, alpha);
      drawPoints(0, FAINT);
      return drawPoints(1, 1);
    },
    destroy() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
