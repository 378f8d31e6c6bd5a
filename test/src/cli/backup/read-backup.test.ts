/** A backup that is read: what belongs to it, and nothing else. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { MANIFEST, type Manifest, printManifest } from '../../../../src/cli/backup/manifest.ts';
import { readBackup, readImage, remarksOn } from '../../../../src/cli/backup/read-backup.ts';
import { fromFile } from '../../../../src/cli/export/files.ts';
import { ExportWriter, type Image } from '../../../../src/cli/export/lines.ts';
import { runVerify } from '../../../../src/cli/verify-command.ts';

const IMAGE: Image = {
  cluster: 'ams',
  founding: 'a',
  keeper: 'K',
  node: 'ams_0',
  slot: 7,
  taken: '2026-01-01T00:00:00.000Z',
  owned: [{ lo: '', hi: null, epoch: 1 }],
};

/** A backup of one image, and what reading it says. */
async function said(
  change: { readonly image?: Partial<Image>; readonly manifest?: Partial<Manifest> } = {},
): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-backup-'));
  const lines = new ExportWriter();
  const entry = { key: Buffer.from('k'), value: Buffer.from('v') };
  const text = lines.begin({ kind: 'image', image: { ...IMAGE, ...change.image } }) + lines.more([entry]);
  const end = lines.end();
  const { sha256 } = JSON.parse(end) as { readonly sha256: string };
  const manifest: Manifest = {
    finished: '',
    nursery: 'K',
    map: { version: 1, entries: [{ lo: '', hi: null, owner: 'ams', epoch: 1 }] },
    images: [{ cluster: 'ams', file: 'ams-7.image', slot: 7, entries: 1, sha256 }],
    ...change.manifest,
  };
  writeFileSync(join(directory, 'ams-7.image'), text + end);
  writeFileSync(join(directory, MANIFEST), printManifest(manifest));
  try {
    const { images } = await readBackup(directory);
    return `whole, ${images.length}`;
  } catch (error) {
    assert.ok(error instanceof NurseryError && error.code === 'BAD_INPUT', String(error));
    return (error as Error).message.replaceAll(`${directory}/`, '').replace(`${directory}: `, '');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('what belongs together is whole; what is of another nursery, or not what the manifest names, is not', async () => {
  assert.is(await said(), 'whole, 1');
  assert.is(await said({ image: { keeper: 'L' } }), 'the image of ams is of nursery L, and not of K');
  assert.is(await said({ image: { keeper: '' } }), 'the image of ams is of nursery none, and not of K');
  assert.is(await said({ image: { keeper: '' }, manifest: { nursery: null, map: null } }), 'whole, 1');
  const [named] = [{ cluster: 'ams', file: 'ams-7.image', slot: 7, entries: 1, sha256: 'x' }];
  assert.is(
    await said({ manifest: { images: [named] } }),
    'ams-7.image is another image than backup.json names',
  );
  assert.is(await said({ image: { slot: 8 } }), 'ams-7.image is another image than backup.json names');
  assert.is(await said({ manifest: { images: [{ ...named, file: 'gone' }] } }), 'gone is missing');
  assert.match(
    await said({ image: { owned: [{ lo: '', hi: null, epoch: 2 }] } }),
    /^no image holds \[""\.\.end\) of ams at epoch 1/,
  );
});

test('a wrong path is bad input, whoever reads it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-paths-'));
  const file = join(directory, 'ams-7.image');
  writeFileSync(file, 'x');
  const wrong = async (reading: Promise<unknown>): Promise<string> =>
    await reading.then(
      () => 'read',
      (error: NurseryError) => `${error.code}: ${error.message.replaceAll(directory, 'D')}`,
    );
  const missing = join(directory, 'no');
  assert.is(await wrong(runVerify({ path: missing, json: false })), 'BAD_INPUT: D/no is missing');
  assert.is(await wrong(readImage(missing)), 'BAD_INPUT: D/no is missing');
  assert.is(
    await wrong(readBackup(missing)),
    'BAD_INPUT: D/no/backup.json: it is not there: this is no backup, or one that did not come to its end',
  );
  assert.is(
    await wrong(readBackup(file)),
    'BAD_INPUT: D/ams-7.image is a file, where the directory of a backup is wanted',
  );
  assert.is(
    await wrong(readImage(join(file, 'x'))),
    'BAD_INPUT: D/ams-7.image/x is missing: a file is on the way to it',
  );
  assert.is(await wrong(fromFile(missing, async () => {})), 'BAD_INPUT: D/no is missing');
  assert.is(
    await wrong(fromFile(directory, async () => {})),
    'BAD_INPUT: D is a directory, where a file is wanted',
  );
  rmSync(directory, { recursive: true });
});

test('an image is checked to its last byte', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-image-'));
  const path = join(directory, 'image');
  const lines = new ExportWriter();
  const text = lines.begin({ kind: 'image', image: IMAGE }) + lines.end();
  for (const [damaged, why] of [
    [text.slice(0, -1), 'the last line has no line feed at its end'],
    [`${text}\n`, 'something follows the last line'],
    [text.replace('{"entries":0', '{"entries": 0'), 'the last line is not as it was written'],
  ] as const) {
    writeFileSync(path, damaged);
    assert.match(String(await readImage(path).catch((error: Error) => error.message)), why);
  }
  rmSync(directory, { recursive: true });
});

test('what is no part of a backup is named, and that it has no sum of itself', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-remarks-'));
  for (const name of ['backup.json', 'ams-7.image', 'ams-3.image', 'notes'])
    writeFileSync(join(directory, name), '');
  const images = [{ cluster: 'ams', file: 'ams-7.image', slot: 7, entries: 1, sha256: 'x' }];
  const manifest = { finished: '', nursery: null, map: null, images, isSummed: true };
  const foreign = ['ams-3.image', 'notes'].map(
    (name) => `${name} is no part of this backup: backup.json does not name it`,
  );
  assert.equal(await remarksOn(directory, manifest), foreign);
  const [first] = await remarksOn(directory, { ...manifest, isSummed: false });
  assert.match(first ?? '', 'backup.json has no sum of itself');
  rmSync(directory, { recursive: true });
});

test('a sealed range is remembered, and an export is no image', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-image-'));
  const path = join(directory, 'image');
  const sealed: Image = { ...IMAGE, owned: [{ lo: '', hi: null, epoch: 1, sealedBy: 4 }] };
  for (const head of [
    { kind: 'image', image: sealed },
    { kind: 'export', range: { lo: '', hi: null } },
  ] as const) {
    const lines = new ExportWriter();
    writeFileSync(path, lines.begin(head) + lines.end());
    if (head.kind === 'image') assert.equal((await readImage(path)).image, sealed);
    else {
      const why = await readImage(path).catch((error: Error) => error.message);
      assert.match(String(why), /an export, where the image of a cluster is wanted/);
    }
  }
  rmSync(directory, { recursive: true });
});

test.run();
