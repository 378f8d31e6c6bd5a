/** Whether images together are what the map says: each key in one of them, and its owner's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  MANIFEST,
  type Manifest,
  printManifest,
  type ReadManifest,
  readManifest,
  whyNotTheMap,
} from '../../../../src/cli/backup/manifest.ts';
import type { Image } from '../../../../src/cli/export/lines.ts';
import type { MapEntry } from '../../../../src/keyspace/rangemap.ts';

type Piece = readonly [lo: string, hi: string | null, epoch: number];

function image(cluster: string, ...pieces: readonly Piece[]): Image {
  const owned = pieces.map(([lo, hi, epoch]) => ({ lo, hi, epoch }));
  return { cluster, founding: 'f', keeper: 'k', node: 'n', slot: 1, taken: '', owned };
}

function entry(owner: string, [lo, hi, epoch]: Piece): MapEntry {
  return { lo, hi, owner, epoch };
}

const MAP = [entry('ams', ['', 'k', 1]), entry('bru', ['k', 'p', 2]), entry('ams', ['p', null, 1])];

test('the same ranges, at the same epochs, of the same owners', () => {
  const ams = image('ams', ['', 'k', 1], ['p', null, 1]);
  assert.is(whyNotTheMap(MAP, [ams, image('bru', ['k', 'p', 2])]), null);
  assert.is(
    whyNotTheMap(MAP, [image('bru', ['k', 'm', 2], ['m', 'p', 2]), ams]),
    null,
    'parts are one range',
  );
  assert.is(whyNotTheMap([], []), null);
});

test('a range in no image, in two, at another epoch, or of another owner', () => {
  const ams = image('ams', ['', 'k', 1], ['p', null, 1]);
  const whys: readonly (readonly [images: readonly Image[], why: RegExp])[] = [
    [[ams], /no image holds \[k\.\.p\) of bru at epoch 2/],
    [[image('ams', ['', null, 1]), image('bru', ['k', 'p', 2])], /no image holds \[""\.\.k\) of ams/],
    [[ams, image('bru', ['k', 'p', 3])], /no image holds \[k\.\.p\) of bru at epoch 2/],
    [[ams, image('oslo', ['k', 'p', 2])], /no image holds \[k\.\.p\) of bru/],
    [
      [ams, image('bru', ['k', 'p', 2]), image('oslo', ['x', 'z', 4])],
      /an image holds \[x\.\.z\) of oslo at epoch 4/,
    ],
    [[ams, image('bru', ['k', 'p', 2], ['k', 'p', 1])], /an image holds \[k\.\.p\) of bru at epoch 1/],
  ];
  for (const [images, why] of whys) assert.match(String(whyNotTheMap(MAP, images)), why);
});

const WHOLE: Manifest = {
  finished: '2026-01-01T00:00:00.000Z',
  nursery: 'k',
  map: { version: 3, entries: MAP },
  images: [{ cluster: 'ams', file: 'ams-1.image', slot: 1, entries: 0, sha256: 'x' }],
};

async function read(text: string): Promise<ReadManifest | string> {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-manifest-'));
  try {
    writeFileSync(join(directory, MANIFEST), text);
    return await readManifest(directory);
  } catch (error) {
    return (error as Error).message.replace(/^.*backup\.json: /, '');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('what is written is read; what is not of its form is refused', async () => {
  assert.equal(await read(printManifest(WHOLE)), { ...WHOLE, isSummed: true });
  const alone = { ...WHOLE, nursery: null, map: null };
  assert.equal(await read(printManifest(alone)), { ...alone, isSummed: true });
  const changed = (change: object): string => `${JSON.stringify({ ...unsummed(), ...change })}\n`;
  const [first] = WHOLE.images;
  for (const [text, why] of [
    ['', 'not of a form'],
    ['null', 'not of a form'],
    [changed({ backup: 2 }), 'not of a form'],
    [changed({ images: 1 }), 'missing'],
    [changed({ images: [{ ...first, file: '../ams' }] }), 'lies in this directory'],
    [changed({ images: [null] }), 'an image cannot be read'],
    [changed({ map: {} }), 'its map cannot be read'],
    [changed({ map: { version: 1, entries: [null] } }), 'an entry of its map'],
    [changed({ map: { version: 1, entries: [{ lo: '0xz', hi: null, owner: 'a', epoch: 1 }] } }), '0xz'],
  ] as const) {
    assert.match(String(await read(text)), why);
  }
});

/** As earlier builds wrote it. */
function unsummed(): object {
  const { sha256: _, ...fields } = JSON.parse(printManifest(WHOLE));
  return fields;
}

test('any byte of it that is changed, missing or added is found', async () => {
  const text = printManifest(WHOLE);
  for (let at = 0; at < text.length; at += 1) {
    const other = String.fromCharCode(text.charCodeAt(at) ^ 1);
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    assert.type(await read(changed), 'string', `byte ${at} is another`);
  }
  for (const damaged of [text.slice(0, -1), `${text}\n`, ` ${text}`, text.replace('{', '{ ')])
    assert.type(await read(damaged), 'string', JSON.stringify(damaged));
  assert.match(
    String(await read(text.replace('2026-01-01', '2026-01-02'))),
    'its sum is another one: something in it was changed',
  );
});

test('one of an earlier build, without a sum of itself, is read', async () => {
  const text = `${JSON.stringify(unsummed())}\n`;
  assert.equal(await read(text), { ...WHOLE, isSummed: false });
  assert.match(String(await read(text.slice(0, -1))), 'it does not begin, or not end, as it was written');
});

test.run();
