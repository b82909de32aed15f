/* Mouse, touch, keys, the panel and the time slider. */
const pointers = new Map();
let travelled = 0;
canvas.addEventListener('contextmenu', e => e.preventDefault());
canvas.addEventListener('pointerdown', e => {
  canvas.setPointerCapture(e.pointerId);
  pointers.set(e.pointerId, [e.clientX, e.clientY]);
  travelled = 0;
});
canvas.addEventListener('pointerup', e => {
  if (travelled < 6 && pointers.size === 1) choose(voxelAt(e.clientX, e.clientY));
});
for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, e => pointers.delete(e.pointerId));
canvas.addEventListener('pointerleave', e => { if (e.pointerType === 'mouse') choose(-1); });
canvas.addEventListener('pointermove', e => {
  const before = pointers.get(e.pointerId);
  if (!before) { choose(voxelAt(e.clientX, e.clientY)); return; }
  const dx = e.clientX - before[0], dy = e.clientY - before[1];
  travelled += Math.abs(dx) + Math.abs(dy);
  if (pointers.size === 2) {
    const other = [...pointers].find(([id]) => id !== e.pointerId)[1];
    zoom(Math.hypot(before[0] - other[0], before[1] - other[1]) /
         Math.max(Math.hypot(e.clientX - other[0], e.clientY - other[1]), 1));
    move(dx / 2, dy / 2);
  } else if (e.shiftKey || e.buttons & 2) move(dx, dy);
  else turn(dx * (state.inside ? -0.003 : 0.006), -dy * (state.inside ? -0.003 : 0.006));
  pointers.set(e.pointerId, [e.clientX, e.clientY]);
});
function move(dx, dy) {
  if (state.inside) return;
  const {right, up} = axes(), scale = state.distance * 0.62 / canvas.clientHeight;
  state.target = state.target.map((t, i) => t + (-dx * right[i] + dy * up[i]) * scale);
  redraw();
}
function turn(azimuth, pitch) {
  state.azimuth += azimuth;
  state.pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, state.pitch + pitch));
  redraw();
}
function zoom(factor) {
  if (state.inside) state.fov = Math.min(1.4, Math.max(0.15, state.fov * factor));
  else state.distance = Math.min(8 * span, Math.max(0.05 * span, state.distance * factor));
  redraw();
}
canvas.addEventListener('wheel', e => { e.preventDefault(); zoom(Math.exp(e.deltaY * 0.001)); }, {passive: false});
new ResizeObserver(() => redraw()).observe(canvas);

function row(parent, kind, name, checked, text, colour, note, change) {
  const label = document.createElement('label'), input = document.createElement('input');
  Object.assign(input, {type: kind, name, checked});
  input.onchange = () => change(input.checked);
  label.append(input);
  if (colour) {
    const chip = document.createElement('i');
    chip.style.background = `rgb(${colour.join(',')})`;
    label.append(chip);
  }
  const words = document.createElement('span'), count = document.createElement('small');
  words.textContent = text;
  count.textContent = note;
  label.append(words, count);
  parent.append(label);
  return input;
}

const hiddenOf = new Map();  // what is switched off stays so from frame to frame
function listClasses() {
  const parent = document.getElementById('classes'), {palette, classes} = scene.volumes[state.volume];
  parent.textContent = '';
  const counts = new Uint32Array(256);
  for (const label of current.labels[state.volume]) counts[label]++;
  if (!hiddenOf.has(state.volume)) hiddenOf.set(state.volume, new Set(scene.show_unknown ? [] : [UNKNOWN]));
  state.hidden = hiddenOf.get(state.volume);
  const rows = classes.map((name, i) => [i + 1, name.replaceAll('_', ' '), palette[i]]);
  rows.push([UNKNOWN, 'unknown', UNKNOWN_COLOUR]);
  for (const [label, name, colour] of rows)
    row(parent, 'checkbox', '', !state.hidden.has(label), name, colour, counts[label].toLocaleString(), on => {
      if (on) state.hidden.delete(label); else state.hidden.add(label);
      redraw(true);
    });
  redraw(true);
}

const toggles = {};
function listMasks() {
  const parent = document.getElementById('masks');
  if (scene.known) toggles.onlyKnown = row(parent, 'checkbox', 'onlyKnown', false, scene.known_caption, null, '', on => {
    state.onlyKnown = on;
    redraw(true);
  });
  if (scene.panorama) toggles.overlay = row(parent, 'checkbox', 'overlay', false, 'over the panorama', null, '', on => {
    state.overlay = on;
    redrawPanorama();
  });
  if (scene.probability) {
    const label = document.createElement('label'), words = document.createElement('span');
    const slider = Object.assign(document.createElement('input'), {type: 'range', id: 'surer', min: 0, max: 100, value: 0});
    words.textContent = 'surer than 0 %';
    slider.oninput = () => {
      state.surer = Number(slider.value) / 100;
      words.textContent = `surer than ${slider.value} %`;
      redraw(true);
    };
    label.append(words, slider);
    parent.append(label);
  }
  if (parent.children.length) parent.prepend(Object.assign(document.createElement('h2'), {textContent: 'Only'}));
}

