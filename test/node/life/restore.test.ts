/** A home that is made from an image: alone, or in the place of a founding of a nursery. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LEAP, type Succession } from '../../../node/life/first-image.ts';
import { lockHome } from '../../../node/life/home.ts';
import { restoredBefore, restoreHome } from '../../../node/life/restore.ts';
import { storePlace } from '../../../node/life/storage.ts';
import { loadState } from '../../../node/machine/system-state.ts';
import { LmdbStore } from '../../../node/store/lmdb-store.ts';

const tests = suite('a home that is restored');
const made: string[] = [];
tests.after(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

function directories() {
  const dir = mkdtempSync(join(tmpdir(), 'nursery-restore-'));
  made.push(dir);
  const home = join(dir, 'n1');
  return { home, logDir: join(dir, 'log'), place: storePlace(home, 'c', 'n1') };
}

const KEEPER = { cluster: 'K', founding: 'k2', nodes: [{ name: 'k_0', ips: ['10.0.0.1'], port: 4000 }] };
const SUCCESSION: Succession = { keeper: KEEPER, keepers: ['k1'], was: 'b1', replaced: ['b2', 'b1'] };

const FUNCTIONS = [
  { name: 'f', version: 4, source: Buffer.from('f') },
  { name: 'own', version: -2, source: Buffer.from('own') },
];

async function restore(place: ReturnType<typeof directories>, succession: Succession | null) {
  async function* rows() {
    yield [{ key: 'apple', value: Buffer.from('red') }];
  }
  const owned = [{ lo: 'a', hi: null, epoch: 7 }];
  return await restoreHome({
    ...place,
    image: { slot: 10, owned, keeper: 'k1', functions: FUNCTIONS, functionsVersion: 6 },
    rows: rows(),
    succession,
  });
}

tests('in a nursery it is bound, and waits for the keeper, as a survivor that was promoted', async () => {
  const place = directories();
  assert.is(await restoredBefore(place), null, 'an empty home');
  const { founding, slot } = await restore(place, SUCCESSION);
  assert.is(slot, 10 + LEAP);
  const store = await LmdbStore.open(place.place);
  const { bound, unconfirmed, keepers, adopted, owned, functions, functionsVersion } = loadState(store);
  await store.close();
  assert.equal(bound, { keeper: KEEPER, mine: founding });
  assert.equal([unconfirmed, keepers, adopted], ['b1', ['k1'], 0]);
  assert.equal(functionsVersion, { keeper: 'k1', version: 6 }, 'they are of the keeper of before');
  assert.equal(
    [...functions].map(([name, { version }]) => [name, version]),
    [
      ['f', 4],
      ['own', -2],
    ],
  );
  assert.equal(owned, [{ lo: 'a', hi: null, epoch: 7, sealedBy: null }]);
  assert.equal(await restoredBefore(place), { founding, slot, owned, was: 'b1', replaced: ['b2', 'b1'] });
});

tests("without a nursery it takes nobody's place", async () => {
  const place = directories();
  const { founding } = await restore(place, null);
  const before = await restoredBefore(place);
  assert.equal([before?.founding, before?.was, before?.replaced], [founding, '', []]);
  const store = await LmdbStore.open(place.place);
  const { bound, functionsVersion } = loadState(store);
  assert.is(bound, null);
  assert.equal(functionsVersion, { keeper: '', version: 6 }, 'they are its own');
  await store.close();
});

tests('one that is half restored, or in use, is told apart from an empty one', async () => {
  const place = directories();
  await restore(place, SUCCESSION);
  const lock = lockHome(place.home, place.logDir);
  const inUse = await restoredBefore(place).catch((error: Error) => error.message);
  lock.release();
  assert.match(String(inUse), /home .* is in use/);
  writeFileSync(join(place.home, 'RESTORING'), '');
  const half = await restoredBefore(place).catch((error: Error) => error.message);
  assert.match(String(half), /is half restored/);
});

tests.run();
