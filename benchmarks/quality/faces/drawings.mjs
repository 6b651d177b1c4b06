// Draws faces in the style "personas" and writes words about them.
//
//   npm install @dicebear/core@9.4.3 @dicebear/personas@9.4.3 @resvg/resvg-js@2.6.2
//   node drawings.mjs FOLDER COUNT
//
// FOLDER gets COUNT images, and FOLDER.csv the words for `train --labels_b`.
// "personas" is by Draftbit (draftbit.com), CC BY 4.0.
import {createAvatar} from '@dicebear/core';
import * as personas from '@dicebear/personas';
import {Resvg} from '@resvg/resvg-js';
import fs from 'node:fs';

const HAIR = {
  bald: ['bald', 'balding'],
  short: ['sideShave', 'shortCombover', 'buzzcut', 'bunUndercut', 'fade',
    'straightBun', 'shortComboverChops', 'mohawk'],
  bob: ['bobCut', 'bobBangs'],
  long: ['long', 'extraLong', 'pigtails'],
  curly: ['curly', 'curlyHighTop', 'curlyBun'],
};
const BEARDS = {
  moustache: ['walrus', 'pyramid'],
  beard: ['beardMustache', 'goatee', 'shadow'],
};
const MOUTHS = {open: ['bigSmile'], smile: ['smile', 'smirk']};
const GLASSES = {glasses: ['glasses'], sunglasses: ['sunglasses']};
// Order of the names, from which the style chooses by the seed.
const OPTIONS = {
  eyes: ['open', 'happy', 'glasses', 'sunglasses'],
  facialHairProbability: 25,
  hair: ['long', 'sideShave', 'shortCombover', 'curlyHighTop', 'bobCut',
    'curly', 'pigtails', 'curlyBun', 'buzzcut', 'bobBangs', 'bald', 'balding',
    'bunUndercut', 'fade', 'straightBun', 'extraLong', 'shortComboverChops',
    'mohawk'],
  mouth: ['smile', 'bigSmile', 'smirk', 'frown', 'lips'],
};

function word(words, name, otherwise) {
  const found = Object.entries(words).find(([, names]) => names.includes(name));
  return found ? found[0] : otherwise;
}

const [folder, count] = process.argv.slice(2);
fs.mkdirSync(folder, {recursive: true});
const rows = ['file,hair,beard,glasses,mouth'];
for (let i = 0; i < Number(count); i++) {
  const avatar = createAvatar(
    personas, {...OPTIONS, seed: `drawing ${i}`, size: 256});
  const {hair, facialHair, eyes, mouth} = avatar.toJson().extra;
  const name = `${String(i).padStart(3, '0')}.png`;
  const image = new Resvg(avatar.toString(), {background: 'white'}).render();
  fs.writeFileSync(`${folder}/${name}`, image.asPng());
  rows.push([name, word(HAIR, hair), word(BEARDS, facialHair, 'none'),
    word(GLASSES, eyes, 'none'), word(MOUTHS, mouth, 'neutral')].join());
}
fs.writeFileSync(`${folder}.csv`, `${rows.join('\n')}\n`);
