// Finds the faces of people with the networks of MediaPipe's face detection
// (Bazarevsky et al. 2019, "BlazeFace", arXiv:1907.05047). The functions that
// run the networks are given, so that this file also works without a browser.

import {
  apply, boxAround, cropMatrix, invert, mean, sideOf, similarity, warp, CORNERS,
} from './align.mjs';

// Grids of the anchors: cells per side, and anchors per cell.
const GRIDS = {short: [[16, 2], [8, 6]], full: [[48, 1]]};
// Positions in the face square of the left eye, the right eye and the middle of
// the mouth. They are averages over 133 photos whose face squares were found by
// tf_i2i/faces/detect.py.
const PLACES = [[0.337, 0.393], [0.663, 0.393], [0.5, 0.761]];
const LANDMARKS = [0, 1, 3]; // Those of `PLACES` among the network's six.
const LEAST = 0.5; // Smallest probability of a face.
const OVERLAP = 0.3; // Boxes that overlap more than this are of one face.
const MARGIN = 0.35; // Margin of the crops in which a face is found again.

/**
 * Returns the faces in a photo, the largest first.
 *
 * The networks look at the whole photo. Each face that one of them finds is
 * cropped upright, and found again in its crop, which gives exact landmarks. A
 * face that is not found again is left out.
 *
 * networks: {short, full}, each with `size`, the side of its images, and
 *     `run`, an asynchronous function from Float32Array [size, size, 3] in
 *     [-1, 1] to {boxes, scores}: [anchors, 16] and [anchors].
 */
export async function findFaces(photo, {short, full}) {
  const found = [];
  for (const [kind, network] of Object.entries({full, short})) {
    const whole = around(photo);
    for (const face of await lookAt(photo, whole, 0, kind, network)) {
      keep(found, face);
    }
  }
  const faces = [];
  for (const face of found) {
    const again = await lookAt(photo, face, MARGIN, 'short', short);
    if (again.length) keep(faces, again.reduce(nearerTo(face)));
  }
  return faces.sort((a, b) => sideOf(b) - sideOf(a));
}

/** Returns the square around a whole photo, as if it were a face. */
function around({width, height}) {
  const side = Math.max(width, height);
  const [left, top] = [(width - side) / 2, (height - side) / 2];
  const points = CORNERS.map(([x, y]) => [left + side * x, top + side * y]);
  return {points, places: CORNERS};
}

function nearerTo(face) {
  const [x, y] = mean(face.points);
  const distance = ({points}) => {
    const [u, v] = mean(points);
    return Math.hypot(u - x, v - y);
  };
  return (a, b) => distance(b) < distance(a) ? b : a;
}

/** Adds a face to a list, unless the list has it already. */
function keep(faces, face) {
  const box = boxOf(face);
  if (faces.every((other) => overlap(boxOf(other), box) <= OVERLAP)) {
    faces.push(face);
  }
}

/** Returns the upright box {x, y, width, height} around a face square. */
function boxOf({points, places}) {
  const {low, high} = boxAround(invert(similarity(points, places)), 1, 1);
  const [width, height] = [high[0] - low[0], high[1] - low[1]];
  return {x: low[0] + width / 2, y: low[1] + height / 2, width, height};
}

/** Returns the faces that a network finds in a crop, in the photo's pixels. */
async function lookAt(photo, face, margin, kind, network) {
  const {size} = network;
  const matrix = cropMatrix(face, size, margin);
  const picture = warp(photo, matrix, size, size);
  const {boxes, scores} = await network.run(toTensor(picture));
  const toPhoto = invert(matrix);
  const faces = decode(boxes, scores, kind, size).map((landmarks) => ({
    points: LANDMARKS.map((i) => apply(toPhoto, landmarks[i])),
    places: PLACES,
  }));
  // Beyond its borders a crop shows the mirror image of the photo.
  return faces.filter((one) => isInside(photo, mean(one.points)));
}

function isInside({width, height}, [x, y]) {
  return x >= 0 && y >= 0 && x < width && y < height;
}

function toTensor({data}) {
  const values = new Float32Array(data.length / 4 * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    for (let k = 0; k < 3; k++) values[to++] = data[from + k] / 127.5 - 1;
  }
  return values;
}

/**
 * Returns the landmarks of the faces in an image, the most probable face first.
 *
 * A row of `boxes` has the centre and the sides of a box, and the positions of
 * six landmarks, all in pixels; positions are relative to the anchor. `scores`
 * are logits. The landmarks of boxes that overlap are averaged, weighted by
 * their probabilities ("blending" in section 3.3 of the paper).
 */
export function decode(boxes, scores, kind, size) {
  const anchors = anchorsOf(kind, size);
  let rest = [];
  for (let i = 0; i < scores.length; i++) {
    const probability = 1 / (1 + Math.exp(-scores[i]));
    if (probability < LEAST) continue;
    const [x, y, width, height, ...places] = boxes.slice(16 * i, 16 * i + 16);
    const [left, top] = anchors[i];
    const landmarks = [0, 1, 2, 3, 4, 5].map(
        (k) => [left + places[2 * k], top + places[2 * k + 1]]);
    rest.push(
        {probability, x: left + x, y: top + y, width, height, landmarks});
  }
  rest.sort((a, b) => b.probability - a.probability);
  const found = [];
  while (rest.length) {
    const [best] = rest;
    const isSame = (box) => box === best || overlap(best, box) > OVERLAP;
    found.push(average(rest.filter(isSame)));
    rest = rest.filter((box) => !isSame(box));
  }
  return found;
}

function average(boxes) {
  const sum = boxes.reduce((total, {probability}) => total + probability, 0);
  return boxes[0].landmarks.map((_, k) => [0, 1].map((axis) => boxes.reduce(
      (total, {probability, landmarks}) =>
        total + probability / sum * landmarks[k][axis], 0)));
}

function anchorsOf(kind, size) {
  return GRIDS[kind].flatMap(([cells, count]) => Array.from(
      {length: cells * cells * count}, (_, i) => {
        const cell = Math.floor(i / count);
        return [cell % cells, Math.floor(cell / cells)].map(
            (index) => (index + .5) / cells * size);
      }));
}

/** Returns the area that two boxes share, divided by the area of their union. */
function overlap(a, b) {
  const width = shared(a.x, a.width, b.x, b.width);
  const height = shared(a.y, a.height, b.y, b.height);
  const both = width * height;
  return both / (a.width * a.height + b.width * b.height - both);
}

function shared(a, length, b, other) {
  const end = Math.min(a + length / 2, b + other / 2);
  return Math.max(0, end - Math.max(a - length / 2, b - other / 2));
}
