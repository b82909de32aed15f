/* What is shown: volumes of the current frame, which of their voxels are visible, and sight lines through them. */
const scene = JSON.parse(document.getElementById('data').textContent);
const [X, Y, Z] = scene.shape;
const UNKNOWN = 255, UNKNOWN_COLOUR = [176, 176, 182];
const span = Math.max(X, Y, Z) * scene.voxel_size;

function bytes(text) { return Uint8Array.from(atob(text), c => c.charCodeAt(0)); }

function expand(runs) {
  const values = bytes(runs.values), counts = new Uint32Array(bytes(runs.counts).buffer);
  const flat = new Uint8Array(X * Y * Z);
  let at = 0;
  for (let i = 0; i < values.length; i++) { flat.fill(values[i], at, at + counts[i]); at += counts[i]; }
  return flat;
}

/* Frames are unpacked when they are first looked at; the first one lies beside the description of its volumes. */
const packed = [scene, ...(scene.frames || [])], unpacked = new Map();
function frameAt(index) {
  if (!unpacked.has(index)) {
    const frame = packed[index];
    const image = frame.panorama ? Object.assign(new Image(), {onload: () => redrawPanorama()}) : null;
    if (image) image.src = 'data:image/jpeg;base64,' + frame.panorama.jpeg;
    unpacked.set(index, {
      name: frame.name || '', time: frame.time || 0, panorama: frame.panorama || null, image,
      labels: frame.volumes.map(expand),
      known: frame.known ? expand(frame.known) : null,
      probability: frame.probability ? expand(frame.probability) : null,
    });
    if (unpacked.size > 40) unpacked.delete(unpacked.keys().next().value);
  }
  return unpacked.get(index);
}

const state = {frame: 0, volume: 0, hidden: new Set(), cut: [X, Y, Z], onlyKnown: false, surer: 0, overlay: false,
               azimuth: 0.38, pitch: -0.66, distance: 2.2 * span, target: [0, 0, 0], inside: false, fov: 0.7, chosen: -1};
let current = frameAt(0);

function colourOf(label) {
  if (label === UNKNOWN) return UNKNOWN_COLOUR;
  return scene.volumes[state.volume].palette[label - 1] || [0, 255, 255];
}
function nameOf(label) {
  if (label === UNKNOWN) return 'unknown';
  return (scene.volumes[state.volume].classes[label - 1] || 'label ' + label).replaceAll('_', ' ');
}

/* (X Y Z) labels of what is to be seen, 0 elsewhere. */
const visible = new Uint8Array(X * Y * Z);
function chooseVisible() {
  const labels = current.labels[state.volume], {known, probability} = current;
  const scored = probability && scene.volumes[state.volume].name === 'prediction';
  for (let i = 0, n = 0; i < X; i++) for (let j = 0; j < Y; j++) for (let k = 0; k < Z; k++, n++) {
    const label = labels[n];
    const shown = label && !state.hidden.has(label) && i < state.cut[0] && j < state.cut[1] && k < state.cut[2]
      && !(state.onlyKnown && known && !known[n]) && !(scored && state.surer && probability[n] < 255 * state.surer);
    visible[n] = shown ? label : 0;
  }
}

function centreOf(n) {
  const k = n % Z, j = Math.floor(n / Z) % Y, i = Math.floor(n / (Z * Y));
  return [i, j, k].map((c, axis) => scene.origin[axis] + (c + 0.5) * scene.voxel_size);
}

/* First visible voxel on a sight line, and the axis of the face that it meets; -1 for none. */
function march(eye, direction) {
  const shape = [X, Y, Z], cell = [0, 0, 0], step = [0, 0, 0], next = [0, 0, 0], each = [0, 0, 0];
  let near = 0, far = Infinity, axis = 2;
  for (let a = 0; a < 3; a++) {
    const low = scene.origin[a], high = low + shape[a] * scene.voxel_size;
    if (Math.abs(direction[a]) < 1e-12) { if (eye[a] < low || eye[a] >= high) return {voxel: -1, axis}; continue; }
    const [t0, t1] = [(low - eye[a]) / direction[a], (high - eye[a]) / direction[a]];
    const entry = Math.min(t0, t1);
    if (entry > near) { near = entry; axis = a; }
    far = Math.min(far, Math.max(t0, t1));
  }
  if (near >= far) return {voxel: -1, axis};
  for (let a = 0; a < 3; a++) {
    const at = (eye[a] + direction[a] * (near + 1e-9 * span) - scene.origin[a]) / scene.voxel_size;
    cell[a] = Math.min(shape[a] - 1, Math.max(0, Math.floor(at)));
    step[a] = Math.sign(direction[a]);
    each[a] = step[a] ? scene.voxel_size / Math.abs(direction[a]) : Infinity;
    const edge = scene.origin[a] + (cell[a] + (step[a] > 0 ? 1 : 0)) * scene.voxel_size;
    next[a] = step[a] ? (edge - eye[a]) / direction[a] : Infinity;
  }
  let first = near === 0;
  for (;;) {
    const n = (cell[0] * Y + cell[1]) * Z + cell[2];
    if (visible[n] && !first) return {voxel: n, axis};
    first = false;
    axis = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
    cell[axis] += step[axis];
    if (cell[axis] < 0 || cell[axis] >= shape[axis]) return {voxel: -1, axis};
    next[axis] += each[axis];
  }
}
