/* The voxels in WebGL, and the camera that looks at them. */
const SHADES = [0.80, 0.66, 0.72, 0.87, 0.50, 1.00];
const canvas = document.getElementById('view');
const gl = canvas.getContext('webgl', {antialias: true});
if (!gl) document.getElementById('hint').textContent = 'This browser has no WebGL.';

/* Six vertices a visible face: x, y, z as floats, then red, green, blue and the corner's number. */
function buildMesh() {
  const at = (i, j, k) => ((i + 1) * (Y + 2) + j + 1) * (Z + 2) + k + 1;
  const solid = new Uint8Array((X + 2) * (Y + 2) * (Z + 2));
  for (let i = 0, n = 0; i < X; i++) for (let j = 0; j < Y; j++) for (let k = 0; k < Z; k++, n++)
    if (visible[n]) solid[at(i, j, k)] = visible[n];
  const steps = [-(Y + 2) * (Z + 2), (Y + 2) * (Z + 2), -(Z + 2), Z + 2, -1, 1];
  let count = 0;
  for (let n = 0; n < solid.length; n++) if (solid[n]) for (const s of steps) if (!solid[n + s]) count++;
  const marker = markerTriangles();
  const buffer = new ArrayBuffer((count * 6 + marker.length) * 16);
  const floats = new Float32Array(buffer), colours = new Uint8Array(buffer);
  let vertex = 0;
  const put = (x, y, z, rgb, shade, corner) => {
    floats.set([x, y, z], vertex * 4);
    colours.set([rgb[0] * shade, rgb[1] * shade, rgb[2] * shade, corner], vertex * 16 + 12);
    vertex++;
  };
  const [ox, oy, oz] = scene.origin, s = scene.voxel_size;
  for (let i = 0; i < X; i++) for (let j = 0; j < Y; j++) for (let k = 0; k < Z; k++) {
    const n = at(i, j, k), label = solid[n];
    if (!label) continue;
    const rgb = colourOf(label);
    for (let d = 0; d < 6; d++) {
      if (solid[n + steps[d]]) continue;
      const axis = d >> 1, side = d & 1, a = axis === 0 ? 1 : 0, b = axis === 2 ? 1 : 2;
      for (const corner of [0, 1, 3, 0, 3, 2]) {
        const p = [i, j, k];
        p[axis] += side; p[a] += corner & 1; p[b] += corner >> 1;
        put(ox + p[0] * s, oy + p[1] * s, oz + p[2] * s, rgb, SHADES[d] * (0.88 + 0.12 * k / Z), corner);
      }
    }
  }
  const ink = dark() ? [210, 214, 222] : [60, 66, 78];
  for (const [x, y, z, shade] of marker) put(x, y, z, ink, shade, 4);
  return buffer;
}

/* An arrowhead at the ego origin that points forward. */
function markerTriangles() {
  if (state.inside) return [];
  const r = 1.5 * scene.voxel_size;
  const tip = [1.4 * r, 0, 0], left = [-r, 0.8 * r, 0], right = [-r, -0.8 * r, 0], top = [-0.5 * r, 0, 0.5 * r];
  return [[tip, left, top, 1.1], [tip, top, right, 0.9], [left, right, top, 0.7], [tip, right, left, 0.5]]
    .flatMap(([a, b, c, shade]) => [a, b, c].map(p => [...p, shade]));
}

/* The twelve edges of the voxel that is pointed at, in a colour that no class has. */
function chosenLines() {
  if (state.chosen < 0) return new ArrayBuffer(0);
  const centre = centreOf(state.chosen), h = scene.voxel_size * 0.52;
  const buffer = new ArrayBuffer(24 * 16), floats = new Float32Array(buffer), colours = new Uint8Array(buffer);
  let vertex = 0;
  for (let axis = 0; axis < 3; axis++) for (const a of [-h, h]) for (const b of [-h, h]) for (const c of [-h, h]) {
    const p = centre.slice();
    p[axis] += c; p[(axis + 1) % 3] += a; p[(axis + 2) % 3] += b;
    floats.set(p, vertex * 4);
    colours.set([255, 0, 200, 4], vertex * 16 + 12);
    vertex++;
  }
  return buffer;
}

function shader(kind, source) {
  const result = gl.createShader(kind);
  gl.shaderSource(result, source);
  gl.compileShader(result);
  if (!gl.getShaderParameter(result, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(result));
  return result;
}
const program = gl.createProgram();
gl.attachShader(program, shader(gl.VERTEX_SHADER, `
  attribute vec3 place; attribute vec4 colour; uniform mat4 camera; uniform float near;
  varying vec3 tint; varying vec2 corner; varying float edge;
  void main() {
    gl_Position = camera * vec4(place, 1.0);
    float number = floor(colour.a * 255.0 + 0.5);
    corner = number > 3.5 ? vec2(0.5) : vec2(mod(number, 2.0), floor(number / 2.0));
    tint = colour.rgb;
    edge = 0.16 * clamp(1.6 - gl_Position.w / near, 0.0, 1.0);
  }`));
gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `
  precision mediump float;
  varying vec3 tint; varying vec2 corner; varying float edge;
  void main() {
    vec2 inward = min(corner, 1.0 - corner);
    float line = 1.0 - smoothstep(0.0, 0.06, min(inward.x, inward.y));
    gl_FragColor = vec4(tint * (1.0 - edge * line), 1.0);
  }`));
