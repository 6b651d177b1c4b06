// Aligned square crops of faces. Every function does what the function of the
// same name in tf_i2i/faces/align.py does; that file explains the face square.
//
// An image is {width, height, data}, where data has four values per pixel: red,
// green, blue and alpha. A map [a, b, c, d, e, f] takes the point (x, y) to
// (a x + b y + c, d x + e y + f). A face is {points, places}, lists of [x, y].

export const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];
const FADE = 0.08;
const BLUR = 0.06;

/** Returns the face whose face square is the central square of an image. */
export function central({width, height}) {
  const side = Math.min(width, height);
  const left = (width - side) / 2;
  const top = (height - side) / 2;
  const points = CORNERS.map(([x, y]) => [left + x * side, top + y * side]);
  return {points, places: CORNERS};
}

/** Returns the rotation, scale and shift that map points best to targets. */
export function similarity(points, targets) {
  const [px, py] = mean(points);
  const [tx, ty] = mean(targets);
  let real = 0;
  let imaginary = 0;
  let norm = 0;
  points.forEach(([x, y], i) => {
    const [u, v] = [x - px, y - py];
    const [s, t] = [targets[i][0] - tx, targets[i][1] - ty];
    real += u * s + v * t;
    imaginary += u * t - v * s;
    norm += u * u + v * v;
  });
  const [a, b] = [real / norm, imaginary / norm];
  return [a, -b, tx - a * px + b * py, b, a, ty - b * px - a * py];
}

export function mean(points) {
  const sum = points.reduce(([a, b], [x, y]) => [a + x, b + y], [0, 0]);
  return sum.map((value) => value / points.length);
}

/** Returns the side of the face square in pixels of the photo. */
export function sideOf(face) {
  return 1 / scaleOf(similarity(face.points, face.places));
}

/** Returns the map from the photo's pixels to those of a crop. */
export function cropMatrix(face, size, margin) {
  const map = similarity(face.points, face.places);
  map[2] += margin;
  map[5] += margin;
  return map.map((value) => value * size / (1 + 2 * margin));
}

/** Returns an upright square crop of a face in a photo. */
export function crop(photo, face, size, margin) {
  const matrix = cropMatrix(face, size, margin);
  const picture = warp(photo, matrix, size, size);
  const far = beyond(matrix, size, photo);
  if (!far) return picture;
  const mask = far.map((distance) => smooth(distance / FADE));
  return blend(blur(picture), picture, mask);
}

/** Returns the distances of pixels from the photo, or null if all are inside. */
function beyond(matrix, size, {width, height}) {
  const inverse = invert(matrix);
  const {low, high} = boxAround(inverse, size, size);
  if (Math.min(...low) >= 0 && high[0] <= width && high[1] <= height) return null;
  const [a, b, c, d, e, f] = inverse;
  const share = scaleOf(matrix) / size;
  const far = new Float64Array(size * size);
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++, to++) {
      const x = a * (column + .5) + b * (row + .5) + c;
      const y = d * (column + .5) + e * (row + .5) + f;
      far[to] = Math.max(0, -x, -y, x - width, y - height) * share;
    }
  }
  return far;
}

/** Blends two images; `mask` has one value in [0, 1] per pixel. */
export function blend(over, under, mask) {
  const {width, height} = under;
  const data = under.data.map(
      (value, i) => value + mask[i >> 2] * (over.data[i] - value));
  return {width, height, data};
}

export function smooth(t) {
  const inside = Math.min(1, Math.max(0, t));
  return inside * inside * (3 - 2 * inside);
}

export function invert([a, b, c, d, e, f]) {
  const n = a * e - b * d;
  return [e / n, -b / n, (b * f - c * e) / n, -d / n, a / n, (c * d - a * f) / n];
}

export function apply([a, b, c, d, e, f], [x, y]) {
  return [a * x + b * y + c, d * x + e * y + f];
}

export function scaleOf(matrix) {
  return Math.hypot(matrix[0], matrix[3]);
}

/** Returns the smallest box, as whole pixels, around the corners of a square. */
export function boxAround(matrix, width, height, slack = 0) {
  const seen = CORNERS.map(([x, y]) => apply(matrix, [x * width, y * height]));
  const [xs, ys] = [0, 1].map((axis) => seen.map((point) => point[axis]));
  return {
    low: [xs, ys].map((all) => Math.floor(Math.min(...all) - slack)),
    high: [xs, ys].map((all) => Math.ceil(Math.max(...all) + slack)),
  };
}

/** Resamples an image by an affine map, antialiased; mirrors at its borders. */
export function warp(image, matrix, width, height) {
  const inverse = invert(matrix);
  const scale = scaleOf(matrix);
  const {low, high} = boxAround(inverse, width, height, 3 / Math.min(1, scale));
  const sides = [0, 1].map(
      (i) => Math.max(1, Math.round(scale * (high[i] - low[i]))));
  const region = resize(mirror(image, low, high), ...sides);
  for (const i of [0, 1]) {
    inverse[3 * i + 2] -= low[i];
    const factor = sides[i] / (high[i] - low[i]);
    for (const j of [0, 1, 2]) inverse[3 * i + j] *= factor;
  }
  return transform(region, inverse, width, height);
}

function mirror(image, low, high) {
  const [width, height] = [high[0] - low[0], high[1] - low[1]];
  const data = new Uint8ClampedArray(4 * width * height);
  const pixels = new Uint32Array(data.buffer);
  const source = new Uint32Array(
      image.data.buffer, image.data.byteOffset, image.width * image.height);
  for (let y = 0, to = 0; y < height; y++) {
    const row = reflect(low[1] + y, image.height) * image.width;
    for (let x = 0; x < width; x++) {
      pixels[to++] = source[row + reflect(low[0] + x, image.width)];
    }
  }
  return {width, height, data};
}

