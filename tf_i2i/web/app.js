// Runs an exported translator in the browser. The model translates the faces in
// the picture, or the part of the picture in the square. No picture leaves the
// page.

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';
import {crop} from './align.mjs';
import {findFaces} from './detect.mjs';
import {withoutGround} from './ground.mjs';
import {paste} from './paste.mjs';

const $ = (id) => document.getElementById(id);
const LONGEST = 1600; // Longest side of a photo on the page, in pixels.
const SMALLEST = 16; // Smallest side of the square, in pixels of the photo.

// The networks that find faces, and the sides of their images.
const FINDERS = {short: 128, full: 192};

const compiled = new Map(); // Model and device -> promise of the compiled model.
const photo = $('photo').getContext('2d', {willReadFrequently: true});
const square = {x: 0, y: 0, side: 0}; // Position and side, in pixels of the photo.
let models = [];
let camera = null;
let busy = false;
let again = false; // Whether to run once more, as something changed meanwhile.

function say(text, alarm = false) {
  $('status').textContent = text;
  $('status').classList.toggle('alarm', alarm);
}

// The model.

async function start() {
  try {
    const answer = await fetch('models.json');
    models = await answer.json();
    fill($('direction'), models.map((model) => model.name));
    $('faces').hidden = models[0].margin === null;
    $('directions').hidden = models.length < 2;
    await loadLiteRt(new URL('litert/core/wasm/', document.baseURI).href);
    $('devices').hidden = !(await hasGraphics());
    showStyles();
    await ready();
  } catch (error) {
    console.error(error);
    return say(`The model does not run in this browser: ${error.message ?? error}`, true);
  }
  say('Choose a picture, drop one here, or start the webcam.');
  document.body.dataset.ready = 'yes';
  return translate();
}

async function hasGraphics() {
  try {
    return Boolean(await navigator.gpu?.requestAdapter());
  } catch {
    return false;
  }
}

function fill(select, names) {
  select.replaceChildren(...names.map((name, i) => new Option(name, i)));
}

function showStyles() {
  const {styles} = models[$('direction').value];
  $('styles').hidden = !styles;
  if (styles) fill($('style'), styles.samples.map((_, i) => i + 1));
}

function ready() {
  return load(models[$('direction').value].url, $('device').value);
}

function load(url, accelerator) {
  const key = `${url} ${accelerator}`;
  if (!compiled.has(key)) {
    const loading = loadAndCompile(url, {accelerator});
    loading.catch(() => compiled.delete(key));
    compiled.set(key, loading);
  }
  return compiled.get(key);
}

// Returns the translation of a square image, and the milliseconds of the model.
async function run(image) {
  const began = performance.now();
  const [result] = await compute(
      await ready(), ({dtype}) => dtype === 'uint8' ? bytes(image) : chosenStyle());
  const took = performance.now() - began;
  return {made: toImage(result, image.width), took};
}

// Returns the values of a model's outputs; `valuesOf` gives those of an input.
async function compute(model, valuesOf) {
  const inputs = {};
  for (const details of model.getInputDetails()) {
    inputs[details.name] = new Tensor(valuesOf(details), [...details.shape]);
  }
  const outputs = Object.values(await model.run(inputs));
  const results = [];
  for (const output of outputs) results.push((await output.data()).slice());
  for (const tensor of [...Object.values(inputs), ...outputs]) {
    if (!tensor.deleted) tensor.delete();
  }
  return results;
}

function chosenStyle() {
  const {styles} = models[$('direction').value];
  return Float32Array.from(styles.samples[$('style').value].flat(Infinity));
}

async function side() {
  const details = (await ready()).getInputDetails();
  return details.find(({dtype}) => dtype === 'uint8').shape[1];
}

// Translation of the faces or of the square.

async function translate() {
  if (!square.side) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const done = await translateFaces() ?? await translateSquare();
    show(done.before, done.after);
    $('time').textContent = done.time;
    if (done.text || !camera) say(done.text ?? '');
    await offer();
    document.body.dataset.shown = Number(document.body.dataset.shown ?? 0) + 1;
  } catch (error) {
    console.error(error);
    say(`The model could not be run: ${error.message ?? error}`, true);
  }
  busy = false;
  if (again) {
    again = false;
    translate();
  }
}

async function translateSquare() {
  const before = cropped(await side());
  const {made, took} = await run(before);
  showSquare(true);
  const text = seeksFaces() ? 'No face was found. The square is translated.' : undefined;
  return {before, after: made, time: milliseconds(took), text};
}

