// Translates a picture with an exported .tflite file.
//
//   node translate.mjs face.tflite photo.png translated.png

import {readFileSync} from 'node:fs';
import sharp from 'sharp';
import {loadForNode} from './litert.mjs';

const [modelPath, inputPath, outputPath] = process.argv.slice(2);
if (!outputPath) {
  console.error('Usage: node translate.mjs MODEL.tflite INPUT OUTPUT');
  process.exit(2);
}

const {loadAndCompile, Tensor} = await loadForNode();
const content = new Uint8Array(readFileSync(modelPath));
const model = await loadAndCompile(content, {accelerator: 'wasm'});

// The names are those of the file's signature.
const details = Object.fromEntries(
  model.getInputDetails().map((input) => [input.name, input]));
const [, height, width] = details.image.shape;

// The largest square in the middle of the picture, in the size of the model.
const pixels = await sharp(inputPath)
  .rotate()
  .resize(width, height, {fit: 'cover', kernel: 'cubic'})
  .removeAlpha()
  .toColourspace('srgb')
  .raw()
  .toBuffer();
const inputs = {image: new Tensor(new Uint8Array(pixels), [1, height, width, 3])};
if (details.style) inputs.style = firstStyle(details.style.shape);

const {image} = await model.run(inputs);
const translated = await image.data();
await sharp(Buffer.from(translated), {raw: {width, height, channels: 3}})
  .png()
  .toFile(outputPath);

/** Returns the first style of the file that `export` wrote beside the model. */
function firstStyle(shape) {
  const styles = JSON.parse(readFileSync(`${modelPath}.style.json`));
  const numbers = styles.samples[0].flat(Infinity);
  return new Tensor(Float32Array.from(numbers), [...shape]);
}
