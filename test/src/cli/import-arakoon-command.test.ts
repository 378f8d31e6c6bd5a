/** Of the import from Arakoon one runs at a time, and what it once concluded is never taken back. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_CODES, FatalError } from '../../../src/base/errors.ts';
import { runImportFromArakoon, untilQuiet } from '../../../src/cli/import-arakoon-command.ts';
import type { Target } from '../../../src/cli/way-over/passes.ts';
import type { Entries, SourceEntry } from '../../../src/cli/way-over/source.ts';
import { type ImportState, lockState, readState, writeState } from '../../../src/cli/way-over/state-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'nursery-import-'));
test.after(() => rmSync(dir, { recursive: true, force: true }));

const BEGIN: ImportState = {
  version: 1,
  from: 'ricky',
  into: 'nursery',
  pass: 1,
  upTo: null,
  keys: 0,
  changed: 0,
  isDone: false,
};
const SILENT = { event: () => undefined, progress: () => undefined };

async function refusalOf(work: Promise<unknown>): Promise<FatalError> {
  try {
    await work;
  } catch (error) {
    assert.instance(error, FatalError);
    return error as FatalError;
  }
  throw new Error('it was not refused');
}

/** One entry; whoever reads it is held up until `before` has ended. */
function sourceOf(before: () => void): Entries {
  return {
    async *pages(after): AsyncGenerator<readonly SourceEntry[]> {
      before();
      if (after === null) yield [[Buffer.from('k'), Buffer.from('of the source')]];
    },
  };
}

/** Holds nothing, and notes what is written. */
function targetOf(written: string[]): Target {
  return {
    range: async () => [],
    rangeEntries: async () => [],
    set: async (key) => {
      written.push(key.toString());
    },
    replace: async () => null,
  };
}

test('a second import of the same is refused before it asks anybody, and may begin once the first has ended', async () => {
  const config = join(dir, 'nursery.ini');
  writeFileSync(
    config,
    '[global]\ncluster = n_0\ncluster_id = nursery\n[n_0]\nip = 127.0.0.1\nclient_port = 1\nmessaging_port = 2\nhome = /nowhere\n',
  );
  const state = join(dir, 'ricky.import.json');
  const options = { config, json: true, fromArakoon: '127.0.0.1:1', clusterId: 'ricky', state, final: true };
  const first = lockState(state);
  const refused = await refusalOf(runImportFromArakoon(options));
  assert.is(refused.exitCode, EXIT_CODES.HOME_IN_USE);
  assert.match(refused.message, `the import of ${state} is in use by another process (pid ${process.pid} on`);
  assert.match(refused.message, 'nothing was done; wait until that has ended');
  assert.not(existsSync(state));
  first.release();
  writeState(state, { ...BEGIN, isDone: true });
  assert.match((await refusalOf(runImportFromArakoon(options))).message, 'says that this import is done');
  lockState(state).release();
  assert.not(existsSync(`${state}.lock`), 'nothing is left of the lock');
});

test('a lock that a killed import left locks nothing, and goes with the next one', () => {
  const state = join(dir, 'killed.import.json');
  mkdirSync(`${state}.lock`);
  writeFileSync(join(`${state}.lock`, 'OWNER'), 'pid 1 on elsewhere\n');
  lockState(state).release();
  assert.not(existsSync(`${state}.lock`));
});

test('a pass does not begin where the file says by now that the import is done', async () => {
  const path = join(dir, 'before.json');
  writeState(path, { ...BEGIN, isDone: true });
  const written: string[] = [];
  const source = sourceOf(() => undefined);
  const refused = await refusalOf(untilQuiet(source, targetOf(written), BEGIN, path, SILENT));
  assert.is(refused.exitCode, EXIT_CODES.USAGE);
  assert.equal(written, []);
});

test('what is done stays so, whoever ends a pass later', async () => {
  const path = join(dir, 'meanwhile.json');
  writeState(path, BEGIN);
  let reads = 0;
  const source = sourceOf(() => {
    reads += 1;
    if (reads > 1) throw new Error('it goes on');
    writeState(path, { ...BEGIN, isDone: true });
  });
  await refusalOf(untilQuiet(source, targetOf([]), BEGIN, path, SILENT));
  assert.is(readState(path, 'ricky', 'nursery')?.isDone, true);
});

test.run();
