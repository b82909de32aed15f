/* The panorama above the voxels: its pixels and the voxels point at each other. */
const pane = document.getElementById('pane'), sheet = document.getElementById('panorama');
const painter = sheet.getContext('2d');
let overlay = null, panoramaPending = false;

/* Direction in the ego frame of a pixel, and the pixel (or null) of a place. */
function rayOf(u, v) {
  const {width, height, elevation_min: low, elevation_max: high} = current.panorama;
  const phi = 2 * Math.PI * u / width - Math.PI, theta = high - (high - low) * v / height;
  return [Math.cos(theta) * Math.cos(phi), -Math.cos(theta) * Math.sin(phi), Math.sin(theta)];
}
function pixelOf(place) {
  const {width, height, elevation_min: low, elevation_max: high, eye} = current.panorama;
  const [x, y, z] = place.map((p, i) => p - eye[i]);
  const phi = Math.atan2(-y, x), theta = Math.atan2(z, Math.hypot(x, y));
  return [(phi + Math.PI) / (2 * Math.PI) * width, (high - theta) / (high - low) * height];
}

/* Small panoramas are painted larger, so that what is drawn over them is not. */
const finer = () => Math.max(1, Math.round(1024 / current.panorama.width));

/* What is visible of the voxels, drawn as the panorama's camera sees it, at half the size of the canvas. */
function paintOverlay() {
  const {width, height, eye} = current.panorama;
  const w = Math.ceil(width * finer() / 2), h = Math.ceil(height * finer() / 2);
  const layer = Object.assign(document.createElement('canvas'), {width: w, height: h});
  const pixels = new ImageData(w, h);
  for (let v = 0, at = 0; v < h; v++) for (let u = 0; u < w; u++, at += 4) {
    const {voxel, axis} = march(eye, rayOf((u + 0.5) * width / w, (v + 0.5) * height / h));
    if (voxel < 0) continue;
    const shade = [0.85, 0.72, 1][axis];
    const rgb = colourOf(visible[voxel]);
    pixels.data.set([rgb[0] * shade, rgb[1] * shade, rgb[2] * shade, 150], at);
  }
  layer.getContext('2d').putImageData(pixels, 0, 0);
  return layer;
}

function drawPanorama() {
  panoramaPending = false;
  pane.hidden = !current.panorama;
  if (pane.hidden) return;
  const {width, height} = current.panorama;
  const factor = finer();
  if (sheet.width !== width * factor || sheet.height !== height * factor) {
    Object.assign(sheet, {width: width * factor, height: height * factor});
    sheet.style.setProperty('--ratio', width / height);
  }
  painter.setTransform(factor, 0, 0, factor, 0, 0);
  painter.clearRect(0, 0, width, height);
  if (current.image && current.image.complete) painter.drawImage(current.image, 0, 0, width, height);
  if (state.overlay) {
    overlay = overlay || paintOverlay();
    painter.drawImage(overlay, 0, 0, width, height);
  }
  if (state.chosen >= 0) outline(state.chosen, width);
}
function redrawPanorama(changed) {
  if (changed) overlay = null;
  if (!panoramaPending) { panoramaPending = true; requestAnimationFrame(drawPanorama); }
}

/* The edges of a voxel, cut into pieces: straight lines are curves here; none is drawn across the seam. */
function outline(voxel, width) {
  const centre = centreOf(voxel), h = scene.voxel_size / 2;
  painter.strokeStyle = '#ff00c8';
  painter.lineWidth = 2 / finer();
  painter.beginPath();
  for (let axis = 0; axis < 3; axis++) for (const a of [-h, h]) for (const b of [-h, h]) {
    let before = null;
    for (let part = 0; part <= 6; part++) {
      const p = centre.slice();
      p[axis] += h * (part / 3 - 1); p[(axis + 1) % 3] += a; p[(axis + 2) % 3] += b;
      const pixel = pixelOf(p);
      if (before && Math.abs(pixel[0] - before[0]) < width / 2) { painter.moveTo(...before); painter.lineTo(...pixel); }
      before = pixel;
    }
  }
  painter.stroke();
}

/* Point at a voxel, in both pictures and in words; -1 for none. */
function choose(voxel) {
  if (voxel === state.chosen) return;
  state.chosen = voxel;
  const readout = document.getElementById('readout');
  if (voxel < 0) readout.textContent = '';
  else {
    const place = centreOf(voxel), sure = current.probability ? current.probability[voxel] : 0;
    const away = Math.hypot(place[0], place[1]).toFixed(1);
    readout.textContent = `${nameOf(visible[voxel])}, ${away} m away (${place.map(p => p.toFixed(1)).join(', ')})`
      + (sure ? `, ${Math.round(sure / 2.55)} %` : '');
  }
  redraw();
  redrawPanorama();
}

function panoramaPointer(event) {
  const box = sheet.getBoundingClientRect();
  const {width, height, eye} = current.panorama;
  const u = (event.clientX - box.left) * width / box.width, v = (event.clientY - box.top) * height / box.height;
  choose(march(eye, rayOf(u, v)).voxel);
}
sheet.addEventListener('pointermove', panoramaPointer);
sheet.addEventListener('pointerdown', panoramaPointer);
sheet.addEventListener('pointerleave', event => { if (event.pointerType === 'mouse') choose(-1); });
/* A double click turns the view to where the pixel looks. */
sheet.addEventListener('dblclick', event => {
  const box = sheet.getBoundingClientRect();
  look(2 * Math.PI * (event.clientX - box.left) / box.width - Math.PI, state.inside ? 0 : -0.66, state.inside);
});