function reflect(index, length) {
  const period = 2 * length;
  const inside = ((index % period) + period) % period;
  return inside < length ? inside : period - 1 - inside;
}

// Resampling with the filters of Pillow: `resize` with BICUBIC.

function resize(image, width, height) {
  return along(along(image, width, true), height, false);
}

/** Resizes an image in one direction. */
function along({width, height, data}, size, horizontal) {
  const [from, lines] = horizontal ? [width, height] : [height, width];
  const [step, stride] = horizontal ? [4, 4 * width] : [4 * width, 4];
  const [madeStep, madeStride] = horizontal ? [4, 4 * size] : [4 * width, 4];
  const made = new Uint8ClampedArray(4 * size * lines);
  for (let i = 0; i < size; i++) {
    const {first, weights} = taps(i, from / size, from);
    for (let line = 0; line < lines; line++) {
      let at = line * stride + first * step;
      let [r, g, b, a] = [0, 0, 0, 0];
      for (let tap = 0; tap < weights.length; tap++, at += step) {
        const weight = weights[tap];
        r += weight * data[at];
        g += weight * data[at + 1];
        b += weight * data[at + 2];
        a += weight * data[at + 3];
      }
      const to = line * madeStride + i * madeStep;
      made[to] = r;
      made[to + 1] = g;
      made[to + 2] = b;
      made[to + 3] = a;
    }
  }
  return horizontal
    ? {width: size, height, data: made} : {width, height: size, data: made};
}

function taps(i, scale, length) {
  const stretch = Math.max(1, scale);
  const centre = (i + .5) * scale;
  const first = Math.max(0, Math.trunc(centre - 2 * stretch + .5));
  const last = Math.min(length, Math.trunc(centre + 2 * stretch + .5));
  const weights = Float64Array.from(
      {length: last - first}, (_, k) => cubic((first + k - centre + .5) / stretch));
  const sum = weights.reduce((a, b) => a + b);
  return {first, weights: weights.map((weight) => weight / sum)};
}

function cubic(x) {
  const t = Math.abs(x);
  if (t < 1) return 1.5 * t * t * t - 2.5 * t * t + 1;
  return t < 2 ? -.5 * t * t * t + 2.5 * t * t - 4 * t + 2 : 0;
}

/** Pillow's `transform` with AFFINE and BICUBIC. */
function transform({width: sourceWidth, height: sourceHeight, data}, inverse, width, height) {
  const made = new Uint8ClampedArray(4 * width * height);
  const [a, b, c, d, e, f] = inverse;
  const across = new Float64Array(4);
  const down = new Float64Array(4);
  const columns = new Int32Array(4);
  for (let row = 0, to = 0; row < height; row++) {
    for (let column = 0; column < width; column++, to += 4) {
      const x = a * (column + .5) + b * (row + .5) + c - .5;
      const y = d * (column + .5) + e * (row + .5) + f - .5;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      sharper(x - left, across);
      sharper(y - top, down);
      for (let i = 0; i < 4; i++) columns[i] = 4 * clip(left - 1 + i, sourceWidth);
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let j = 0; j < 4; j++) {
        const line = 4 * clip(top - 1 + j, sourceHeight) * sourceWidth;
        for (let i = 0; i < 4; i++) {
          const at = line + columns[i];
          const weight = down[j] * across[i];
          red += weight * data[at];
          green += weight * data[at + 1];
          blue += weight * data[at + 2];
          alpha += weight * data[at + 3];
        }
      }
      made[to] = red;
      made[to + 1] = green;
      made[to + 2] = blue;
      made[to + 3] = alpha;
    }
  }
  return {width, height, data: made};
}

/** Writes the weights of four neighbours: the cubic with a = -1. */
function sharper(t, weights) {
  const [t2, t3] = [t * t, t * t * t];
  weights[0] = -t + 2 * t2 - t3;
  weights[1] = 1 - 2 * t2 + t3;
  weights[2] = t + t2 - t3;
  weights[3] = t3 - t2;
}

function clip(index, length) {
  return Math.min(length - 1, Math.max(0, index));
}

/** Pillow's GaussianBlur: three box blurs in each direction. */
export function blur(image) {
  const radius = boxRadius(BLUR * image.height);
  let made = image;
  for (const horizontal of [true, false]) {
    for (let i = 0; i < 3; i++) made = boxBlur(made, radius, horizontal);
  }
  return made;
}

/** Returns the radius whose box, three times, has a standard deviation. */
function boxRadius(deviation) {
  const variance = deviation * deviation / 3;
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
      / (6 * (variance - (whole + 1) ** 2));
  return whole + part;
}

function boxBlur({width, height, data}, radius, horizontal) {
  const [length, lines] = horizontal ? [width, height] : [height, width];
  const [step, stride] = horizontal ? [4, 4 * width] : [4 * width, 4];
  const whole = Math.floor(radius);
  const rest = radius - whole;
  const made = new Uint8ClampedArray(data.length);
  for (let line = 0; line < lines; line++) {
    for (let k = 0; k < 4; k++) {
      const start = line * stride + k;
      const at = (i) => data[start + clip(i, length) * step];
      let sum = 0;
      for (let i = -whole; i <= whole; i++) sum += at(i);
      for (let i = 0; i < length; i++) {
        const ends = at(i - whole - 1) + at(i + whole + 1);
        made[start + i * step] = (sum + rest * ends) / (2 * radius + 1);
        sum += at(i + whole + 1) - at(i - whole);
      }
    }
  }
  return {width, height, data: made};
}
