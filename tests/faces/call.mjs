// Calls a function of a module. The standard input is the JSON of
// {module, name, args}. The output is the JSON of the result and of the
// arguments, which the function may have changed.

import {readFileSync} from 'node:fs';
import {pathToFileURL} from 'node:url';

const read = (key, value) =>
  key === 'data' ? Uint8ClampedArray.from(value) : value;
const write = (key, value) =>
  ArrayBuffer.isView(value) ? Array.from(value) : value;

const {module, name, args} = JSON.parse(readFileSync(0, 'utf8'), read);
const functions = await import(pathToFileURL(module));
const result = functions[name](...args);
console.log(JSON.stringify({result, args}, write));
