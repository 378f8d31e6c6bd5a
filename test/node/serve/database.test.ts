/** `get_db`: an image in a backup's form behind its length, to one client at a time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Scheduler } from '../../../node/driver/scheduler.ts';
import { Databases } from '../../../node/serve/database.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { type Snapshot, TABLES } from '../../../node/store/types.ts';
import { ExportReader } from '../../../src/cli/export/lines.ts';
import type { Owned } from '../../../src/protocol/admin/admin.ts';
import { type Answer, messageOf, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

const ROWS = 900;
const FUNCTIONS = new Map([['count', { version: 1, source: Buffer.from('export default () => 1') }]]);

class Bench {
  master = 'n1';
  owned: Owned[] = [{ lo: 'k', hi: 'l', epoch: 3, sealedBy: null }];
  readonly store = new MemoryStore();
  readonly snapshots: Snapshot[] = [];
  isClosed = false;
  readonly databases: Databases;

  constructor() {
    const rows = Array.from({ length: ROWS }, (_, n) => `k${String(n).padStart(4, '0')}`);
    const all = [...rows, 'a', 'z'].map((key) => [TABLES.DATA + key, Buffer.alloc(1000, key)] as const);
    this.store.commit(new Map(all), 7);
    const context = {
      clusterId: 'ams',
      node: 'n0',
      wallMs: () => 0,
      store: {
        snapshot: () => {
          const snapshot = this.store.snapshot();
          this.snapshots.push(snapshot);
          if (this.isClosed) snapshot.close();
          return snapshot;
        },
      },
      scheduler: new Scheduler(performance.now.bind(performance), setImmediate),
      introduction: { refusal: null, founding: 'f', keeper: '' },
      driver: {
        refusal: null,
        master: () => this.master,
        machine: {
          owned: () => this.owned,
          state: { functions: FUNCTIONS, functionsVersion: { keeper: '', version: 9 } },
        },
      },
    };
    this.databases = new Databases(context as unknown as ConstructorParameters<typeof Databases>[0]);
  }

  /** From now on every snapshot is closed as soon as it is taken. */
  close(): void {
    this.isClosed = true;
    for (const snapshot of this.snapshots) snapshot.close();
  }

  ask(): Promise<Answer> {
    return new Promise((resolve) => this.databases.send(resolve, () => false));
  }
}

function nextOf({ more }: Answer): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => more?.next(resolve, () => reject(new Error('failed'))));
}

async function piecesOf(answer: Answer): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let piece = await nextOf(answer); piece !== null; piece = await nextOf(answer)) pieces.push(piece);
  answer.more?.end();
  return Buffer.concat(pieces);
}

test('what the cluster owned when it was asked, whole, behind its length', async () => {
  const bench = new Bench();
  const answer = await bench.ask();
  bench.store.commit(new Map([[`${TABLES.DATA}k0000`, Buffer.from('newer')]]), 8);
  const header = Buffer.from(answer.bytes);
  assert.is(header.length, 12);
  assert.is(header.readUInt32LE(0), 0);
  const text = await piecesOf(answer);
  assert.is(Number(header.readBigInt64LE(4)), text.length);
  const reader = new ExportReader();
  for (const line of text.toString().trimEnd().split('\n')) {
    const entry = reader.take(Buffer.from(line));
    if (entry !== null) assert.is(entry.value.length, 1000);
  }
  reader.finish();
  assert.is(reader.entries, ROWS);
  assert.is(reader.head?.kind, 'image');
  const { functions, functionsVersion } = reader.head?.kind === 'image' ? reader.head.image : {};
  assert.is(functionsVersion, 9);
  assert.equal(
    functions?.map(({ name, source }) => [name, Buffer.from(source).toString()]),
    [['count', 'export default () => 1']],
  );
});

test('one at a time, and the next one when that has ended or is not wanted', async () => {
  const bench = new Bench();
  const first = await bench.ask();
  assert.match(messageOf((await bench.ask()).bytes).toString(), 'a copy is being sent');
  first.more?.end();
  first.more?.end();
  assert.is(returnCodeOf((await bench.ask()).bytes), 0);
});

test('a store that is replaced meanwhile ends the answer, and not the process', async () => {
  const bench = new Bench();
  const answer = await bench.ask();
  await nextOf(answer);
  bench.close();
  const failed = await nextOf(answer).then(
    () => 'a piece',
    (error: Error) => error.message,
  );
  assert.is(failed, 'failed');
  answer.more?.end();
  const again = bench.ask();
  assert.is(returnCodeOf((await again).bytes), 0x80, 'it is refused, and the next one may be asked');
  assert.is(returnCodeOf((await bench.ask()).bytes), 0x80);
});

test('neither of a master, nor of a range that moves', async () => {
  const bench = new Bench();
  bench.master = 'n0';
  const atMaster = await bench.ask();
  assert.is(returnCodeOf(atMaster.bytes), 0x20);
  assert.match(messageOf(atMaster.bytes).toString(), 'n0 is master');
  bench.master = 'n1';
  bench.owned = [{ lo: 'k', hi: 'l', epoch: 3, sealedBy: 5 }];
  assert.match(messageOf((await bench.ask()).bytes).toString(), 'migration 5 has sealed a range');
});

test.run();
