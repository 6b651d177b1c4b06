// Pasting a face into its photo. Does what tf_i2i/faces/paste.py does.

import {
  apply, boxAround, cropMatrix, invert, similarity, smooth, warp,
} from './align.mjs';

const CENTRE = [0.5, 0.45];
const AXES = [0.52, 0.64];
const FEATHER = 0.15;

/** Returns the oval mask at a position in the face square, from 0 to 1. */
export function headMask(x, y) {
  const radius = Math.hypot((x - CENTRE[0]) / AXES[0], (y - CENTRE[1]) / AXES[1]);
  return smooth((1 - radius) * Math.min(...AXES) / FEATHER);
}

/**
 * Pastes a picture into a photo, which is changed, where the face was cropped.
 *
 * The mask is the oval of a head, or the alpha of the picture if `outlined`.
 */
export function paste(photo, picture, face, margin, outlined) {
  const toPhoto = invert(cropMatrix(face, picture.width, margin));
  const {low, high} = boxAround(toPhoto, picture.width, picture.height);
  const limits = [photo.width, photo.height];
  const [left, top] = low.map((value, i) => Math.min(limits[i], Math.max(0, value)));
  const [right, bottom] = high.map((value, i) => Math.min(limits[i], Math.max(0, value)));
  if (right <= left || bottom <= top) return;
  toPhoto[2] -= left;
  toPhoto[5] -= top;
  const warped = warp(picture, toPhoto, right - left, bottom - top);
  const toFace = similarity(face.points, face.places);
  for (let row = top, from = 0; row < bottom; row++) {
    for (let column = left; column < right; column++, from += 4) {
      const [x, y] = apply(toFace, [column + .5, row + .5]);
      const rim = Math.min(x, y, 1 - x, 1 - y) + margin;
      const mask = (outlined ? warped.data[from + 3] / 255 : headMask(x, y))
          * smooth(rim / FEATHER);
      const to = 4 * (row * photo.width + column);
      for (let k = 0; k < 3; k++) {
        photo.data[to + k] += mask * (warped.data[from + k] - photo.data[to + k]);
      }
    }
  }
}
