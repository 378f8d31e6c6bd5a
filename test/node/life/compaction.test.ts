/** The store of a follower is rewritten while nothing is applied; who is to be master gives that up at once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compactStore } from '../../../node/life/compaction.ts';
import { dataFile } from '../../../node/store/environment.ts';
import { SILENT } from '../../../src/process/log.ts';
import { until } from '../../support/wait.ts';

type Around = Parameters<typeof compactStore>[0];

class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), 'compaction-'));
  readonly done: string[] = [];
  role = 'following';
  isClosing = false;
  queued = { slots: 0, bytes: 0 };
  flushedSlot = 5;
  /** Ends the copying. */
  copied: (error?: Error) => void = () => undefined;

  start(): Promise<void> {
    writeFileSync(dataFile(this.dir), 'store');
    const bench = this;
    const storage = {
      store: {
        slot: 7,
        get flushedSlot() {
          return bench.flushedSlot;
        },
        open: {
          copyCompactly: () =>
            new Promise<void>((resolve, reject) => {
              this.done.push('copy');
              this.copied = (error) => (error === undefined ? resolve() : reject(error));
            }),
        },
      },
      flush: async () => {
        this.flushedSlot += 1;
      },
      replace: async () => {
        this.done.push(`replace at ${this.flushedSlot}`);
      },
    };
    const driver = {
      durableSlot: 7,
      replica: {
        get role() {
          return { kind: bench.role };
        },
      },
      holdApplying: () => {
        this.done.push('hold');
        return {
          get queued() {
            return bench.queued;
          },
        };
      },
      releaseApplying: () => this.done.push('release'),
    };
    const isClosing = (): boolean => this.isClosing;
    return compactStore({ storage, driver, dir: this.dir, logger: SILENT, isClosing } as unknown as Around);
  }

  close(): void {
    rmSync(this.dir, { recursive: true });
  }
}

test('all that was applied is in the file before it is copied, and nothing is applied until it is replaced', async () => {
  const bench = new Bench();
  const work = bench.start();
  await until('the copying to begin', () => bench.done.includes('copy'));
  bench.copied();
  await work;
  assert.equal(bench.done, ['hold', 'copy', 'replace at 7', 'release']);
  bench.close();
});

test('a node that is to be master applies at once, and keeps its store', async () => {
  const bench = new Bench();
  const work = bench.start().then(
    () => 'done',
    (error: Error) => error.message,
  );
  await until('the copying to begin', () => bench.done.includes('copy'));
  bench.role = 'canvassing';
  await until('it to go on', () => bench.done.includes('release'));
  bench.copied();
  assert.match(await work, 'is becoming master');
  assert.not(bench.done.some((what) => what.startsWith('replace')));
  bench.close();
});

test('a node that is going down gives it up, and keeps its store', async () => {
  const bench = new Bench();
  const work = bench.start().then(
    () => 'done',
    (error: Error) => error.message,
  );
  await until('the copying to begin', () => bench.done.includes('copy'));
  bench.isClosing = true;
  await until('it to be let go', () => bench.done.includes('release'));
  bench.copied();
  assert.match(await work, 'is going down');
  assert.not(bench.done.some((what) => what.startsWith('replace')));
  bench.close();
});

test('where more is chosen than may wait in memory it is given up, and what waits is applied', async () => {
  for (const queued of [
    { slots: 100_001, bytes: 0 },
    { slots: 9, bytes: 64 * 1024 * 1024 + 1 },
  ]) {
    const bench = new Bench();
    const work = bench.start().then(
      () => 'done',
      (error: Error) => error.message,
    );
    await until('the copying to begin', () => bench.done.includes('copy'));
    bench.queued = queued;
    await until('it to go on', () => bench.done.includes('release'));
    bench.copied();
    assert.match(await work, `${queued.slots} updates of ${queued.bytes} bytes were chosen`);
    assert.not(bench.done.some((what) => what.startsWith('replace')));
    bench.close();
  }
});

test('a copy that fails leaves the store as it was', async () => {
  const bench = new Bench();
  const work = bench.start().then(
    () => 'done',
    (error: Error) => error.message,
  );
  await until('the copying to begin', () => bench.done.includes('copy'));
  bench.copied(new Error('no room'));
  assert.is(await work, 'no room');
  assert.equal(bench.done, ['hold', 'copy', 'release']);
  bench.close();
});

test.run();