gl.linkProgram(program);
if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
gl.useProgram(program);
const meshBuffer = gl.createBuffer(), lineBuffer = gl.createBuffer();
function useBuffer(buffer) {
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  for (const [name, size, type, normalised, offset] of [
    ['place', 3, gl.FLOAT, false, 0], ['colour', 4, gl.UNSIGNED_BYTE, true, 12]]) {
    const location = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, normalised, 16, offset);
  }
}
gl.enable(gl.DEPTH_TEST);

let vertices = 0, dirtyMesh = true, pending = false;

function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/* Azimuth 0 looks along +x and grows to the right, as everywhere in OneOcc. */
function axes() {
  const [ca, sa] = [Math.cos(state.azimuth), Math.sin(state.azimuth)];
  const [cp, sp] = [Math.cos(state.pitch), Math.sin(state.pitch)];
  return {forward: [cp * ca, -cp * sa, sp], right: [-sa, -ca, 0], up: [-sp * ca, sp * sa, cp]};
}

/* Where the eye stands and how wide it sees; the panel covers the left border: the rest is the view. */
function lens() {
  const {forward, right, up} = axes();
  const eye = state.inside ? robotEye() : state.target.map((t, i) => t - forward[i] * state.distance);
  const tall = 1 / Math.tan((state.inside ? 1.2 * state.fov / 0.7 : 0.6) / 2);
  const open = !document.body.classList.contains('folded') && canvas.clientWidth > 700;
  const aside = open ? 256 / canvas.clientWidth : 0;
  /* The floor has to fit into the width as well, however narrow the window is. */
  const narrow = state.inside ? 1 : Math.min(1, canvas.clientWidth * (1 - aside) / (canvas.clientHeight * 1.12));
  const focal = tall * narrow;
  return {eye, forward, right, up, focal, fx: focal * canvas.clientHeight / canvas.clientWidth, aside};
}
function robotEye() { return current.panorama ? current.panorama.eye : [0, 0, 0]; }

function cameraMatrix() {
  const {eye, forward, right, up, focal, fx, aside} = lens();
  const near = span * (state.inside ? 0.002 : 0.01), far = span * 12;
  const a = (far + near) / (far - near), b = -2 * far * near / (far - near);
  const rows = [right.map((v, i) => v * fx + aside * forward[i]), up.map(v => v * focal), forward.map(v => v * a), forward];
  const shift = rows.map((row, i) => -dot(row, eye) + (i === 2 ? b : 0));
  const matrix = new Float32Array(16);
  for (let r = 0; r < 4; r++) { for (let c = 0; c < 3; c++) matrix[4 * c + r] = rows[r][c]; matrix[12 + r] = shift[r]; }
  return matrix;
}

/* The voxel under a place of the window. */
function voxelAt(x, y) {
  const box = canvas.getBoundingClientRect(), {eye, forward, right, up, focal, fx, aside} = lens();
  const h = (2 * (x - box.left) / box.width - 1 - aside) / fx, v = (1 - 2 * (y - box.top) / box.height) / focal;
  return march(eye, [0, 1, 2].map(i => forward[i] + h * right[i] + v * up[i])).voxel;
}

function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function draw() {
  pending = false;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  gl.viewport(0, 0, canvas.width, canvas.height);
  if (dirtyMesh) {
    chooseVisible();
    const mesh = buildMesh();
    gl.bindBuffer(gl.ARRAY_BUFFER, meshBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, mesh, gl.STATIC_DRAW);
    vertices = mesh.byteLength / 16;
    dirtyMesh = false;
    redrawPanorama(true);
  }
  gl.clearColor(...(dark() ? [0.086, 0.094, 0.114] : [0.98, 0.98, 0.973]), 1);
  gl.uniformMatrix4fv(gl.getUniformLocation(program, 'camera'), false, cameraMatrix());
  gl.uniform1f(gl.getUniformLocation(program, 'near'), span);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  useBuffer(meshBuffer);
  gl.drawArrays(gl.TRIANGLES, 0, vertices);
  const lines = chosenLines();
  if (lines.byteLength) {
    useBuffer(lineBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, lines, gl.DYNAMIC_DRAW);
    gl.disable(gl.DEPTH_TEST);
    gl.drawArrays(gl.LINES, 0, lines.byteLength / 16);
    gl.enable(gl.DEPTH_TEST);
  }
}
function redraw(mesh) {
  dirtyMesh = dirtyMesh || Boolean(mesh);
  if (!pending) { pending = true; requestAnimationFrame(draw); }
}

function look(azimuth, pitch, inside) {
  Object.assign(state, {azimuth, pitch, inside, distance: 2.2 * span, fov: 0.7, target: [0, 1, 2].map(
    i => scene.origin[i] + scene.shape[i] * scene.voxel_size / 2)});
  redraw(true);
}
