/** Rows out of a backup: of this nursery's images alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { MANIFEST, printManifest } from '../../../../src/cli/backup/manifest.ts';
import { ExportWriter } from '../../../../src/cli/export/lines.ts';
import { openBackup } from '../../../../src/cli/rescue/backup-rows.ts';
import { WHOLE } from '../../../../src/keyspace/range.ts';

/** A backup of one cluster alone, of [m..end), in a nursery of keeper `keeper`. */
function written(keeper: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'nursery-backup-'));
  const lines = new ExportWriter();
  const owned = [{ lo: 'm', hi: null, epoch: 5 }];
  const image = { cluster: 'bru', founding: 'b', keeper, node: 'bru_0', slot: 7, taken: 'then', owned };
  const rows = ['m', 'p', 'z'].map((key) => ({ key: Buffer.from(key), value: Buffer.from(key) }));
  const text = lines.begin({ kind: 'image', image }) + lines.more(rows);
  const end = lines.end();
  const { sha256 } = JSON.parse(end) as { readonly sha256: string };
  const images = [{ cluster: 'bru', file: 'bru.image', slot: 7, entries: 3, sha256 }];
  writeFileSync(join(directory, 'bru.image'), text + end);
  writeFileSync(join(directory, MANIFEST), printManifest({ finished: '', nursery: null, map: null, images }));
  return directory;
}

test('an image is taken where its keeper is this one, or one that this one has replaced; and it is named', async () => {
  const directory = written('K');
  const { rows, refuseUnfit, used } = await openBackup(directory);
  const upper = { lo: 'p', hi: null };
  refuseUnfit([upper], { founding: 'K', replaced: [] });
  refuseUnfit([upper], { founding: 'L', replaced: ['J', 'K'] });
  const why = (nursery: Parameters<typeof refuseUnfit>[1], range = upper): string => {
    try {
      refuseUnfit([range], nursery);
      return '';
    } catch (error) {
      assert.ok(error instanceof NurseryError && error.code === 'REFUSED', String(error));
      return (error as Error).message;
    }
  };
  assert.match(why({ founding: 'L', replaced: [] }), /the image of bru, is of nursery K, and this one is L/);
  assert.match(why(null), /this one is none/);
  assert.match(why({ founding: 'K', replaced: [] }, WHOLE as typeof upper), /no image in .* holds/);
  assert.equal(used([upper]), [{ range: upper, cluster: 'bru', epoch: 5, slot: 7, taken: 'then' }]);
  const keys: string[] = [];
  for await (const { key } of rows(upper)) keys.push(key);
  assert.equal(keys, ['p', 'z']);
  rmSync(directory, { recursive: true });
});

test.run();