const slider = document.getElementById('time');
let playing = null;
function goTo(index) {
  state.frame = (index + packed.length) % packed.length;
  current = frameAt(state.frame);
  slider.value = state.frame;
  document.getElementById('moment').textContent = `${current.name}  ${current.time.toFixed(1)} s`;
  choose(-1);
  listClasses();
}
function play() {
  if (playing) { clearInterval(playing); playing = null; } else playing = setInterval(() => goTo(state.frame + 1), 250);
  document.getElementById('play').textContent = playing ? '\u275a\u275a' : '\u25b6';
}

function fold(folded) {
  document.body.classList.toggle('folded', folded);
  document.getElementById('fold').setAttribute('aria-expanded', String(!folded));
  redraw();
}
function switchTheme() {
  document.documentElement.dataset.theme = dark() ? 'light' : 'dark';
  redraw(true);
}
function chooseVolume(index) {
  const inputs = document.querySelectorAll('#volumes input');
  if (index < inputs.length) inputs[index].click();
}
const toggle = name => toggles[name] && toggles[name].click();

const KEYS = [
  ['\u2190 \u2192 \u2191 \u2193', 'turn', {ArrowLeft: () => turn(-0.08, 0), ArrowRight: () => turn(0.08, 0),
    ArrowUp: () => turn(0, 0.06), ArrowDown: () => turn(0, -0.06)}],
  ['+ \u2212', 'nearer, farther', {'+': () => zoom(0.88), '=': () => zoom(0.88), '-': () => zoom(1.14)}],
  ['b a r', 'behind, above, from the robot', {b: () => look(0.38, -0.66, false),
    a: () => look(0, -Math.PI / 2, false), r: () => look(0, 0, true)}],
  ['1 2 3', 'volume', Object.fromEntries([1, 2, 3, 4, 5].map(n => [String(n), () => chooseVolume(n - 1)]))],
  ['k o', 'only known, over the panorama', {k: () => toggle('onlyKnown'), o: () => toggle('overlay')}],
  [', . space', 'frame back, on, play', {',': () => goTo(state.frame - 1), '.': () => goTo(state.frame + 1),
    ' ': () => packed.length > 1 && play()}],
  ['m d', 'panel, dark', {m: () => fold(!document.body.classList.contains('folded')), d: switchTheme}],
];
window.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const typing = e.target.tagName === 'INPUT' && (e.key.startsWith('Arrow') || e.key === ' ');
  const found = KEYS.find(([, , keys]) => e.key in keys);
  if (!found || typing || (e.key === ' ' && e.target.tagName === 'BUTTON')) return;
  e.preventDefault();
  found[2][e.key]();
});

function start() {
  document.getElementById('title').textContent = document.title = scene.title;
  for (const [keys, meaning] of KEYS) for (const [kind, text] of [['dt', keys], ['dd', meaning]])
    document.getElementById('keys').append(Object.assign(document.createElement(kind), {textContent: text}));
  if (scene.volumes.length > 1) scene.volumes.forEach((volume, i) => row(
    document.getElementById('volumes'), 'radio', 'volume', i === 0, volume.name, null, '',
    () => { state.volume = i; choose(-1); listClasses(); }));
  listMasks();
  scene.shape.forEach((n, axis) => {
    const cut = document.getElementById('cut' + axis);
    Object.assign(cut, {min: 1, max: n, value: n});
    cut.oninput = () => { state.cut[axis] = Number(cut.value); redraw(true); };
  });
  document.getElementById('behind').onclick = () => look(0.38, -0.66, false);
  document.getElementById('above').onclick = () => look(0, -Math.PI / 2, false);
  document.getElementById('inside').onclick = () => look(0, 0, true);
  document.getElementById('theme').onclick = switchTheme;
  document.getElementById('fold').onclick = () => fold(!document.body.classList.contains('folded'));
  document.getElementById('play').onclick = play;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw(true));
  document.getElementById('ride').hidden = packed.length < 2;
  slider.max = packed.length - 1;
  slider.oninput = () => goTo(Number(slider.value));
  fold(window.innerWidth <= 700);
  pane.hidden = !current.panorama;
  goTo(0);
  look(0.38, -0.66, false);
}
start();