function seeksFaces() {
  return !$('faces').hidden && $('shown').value !== 'square';
}

// Returns null if there is no face in the picture, or if none is to be found.
async function translateFaces() {
  if (!seeksFaces()) return null;
  const began = performance.now();
  const picture = photo.getImageData(0, 0, $('photo').width, $('photo').height);
  const faces = await findFaces(picture, await finders());
  if (!faces.length) return null;
  const found = performance.now();
  showSquare(false);
  const build = $('shown').value === 'alone' ? faceAlone : facesInPicture;
  const {before, after, took} = await build(picture, faces);
  return {before, after, time: times(began, found, took)};
}

async function faceAlone(picture, [largest]) {
  const {data, width} = await cutOut(picture, largest);
  const before = new ImageData(data, width);
  const {made, took} = await run(before);
  return {before, after: made, took};
}

async function facesInPicture(picture, faces) {
  const {data, width} = picture;
  const after = new ImageData(data.slice(), width);
  const {margin} = models[$('direction').value];
  let sum = 0;
  // The largest face comes last, because it is probably in front.
  for (const face of faces.reverse()) {
    const {made, took} = await run(await cutOut(picture, face));
    const figure = withoutGround(made);
    paste(after, figure ?? made, face, margin, Boolean(figure));
    sum += took;
  }
  return {before: picture, after, took: sum};
}

async function cutOut(picture, face) {
  return crop(picture, face, await side(), models[$('direction').value].margin);
}

function times(began, found, model) {
  const all = performance.now() - began;
  return `${milliseconds(all)} (faces ${milliseconds(found - began)}, `
      + `model ${milliseconds(model)})`;
}

function milliseconds(time) {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}

async function finders() {
  const networks = {};
  for (const [kind, size] of Object.entries(FINDERS)) {
    const model = await load(`faces/${kind}.tflite`, 'wasm');
    const run = async (values) => {
      const results = await compute(model, () => values);
      // There are 16 values of boxes for each score.
      const [scores, boxes] = results.sort((a, b) => a.length - b.length);
      return {boxes, scores};
    };
    networks[kind] = {size, run};
  }
  return networks;
}

function showSquare(visible) {
  $('crop').hidden = $('zoom').hidden = !visible;
}

function cropped(size) {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.imageSmoothingQuality = 'high';
  const {x, y, side: length} = square;
  context.drawImage($('photo'), x, y, length, length, 0, 0, size, size);
  return context.getImageData(0, 0, size, size);
}

function bytes({data}) {
  const rgb = new Uint8Array(data.length / 4 * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return rgb;
}

function toImage(rgb, size) {
  const image = new ImageData(size, size);
  for (let from = 0, to = 0; from < rgb.length;) {
    image.data[to++] = rgb[from++];
    image.data[to++] = rgb[from++];
    image.data[to++] = rgb[from++];
    image.data[to++] = 255;
  }
  return image;
}

function show(before, after) {
  for (const [id, image] of Object.entries({before, after})) {
    const canvas = $(id);
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext('2d').putImageData(image, 0, 0);
  }
  $('compare').classList.add('full');
  $('split').disabled = false;
}

async function offer() {
  if (camera) {
    $('download').hidden = true;
    return;
  }
  const blob = await new Promise((done) => $('after').toBlob(done));
  URL.revokeObjectURL($('download').href);
  $('download').href = URL.createObjectURL(blob);
  $('download').hidden = false;
}

// Pictures from a file or the webcam.

async function open(file) {
  if (!file) return;
  stopCamera();
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    say(`${file.name} is not a picture that this browser can read. `
        + 'Every browser reads JPEG, PNG and WebP.', true);
    return;
  }
  place(bitmap, bitmap.width, bitmap.height);
  bitmap.close();
  centre();
  translate();
}

function place(source, width, height) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const canvas = $('photo');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  // Transparent parts become white, as in training.
  photo.fillStyle = '#fff';
  photo.fillRect(0, 0, canvas.width, canvas.height);
  photo.imageSmoothingQuality = 'high';
  photo.drawImage(source, 0, 0, canvas.width, canvas.height);
  canvas.hidden = false;
  $('hint').hidden = true;
}

