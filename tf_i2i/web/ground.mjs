// Plain backgrounds of drawings. Does what tf_i2i/ground.py does; that file
// explains the method and its constants.

const TOLERANCE = 12;
const SHARE = 0.75;
const SOFT = 5;
const RIM = 3;
const REACH = SOFT + 2;
const MISFIT = 32;
const FARTHER = 4;
const IN_EDGE = 400;

/**
 * Returns a drawing without its plain background, or null.
 *
 * Null stands for an image without a plain background, and for an image of
 * one colour, which has nothing but a background.
 */
export function withoutGround(image) {
  const colour = plainGround(image);
  if (!colour) return null;
  const cleared = clearGround(image, colour);
  return cleared.data.some((value, i) => i % 4 === 3 && value) ? cleared : null;
}

/** Returns the colour [red, green, blue] of a plain background, or null. */
export function plainGround({width, height, data}) {
  const edges = [];
  for (let x = 0; x < width; x++) edges.push(4 * x);
  for (let y = 0; y < height; y++) {
    edges.push(4 * y * width, 4 * (y * width + width - 1));
  }
  const colour = [0, 1, 2].map(
      (k) => median(Uint8Array.from(edges, (at) => data[at + k])));
  const same = edges.filter((at) => difference(data, at, colour) <= TOLERANCE);
  return same.length >= SHARE * edges.length ? colour : null;
}

function median(values) {
  values.sort();
  const middle = values.length / 2;
  const [low, high] = [values[Math.ceil(middle) - 1], values[Math.floor(middle)]];
  const half = (low + high) / 2;
  // A half is rounded to the even neighbour, as NumPy does.
  return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
}

function difference(data, at, colour) {
  return Math.max(...colour.map((value, k) => Math.abs(data[at + k] - value)));
}

/** Returns the image with an alpha of 0 in the background. */
export function clearGround({width, height, data}, colour) {
  const shape = {width, height};
  const away = Uint8Array.from(
      {length: width * height}, (_, i) => difference(data, 4 * i, colour));
  const ground = connected(away, shape);
  const edge = softEdges(ground, away, shape);
  const peaks = rank(away, shape, SOFT, Math.max);
  const costs = Float32Array.from(away, (_, i) => {
    if (!ground[i] && !edge[i]) return 0;
    const peak = edge[i] && away[i] === peaks[i] && away[i] > 2 * TOLERANCE;
    return peak ? IN_EDGE : Infinity;
  });
  const made = new Uint8ClampedArray(data);
  for (let i = 0; i < away.length; i++) {
    const alpha = ground[i] ? 0
      : edge[i] ? estimateAlpha(data, colour, costs, shape, i) : 1;
    made[4 * i + 3] = 255 * alpha;
    if (alpha === 0 || alpha === 1) continue;
    for (let k = 0; k < 3; k++) {
      made[4 * i + k] = (data[4 * i + k] - (1 - alpha) * colour[k]) / alpha;
    }
  }
  return {width, height, data: made};
}

/** Returns a mask of the background: connected with three of the edges. */
function connected(away, {width, height}) {
  const reached = new Uint8Array(away.length);
  const waiting = [];
  const visit = (i) => {
    if (reached[i] || away[i] > TOLERANCE) return;
    reached[i] = 1;
    waiting.push(i);
  };
  for (let x = 0; x < width; x++) visit(x);
  for (let y = 0; y < height; y++) {
    visit(y * width);
    visit(y * width + width - 1);
  }
  while (waiting.length) {
    const i = waiting.pop();
    if (i % width > 0) visit(i - 1);
    if (i % width < width - 1) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i + width < away.length) visit(i + width);
  }
  return reached;
}

/** Returns a mask of the pixels that may be mixtures. */
function softEdges(ground, away, shape) {
  let reached = ground;
  for (let round = 0; round < SOFT; round++) {
    const lowest = rank(
        away.map((value, i) => reached[i] ? value : 255), shape, 1, Math.min);
    reached = reached.map((value, i) => {
      const limit = round < RIM ? 254 : Math.min(254, away[i] + TOLERANCE);
      return value || lowest[i] <= limit ? 1 : 0;
    });
  }
  return reached.map((value, i) => value && !ground[i] ? 1 : 0);
}

/** Returns the smallest or largest value in a square around each pixel. */
function rank(values, {width, height}, radius, choose) {
  const rows = values.map((_, i) => {
    const row = i - i % width;
    const from = Math.max(row, i - radius);
    const to = Math.min(row + width - 1, i + radius);
    let best = values[from];
    for (let j = from + 1; j <= to; j++) best = choose(best, values[j]);
    return best;
  });
  return rows.map((_, i) => {
    const from = Math.max(i % width, i - radius * width);
    const to = Math.min((height - 1) * width + i % width, i + radius * width);
    let best = rows[from];
    for (let j = from + width; j <= to; j += width) best = choose(best, rows[j]);
    return best;
  });
}

/** Returns the share of the figure in a mixed pixel. */
function estimateAlpha(data, colour, costs, {width, height}, i) {
  const [r, g, b] = colour;
  const [x, y] = [i % width, Math.floor(i / width)];
  const [mr, mg, mb] = [data[4 * i] - r, data[4 * i + 1] - g, data[4 * i + 2] - b];
  let least = Infinity;
  let alpha = 0;
  for (let dy = -REACH; dy <= REACH; dy++) {
    const row = Math.min(height - 1, Math.max(0, y + dy)) * width;
    for (let dx = -REACH; dx <= REACH; dx++) {
      const distance = Math.hypot(dx, dy);
      const at = row + Math.min(width - 1, Math.max(0, x + dx));
      if (distance > REACH || costs[at] === Infinity) continue;
      const [fr, fg, fb] = [data[4 * at] - r, data[4 * at + 1] - g, data[4 * at + 2] - b];
      const square = Math.max(1, fr * fr + fg * fg + fb * fb);
      const share = Math.min(1, Math.max(0, (mr * fr + mg * fg + mb * fb) / square));
      const misfit = (mr - share * fr) ** 2 + (mg - share * fg) ** 2
          + (mb - share * fb) ** 2 + costs[at] + FARTHER * distance;
      if (misfit < least) [least, alpha] = [misfit, share];
    }
  }
  return least < Infinity && least > MISFIT ** 2 ? 1 : alpha;
}
