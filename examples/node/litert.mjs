// Loads LiteRT.js in Node. The package is written for browsers: it expects a
// page that can load scripts. This file supplies the few names that it uses.

import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname} from 'node:path';
import vm from 'node:vm';

const require = createRequire(import.meta.url);

/** Loads the WebAssembly part and returns the functions of LiteRT.js. */
export async function loadForNode() {
  const folder = `${dirname(require.resolve('@litertjs/core'))}/../wasm`;
  globalThis.navigator ??= {};
  Object.assign(globalThis, {
    self: globalThis,
    require,
    __dirname: folder,
    importScripts(url) {
      const path = String(url);
      vm.runInThisContext(readFileSync(path, 'utf8'), {filename: path});
    },
  });
  const litert = await import('@litertjs/core');
  await litert.loadLiteRt(`${folder}/`);
  return litert;
}