async function toggleCamera() {
  if (camera) return stopCamera();
  try {
    camera = await navigator.mediaDevices.getUserMedia(
        {video: {facingMode: 'user'}});
  } catch {
    say('There is no webcam, or this page is not allowed to use it.', true);
    return;
  }
  $('webcam').setAttribute('aria-pressed', 'true');
  $('video').srcObject = camera;
  await $('video').play();
  say('The webcam is on. Press Webcam again to keep the current picture.');
  watch(true);
}

function stopCamera() {
  if (!camera) return;
  for (const track of camera.getTracks()) track.stop();
  camera = null;
  $('webcam').setAttribute('aria-pressed', 'false');
  say('');
  if (square.side) translate();
}

async function watch(first = false) {
  if (!camera) return;
  const {videoWidth, videoHeight} = $('video');
  if (videoWidth) {
    place($('video'), videoWidth, videoHeight);
    if (first) centre();
    draw();
    await translate();
  }
  requestAnimationFrame(() => watch(first && !videoWidth));
}

// The square that is translated.

function centre() {
  const {width, height} = $('photo');
  square.side = Math.min(width, height);
  square.x = (width - square.side) / 2;
  square.y = (height - square.side) / 2;
  draw();
}

function put(x, y, length) {
  const {width, height} = $('photo');
  const most = Math.min(width, height);
  square.side = Math.min(most, Math.max(Math.min(SMALLEST, most), length));
  square.x = Math.min(width - square.side, Math.max(0, x));
  square.y = Math.min(height - square.side, Math.max(0, y));
  draw();
  translate();
}

// Changes the side of the square and keeps its centre.
function resize(length) {
  const more = (length - square.side) / 2;
  put(square.x - more, square.y - more, length);
}

// Returns the scale of the photo: screen pixels per pixel of the photo.
function shown() {
  const {width, height} = $('photo');
  const {clientWidth, clientHeight} = $('stage');
  return Math.min(clientWidth / width, clientHeight / height);
}

function draw() {
  const canvas = $('photo');
  const scale = shown();
  canvas.style.width = `${canvas.width * scale}px`;
  canvas.style.height = `${canvas.height * scale}px`;
  const {style} = $('crop');
  style.left = `${canvas.offsetLeft + square.x * scale}px`;
  style.top = `${canvas.offsetTop + square.y * scale}px`;
  style.width = style.height = `${square.side * scale}px`;
  $('side').value = 100 * square.side / Math.min(canvas.width, canvas.height);
}

function drag(event) {
  if (event.button) return;
  event.preventDefault();
  $('crop').focus();
  $('crop').setPointerCapture(event.pointerId);
  const growing = event.target === $('corner');
  const from = {...square, left: event.clientX, top: event.clientY};
  $('crop').onpointermove = (now) => {
    const right = (now.clientX - from.left) / shown();
    const down = (now.clientY - from.top) / shown();
    if (growing) put(from.x, from.y, from.side + Math.max(right, down));
    else put(from.x + right, from.y + down, from.side);
  };
}

function drop() {
  $('crop').onpointermove = null;
}

function key(event) {
  const step = Math.max(1, square.side / 20);
  const [right, down] = {
    ArrowLeft: [-step, 0],
    ArrowRight: [step, 0],
    ArrowUp: [0, -step],
    ArrowDown: [0, step],
  }[event.key] ?? [0, 0];
  if (right || down) put(square.x + right, square.y + down, square.side);
  else if (event.key === '+') resize(square.side + 2 * step);
  else if (event.key === '-') resize(square.side - 2 * step);
  else return;
  event.preventDefault();
}

// Actions of the visitor.

$('file').addEventListener('change', () => {
  open($('file').files[0]);
  $('file').value = ''; // So that the same file can be chosen again.
});
$('webcam').addEventListener('click', toggleCamera);
$('direction').addEventListener('change', () => {
  showStyles();
  translate();
});
$('style').addEventListener('change', translate);
$('device').addEventListener('change', translate);
$('shown').addEventListener('change', translate);
$('side').addEventListener('input', () => {
  const {width, height} = $('photo');
  resize($('side').value / 100 * Math.min(width, height));
});
$('split').addEventListener('input', () => {
  $('compare').style.setProperty('--split', `${$('split').value}%`);
});
$('crop').addEventListener('pointerdown', drag);
$('crop').addEventListener('pointerup', drop);
$('crop').addEventListener('pointercancel', drop);
$('crop').addEventListener('keydown', key);
new ResizeObserver(draw).observe($('stage'));

for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $('stage').classList.toggle('over', kind === 'dragover');
    if (kind === 'drop') open(event.dataTransfer.files[0]);
  });
}

start();
