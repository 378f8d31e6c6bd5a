import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { installFrom, RETRY_MS, type Surroundings } from '../../../node/members/installation.ts';
import { SnapshotServer } from '../../../node/members/snapshots.ts';
import type { MembersState } from '../../../node/paxos/values.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { FatalError, NurseryError } from '../../../src/base/errors.ts';
import { SILENT } from '../../../src/process/log.ts';
import { NO_RUNNER } from '../../support/no-runner.ts';

const NO_ROOM = Object.assign(new Error('ENOSPC: no space left on device, rename'), {
  code: 'ENOSPC',
  syscall: 'rename',
});
const FULL = new NurseryError('DISK_FULL', 'no room');
const BROKEN = new FatalError('DISK_FAILED', 'EIO');

type Step = 'receive' | 'put' | 'finish' | 'replace' | 'abort';

/** A node at slot 1, whose peer is at slot 5, and what happened to it. */
function attempt(failures: Partial<Record<Step, Error>>, peer: 'answers' | 'is gone' = 'answers') {
  const source = new MemoryStore();
  source.commit(new Map([['\x01new', Buffer.from('new')]]), 5);
  const server = new SnapshotServer(source);
  const store = new MemoryStore();
  store.commit(new Map([['\x01old', Buffer.from('old')]]), 1);
  const seen: string[] = [];
  const waits: number[] = [];
  const failed: string[] = [];
  const step = async (name: Step): Promise<void> => {
    seen.push(name);
    const failure = failures[name];
    if (failure !== undefined) throw failure;
  };
  const around: Surroundings = {
    storage: {
      store,
      receive: async () => {
        await step('receive');
        return { put: () => step('put'), finish: () => step('finish'), abort: () => step('abort') };
      },
      replace: async () => {
        await step('replace');
        store.commit(new Map([['\x01old', null]]), 5);
      },
    },
    driver: {
      holdApplying: () => {
        seen.push('hold');
        return { queued: { slots: 0, bytes: 0 } };
      },
      releaseApplying: () => seen.push('release'),
      snapshotInstalled: (_machine, event) => seen.push(`installed ${event.slot}`),
      submit: (event) => seen.push(event.kind),
    },
    runner: NO_RUNNER,
    logger: SILENT,
    failures: { happened: (what = '') => failed.push(what), ended: () => false },
    ask: async (body) =>
      peer === 'is gone'
        ? { kind: 'failed', why: 'closed', sent: false }
        : { kind: 'reply', bytes: server.answer(body).bytes as Buffer, hint: null },
    after: (delayMs, run) => {
      waits.push(delayMs);
      run();
    },
    members: () => ({ members: [] }) as unknown as MembersState,
  };
  return { done: installFrom('b', around), seen, waits, store, failed };
}

test('an image is received as a whole, then takes the place of the store while nothing is applied', async () => {
  const { done, seen } = attempt({});
  await done;
  assert.equal(seen, ['receive', 'put', 'finish', 'hold', 'replace', 'installed 5']);
});

test('whatever fails ahead of the swap is a failed attempt: the image goes, the store goes on', async () => {
  for (const failure of [FULL, NO_ROOM, BROKEN]) {
    for (const name of ['receive', 'put', 'finish'] as const) {
      const { done, seen, waits, store, failed } = attempt({ [name]: failure });
      await done;
      assert.is(failed.length, 1);
      assert.match(failed[0] as string, failure.message);
      const begun = name === 'receive' ? [] : ['abort'];
      assert.equal(seen.slice(seen.indexOf(name)), [name, ...begun, 'snapshotFailed'], failure.message);
      assert.not(seen.includes('hold'), 'slots were applied all the time');
      assert.equal(waits, [RETRY_MS], 'a disk that is full is left alone for a while');
      assert.ok(store.get('\x01old'));
    }
  }
});

test('a swap that finds no room changes nothing, and applying goes on', async () => {
  for (const failure of [FULL, NO_ROOM]) {
    const { done, seen } = attempt({ replace: failure });
    await done;
    assert.equal(seen.slice(3), ['hold', 'replace', 'abort', 'release', 'snapshotFailed']);
  }
});

test('a swap that was half done ends the process', async () => {
  const { done, seen } = attempt({ replace: BROKEN });
  const caught = await done.then(
    () => null,
    (error: Error) => error,
  );
  assert.is(caught, BROKEN);
  assert.is(seen.at(-1), 'replace');
});

test('an image that cannot even be removed is no more than a failed attempt', async () => {
  const { done, seen } = attempt({ finish: FULL, abort: NO_ROOM });
  await done;
  assert.equal(seen.slice(-2), ['abort', 'snapshotFailed']);
});

test('another peer may be asked at once where one has gone', async () => {
  const { done, seen, waits } = attempt({}, 'is gone');
  await done;
  assert.equal(seen, ['snapshotFailed']);
  assert.equal(waits, []);
});

test('a bug of ours is not taken for a failure of the disk', async () => {
  const bug = new TypeError('undefined is not a function');
  const { done } = attempt({ put: bug });
  assert.is(await done.catch((error: Error) => error), bug);
});

test.run();
