/** Whole moves over real state machines: what operators ask for, what they are told, and what comes between. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runMigration } from '../../migrator/driver.ts';
import { Operations, runDaemon } from '../../migrator/operations.ts';
import type { MovesNews } from '../../migrator/world.ts';
import { rowsIn } from '../../node/machine/rows.ts';
import type { NurseryError } from '../../src/base/errors.ts';
import { WHOLE } from '../../src/keyspace/range.ts';
import { type Migration, PAGE_DIRTY, type Progress } from '../../src/protocol/admin/admin.ts';
import { endedAtMs, UNSAID } from '../../src/protocol/admin/migration.ts';
import { until } from '../support/wait.ts';
import type { LocalCluster } from './local-nursery.ts';
import { LocalNursery } from './local-nursery.ts';

const FAST = { heartbeatMs: 5, claimAfterMs: 40, pollMs: 2, retryMinMs: 1, retryMaxMs: 5 };
/** Small enough for a copy of many pages. */
const SMALL_PAGES = { ...FAST, pageBytes: 50 };

/** A nursery whose first cluster holds so many keys k000, k001 … */
function filled(keys: number): LocalNursery {
  const nursery = new LocalNursery();
  for (let key = 0; key < keys; key += 1) nursery.a.set(`k${String(key).padStart(3, '0')}`);
  return nursery;
}

const keysOf = ({ sim }: LocalCluster): string[] => rowsIn(sim.store, WHOLE).map(([key]) => key);

/** The error that `work` ends in. */
async function failureOf(work: Promise<unknown>): Promise<NurseryError> {
  try {
    await work;
  } catch (error) {
    return error as NurseryError;
  }
  throw new Error('no error');
}

test('moves the upper half to a new cluster, with a receipt', async () => {
  const nursery = filled(100);
  const planned: number[] = [];
  const seen: Progress[] = [];
  const [result] = await new Operations(nursery, SMALL_PAGES).migrate(
    { kind: 'separator', left: 'a', separator: 'k050', right: 'b' },
    {
      onPlanned: (mid) => planned.push(mid),
      onProgress: (_mid, progress) => seen.push(progress),
    },
  );
  assert.equal(planned, [result?.mid]);
  assert.is(result?.outcome, 'done');
  assert.is(result?.receipt?.digest.count, 50);
  assert.is(result?.progress.keysCopied, 50);
  assert.is(result?.progress.keysTotal, 50);
  assert.is(nursery.owners, 'a:..k050 b:k050..');
  assert.is(keysOf(nursery.a).length, 50);
  assert.is(keysOf(nursery.b)[0], 'k050');
  assert.ok(new Set(seen.map(({ stage }) => stage)).has('copying'));
  assert.is(seen.at(-1)?.stage, 'done');
});

test('sends again what changes meanwhile, and trims it only when the target has it', async () => {
  const nursery = filled(60);
  const { a, b } = nursery;
  let pages = 0;
  b.before = ({ kind }) => {
    if (kind !== 'page') return;
    pages += 1;
    if (pages > 40) return; // in the end clients rest
    a.set(`k${String(pages % 60).padStart(3, '0')}`, `changed ${pages}`);
    if (pages === 5) a.sim.apply([{ kind: 'delete', key: 'k001' }]);
  };
  const settings = { ...SMALL_PAGES, dirtyRowsMax: 2, sealRowsMax: 0 };
  a.before = ({ kind }) => {
    if (kind === 'seal') b.before = () => {};
  };
  const [result] = await new Operations(nursery, settings).migrate({
    kind: 'range',
    range: WHOLE,
    target: 'b',
  });
  assert.is(result?.outcome, 'done');
  assert.ok((result?.progress.rounds ?? 0) >= 1);
  const dirty = b.all('page').filter(({ page }) => page === PAGE_DIRTY);
  const trims = a.all('trim');
  assert.ok(trims.length > 0);
  for (const { from, to, slot } of trims) {
    assert.ok(dirty.some((page) => page.from === from && page.to === to && page.asOf === slot));
  }
});

test('keeps two pages under way and reads the next one meanwhile', async () => {
  const nursery = filled(60);
  let underWay = 0;
  let most = 0;
  const command = nursery.b.command.bind(nursery.b);
  nursery.b.command = async (wanted) => {
    if (wanted.kind !== 'page') return await command(wanted);
    underWay += 1;
    most = Math.max(most, underWay);
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    underWay -= 1;
    return await command(wanted);
  };
  await new Operations(nursery, SMALL_PAGES).migrate({ kind: 'range', range: WHOLE, target: 'b' });
  assert.is(most, 2);
});

test('slows writers down where rounds do not shrink', async () => {
  const nursery = filled(30);
  const { a, b } = nursery;
  const delays: number[] = [];
  const query = a.query.bind(a);
  a.query = async (wanted) => {
    if (wanted.kind === 'slowDown' && wanted.delayMs > 0) delays.push(wanted.delayMs);
    if (wanted.kind === 'rangeStatus' && new Set(delays).size < 2) {
      for (let key = 0; key < 10; key += 1) a.set(`k00${key}`, `${Math.random()}`);
    }
    return await query(wanted);
  };
  const settings = { ...FAST, sealRowsMax: 5, stuckRounds: 2 };
  const seen: Progress[] = [];
  const onProgress = (_mid: number, progress: Progress): number => seen.push(progress);
  const [result] = await new Operations(nursery, settings).migrate(
    { kind: 'range', range: WHOLE, target: 'b' },
    { onProgress },
  );
  assert.is(result?.outcome, 'done');
  assert.is(delays[0], 2);
  assert.ok(Math.max(...delays) >= 4);
  assert.ok(seen.some(({ waitingFor }) => waitingFor.includes('writers, who outrun the copy')));
  assert.is(keysOf(b).length, 30);
});

test('a pause stops the copy, keeps the heartbeat and says so', async () => {
  const nursery = filled(200);
  const { keeper, b } = nursery;
  const mid = nursery.plan('a', 'b', '', null);
  let pages = 0;
  b.before = ({ kind }) => {
    if (kind === 'page') pages += 1;
    if (pages === 3) keeper.sim.command({ kind: 'wish', mid, wish: 'pause', why: '' });
  };
  const paused = new Promise<Progress>((resolve) => {
    void runMigration({
      clusters: nursery,
      mid,
      claimAtOnce: true,
      settings: SMALL_PAGES,
      onProgress: (progress) => {
        if (progress.stage === 'paused') resolve(progress);
      },
    }).then((result) => ended.push(result.outcome));
  });
  const ended: string[] = [];
  assert.match((await paused).waitingFor, /an operator, who paused it, for \d+ s/);
  const beat = keeper.sim.state.migrations.get(mid)?.heartbeat ?? 0;
  const before = pages;
  while ((keeper.sim.state.migrations.get(mid)?.heartbeat ?? 0) < beat + 4) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(pages - before <= 3, 'nothing but what was under way is sent');
  assert.is(keeper.sim.state.migrations.get(mid)?.progress.stage, 'paused');
  assert.is(await new Operations(nursery, SMALL_PAGES).watchWish(mid), 'done');
  await new Operations(nursery).unpause(mid);
  while (ended.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ended, ['done']);
  assert.is(keysOf(b).length, 200);
});

test('an abort before the seal leaves everything as it was', async () => {
  const nursery = filled(200);
  const mid = nursery.plan('a', 'b', '', null);
  nursery.b.before = ({ kind }) => {
    if (kind === 'page')
      nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'abort', why: 'second thoughts' });
  };
  const result = await runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: SMALL_PAGES });
  assert.is(result.outcome, 'aborted');
  assert.is(result.why, 'second thoughts');
  assert.is(result.receipt, null);
  assert.is(nursery.owners, 'a:..');
  assert.is(keysOf(nursery.a).length, 200);
  assert.equal(keysOf(nursery.b), []);
  assert.is(nursery.a.sim.state.exports.size, 0);
});

test('an abort after the activation comes too late, and says so', async () => {
  const nursery = filled(20);
  const mid = nursery.plan('a', 'b', '', null);
  nursery.keeper.before = ({ kind }) => {
    if (kind === 'publish') nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'abort', why: 'late' });
  };
  const command = nursery.a.command.bind(nursery.a);
  nursery.a.command = async (wanted) => {
    const beat = nursery.keeper.all('note').length;
    const isReleased = wanted.kind === 'release';
    while (isReleased && nursery.keeper.all('note').length < beat + 2) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await command(wanted);
  };
  const result = await runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: FAST });
  assert.is(result.outcome, 'done');
  assert.match(result.why, /too late/);
});

test('a digest that differs aborts with an alarm', async () => {
  const nursery = filled(20);
  const mid = nursery.plan('a', 'b', '', null);
  const query = nursery.a.query.bind(nursery.a);
  nursery.a.query = async (wanted) => {
    const answer = await query(wanted);
    return answer.kind === 'base' ? { ...answer, base: { ...answer.base, sum: 1n } } : answer;
  };
  const result = await runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: FAST });
  assert.is(result.outcome, 'aborted');
  assert.match(result.why, /ALARM/);
  assert.is(keysOf(nursery.a).length, 20);
  assert.ok(nursery.a.sim.state.owned.every(({ sealedBy }) => sealedBy === null));
});

test('replicas of the source that differ are noticed before the seal', async () => {
  const nursery = filled(20);
  const { a } = nursery;
  const mid = nursery.plan('a', 'b', '', null);
  a.before = (command) => {
    if (command.kind !== 'setBase') return;
    a.sim.command({ ...command, base: { ...command.base, sum: 1n } });
  };
  const result = await runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: FAST });
  assert.is(result.outcome, 'aborted');
  assert.match(result.why, /replicas of the source differ/);
  assert.is(a.all('seal').length, 0);
  assert.is(keysOf(a).length, 20);
});

test('a throttled copy takes its time', async () => {
  const nursery = filled(100);
  const settings = { ...SMALL_PAGES, bytesPerSecondMax: 8000 };
  const startedMs = performance.now();
  const [result] = await new Operations(nursery, settings).migrate({
    kind: 'range',
    range: WHOLE,
    target: 'b',
  });
  const tookMs = performance.now() - startedMs;
  assert.is(result?.progress.bytesCopied, 800);
  assert.ok(tookMs > 60, `800 bytes at 8000 a second in ${tookMs} ms`);
});

test('how it was asked for is on record, and the rate holds until it is another one', async () => {
  const nursery = filled(20);
  const asked = { rate: 0, who: 'me', reason: 'person', undoes: null } as const;
  const operations = new Operations(nursery, FAST);
  let planned = 0;
  const onPlanned = (mid: number): void => {
    planned = mid;
  };
  const moving = operations.migrate({ kind: 'range', range: WHOLE, target: 'b' }, { asked, onPlanned });
  await until('it to be stopped', async () =>
    /its rate to 0/.test((await operations.list())[0]?.progress.waitingFor ?? ''),
  );
  assert.equal((await operations.list())[0]?.asked, asked);
  assert.is(nursery.b.all('page').length, 0);
  await operations.setRate(planned, 1_000_000);
  assert.is((await moving)[0]?.outcome, 'done');
  assert.is((await failureOf(operations.setRate(planned, 1))).code, 'REFUSED');
});

test('a move is taken back by one of its own, with a receipt of its own, but only while all of it is where it went', async () => {
  const nursery = filled(20);
  const operations = new Operations(nursery, FAST);
  const [there] = await operations.migrate({ kind: 'range', range: { lo: 'k', hi: null }, target: 'b' });
  const before = nursery.owners;
  const mid = there?.mid as number;
  assert.ok((there?.receipt?.tookMs ?? -1) >= 0);
  assert.is((await failureOf(operations.undo(77))).code, 'REFUSED');
  const [back] = await operations.undo(mid, {
    asked: { rate: null, who: 'me', reason: 'plan', undoes: null },
  });
  assert.is(back?.outcome, 'done');
  assert.is.not(nursery.owners, before);
  const records = await operations.list();
  assert.equal(records.at(-1)?.asked, { rate: null, who: 'me', reason: 'plan', undoes: mid });
  assert.match((await failureOf(operations.undo(mid))).message, /has moved since migration \d+: a owns/);
});

test('abort() takes over where the migrator is dead', async () => {
  const nursery = filled(20);
  const mid = nursery.plan('a', 'b', '', null);
  const begunMs = Date.now();
  const result = await new Operations(nursery, FAST).abort(mid, 'not wanted');
  assert.is(result.outcome, 'aborted');
  const record = nursery.keeper.sim.state.migrations.get(mid) as Migration;
  assert.ok(endedAtMs(record) >= begunMs, 'nobody had begun it, and its cool-down counts from now');
  assert.ok((record.abortedAfterMs ?? -1) >= 0);
  assert.is((await failureOf(new Operations(nursery).abort(mid, 'again'))).code, 'REFUSED');
  assert.is((await failureOf(new Operations(nursery).pause(77))).code, 'REFUSED');
});

test('resume tells targets of what was aborted without them, and names them', async () => {
  const nursery = filled(20);
  const mid = nursery.plan('a', 'b', '', null);
  nursery.b.isDown = true;
  await new Operations(nursery, FAST).abort(mid, 'not wanted');
  nursery.b.isDown = false;
  const told: string[] = [];
  const onTold = ({ mid: which, target }: { readonly mid: number; readonly target: string }): void => {
    told.push(`${which} ${target}`);
  };
  const operations = new Operations(nursery, FAST);
  assert.equal(await operations.resume(null, { onTold }), []);
  assert.equal(await operations.resume(null, { onTold }), []);
  assert.equal(told, [`${mid} b`]);
});

test('a pause that nobody heeds is told from one that is heeded', async () => {
  const nursery = filled(20);
  const mid = nursery.plan('a', 'b', '', null);
  await new Operations(nursery).pause(mid);
  assert.is(await new Operations(nursery, FAST).watchWish(mid), 'nobody');
  await new Operations(nursery).unpause(mid);
  assert.is(await new Operations(nursery, FAST).watchWish(mid), 'nobody');
  await new Operations(nursery).setRate(mid, 0);
  assert.is(
    await new Operations(nursery, FAST).watchWish(mid),
    'rateIsZero',
    'the pause was not all that held it',
  );
  await new Operations(nursery).pause(mid);
  assert.is(await new Operations(nursery, FAST).watchWish(mid), 'nobody');
  await new Operations(nursery, FAST).abort(mid, 'not wanted');
  const refusal = await failureOf(new Operations(nursery).unpause(mid));
  assert.is(refusal.message, `cannot continue: migration ${mid} is aborted`);
});

test('the newer of two migrators goes on, the other is told', async () => {
  const nursery = filled(200);
  const mid = nursery.plan('a', 'b', '', null);
  const settings = { ...SMALL_PAGES, heartbeatMs: 60_000 };
  const first = failureOf(runMigration({ clusters: nursery, mid, claimAtOnce: true, settings }));
  while (nursery.keeper.all('note').length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const record = nursery.keeper.sim.state.migrations.get(mid);
  const seen = {
    token: record?.token ?? 0,
    heartbeat: record?.heartbeat ?? 0,
    atMs: performance.now() - 1000,
  };
  const result = await runMigration({ clusters: nursery, mid, seen, settings: FAST });
  assert.is(result.outcome, 'done');
  const { code, message } = await first;
  assert.is(code, 'FENCED');
  assert.match(message, new RegExp(`^another migrator has taken over migration ${mid} \\(token 2\\)$`));
});

test('resume leaves alone what is alive', async () => {
  const nursery = filled(10);
  const mid = nursery.plan('a', 'b', '', null);
  nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'pause', why: '' });
  const stop = new AbortController();
  const first = failureOf(
    runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: FAST, signal: stop.signal }),
  );
  while ((nursery.keeper.sim.state.migrations.get(mid)?.token ?? 0) === 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { code, message } = await failureOf(new Operations(nursery, FAST).resume(mid));
  assert.is(code, 'FENCED');
  assert.match(message, /is working on/);
  stop.abort();
  assert.is((await first).code, 'GOING_DOWN');
  nursery.keeper.sim.command({ kind: 'wish', mid, wish: 'run', why: '' });
  const [result] = await new Operations(nursery, FAST).resume(null);
  assert.is(result?.outcome, 'done');
});

test('who sees a migration through runs it, or watches whoever was first, and is never told to go', async () => {
  const nursery = filled(10);
  const mid = nursery.plan('a', 'b', '', null);
  const each = await Promise.all(
    [1, 2, 3].map(async () => await new Operations(nursery, FAST).seeThrough(mid)),
  );
  for (const { outcome } of each) assert.is(outcome, 'done');
  const late = new AbortController();
  const next = nursery.plan('b', 'c', '', null);
  nursery.keeper.sim.command({ kind: 'wish', mid: next, wish: 'pause', why: '' });
  const waits = failureOf(new Operations(nursery, FAST).seeThrough(next, { signal: late.signal }));
  while (nursery.keeper.sim.state.migrations.get(next)?.progress.stage !== 'paused')
    await new Promise((resolve) => setImmediate(resolve));
  late.abort();
  assert.is((await waits).code, 'GOING_DOWN');
});

function watchMoves(listener: (news: MovesNews) => void): () => void {
  setImmediate(() => listener({ kind: 'moves', areAny: true }));
  return () => undefined;
}

test('a daemon brings orphans to their end, also those that are only planned', async () => {
  const nursery = filled(50);
  const stop = new AbortController();
  const mids = [nursery.plan('a', 'b', 'k010', 'k020'), nursery.plan('a', 'c', 'k030', null)];
  const ended: number[] = [];
  await runDaemon({
    clusters: Object.assign(nursery, { watchMoves }),
    signal: stop.signal,
    settings: FAST,
    onEvent: (event) => {
      if (event.kind === 'ended') ended.push(event.result.mid);
      if (ended.length === 2) stop.abort();
    },
  });
  assert.equal(ended.sort(), mids);
  assert.is(nursery.owners, 'a:..k010 b:k010..k020 a:k020..k030 c:k030..');
});

test('says which cluster is silent, and gives up after a while', async () => {
  const nursery = filled(10);
  nursery.b.isDown = true;
  const mid = nursery.plan('a', 'b', '', null);
  const seen: string[] = [];
  const settings = { ...FAST, giveUpMs: 50 };
  const { code, message } = await failureOf(
    runMigration({
      clusters: nursery,
      mid,
      claimAtOnce: true,
      settings,
      onProgress: ({ waitingFor }) => seen.push(waitingFor),
    }),
  );
  assert.is(code, 'UNREACHABLE');
  assert.match(message, /target has not answered .*no connection.*resume/);
  assert.ok(
    seen.some((waitingFor) => /^target b, which has not answered for \d+ s \(no connection/.test(waitingFor)),
  );
  assert.is(nursery.a.sim.state.owned.length, 1);
});

test('a source that is lost after the activation does not keep the map from being right', async () => {
  const nursery = filled(10);
  const mid = nursery.plan('a', 'b', '', null);
  nursery.keeper.before = ({ kind }) => {
    if (kind === 'publish') nursery.a.isDown = false;
  };
  nursery.b.before = ({ kind }) => {
    if (kind === 'activate') nursery.a.isDown = true;
  };
  const result = await runMigration({ clusters: nursery, mid, claimAtOnce: true, settings: FAST });
  assert.is(result.outcome, 'done');
  assert.is(result.receipt?.digest.count, 10);
});

test('removes a cluster between two others', async () => {
  const nursery = filled(90);
  const settings = FAST;
  await new Operations(nursery, settings).migrate({
    kind: 'range',
    range: { lo: 'k030', hi: 'k060' },
    target: 'b',
  });
  await new Operations(nursery, settings).migrate({
    kind: 'range',
    range: { lo: 'k060', hi: null },
    target: 'c',
  });
  const results = await new Operations(nursery, settings).remove({ cluster: 'b', separator: 'k040' });
  assert.is(results.length, 2);
  const known = await nursery.map();
  assert.equal(
    known.map.entries.map(({ owner, lo }) => `${owner}:${lo}`),
    ['a:', 'a:k030', 'c:k040', 'c:k060'],
  );
  assert.equal(
    known.clusters.map(({ cluster }) => cluster),
    ['a', 'c'],
  );
  assert.equal(keysOf(nursery.b), []);
});

test('a refusal moves nothing, and a dry run neither', async () => {
  const nursery = filled(10);
  const refused = await failureOf(
    new Operations(nursery).migrate({ kind: 'separator', left: 'b', separator: 'k', right: 'c' }),
  );
  assert.is(refused.code, 'REFUSED');
  const [move] = await new Operations(nursery).dryRun({
    kind: 'range',
    range: { lo: 'k005', hi: null },
    target: 'c',
  });
  const { lo, hi, source, target, sourceKeys, keys, freeBytes } = move ?? {};
  assert.equal([source, target, lo, hi], ['a', 'c', 'k005', null]);
  assert.equal([sourceKeys, keys, freeBytes], [null, null, null], 'nobody counts');
  assert.is(nursery.keeper.sim.state.migrations.size, 0);
});

test('moves back and on at once: epochs never repeat', async () => {
  const nursery = filled(30);
  const epochs: number[] = [];
  for (const target of ['b', 'c', 'b', 'a', 'b', 'a']) {
    const [result] = await new Operations(nursery, FAST).migrate({ kind: 'range', range: WHOLE, target });
    epochs.push(result?.mid ?? 0);
  }
  assert.is(new Set(epochs).size, 6);
  assert.is(keysOf(nursery.a).length, 30);
  assert.equal(keysOf(nursery.b), []);
});

/** A nursery whose first cluster has so many ranges side by side, by moves away and back. */
async function cutUp(moves: number): Promise<{ nursery: LocalNursery; operations: Operations }> {
  const nursery = filled(100);
  const operations = new Operations(nursery, FAST);
  for (let at = 0; at < moves; at += 1) {
    const range = { lo: `k0${at}0`, hi: `k0${at}5` };
    for (const target of ['b', 'a']) await operations.migrate({ kind: 'range', range, target });
  }
  return { nursery, operations };
}

test('merges what meets at a separator, then everything, in as many steps as it takes', async () => {
  const { nursery, operations } = await cutUp(9);
  assert.is(nursery.owners.split(' ').length, 19);
  const asked = { ...UNSAID, who: 'me' };
  const [one] = await operations.merge('k010', { asked });
  assert.is(one?.outcome, 'done');
  assert.equal(nursery.keeper.sim.state.migrations.get(one?.mid ?? 0)?.asked, asked);
  assert.match(nursery.owners, / a:k005..k015 /);
  assert.equal((await operations.dryMerge(null)).length, 2);
  const all = await operations.merge(null);
  assert.equal(
    all.map(({ outcome }) => outcome),
    ['done', 'done', 'done'],
  );
  assert.is(nursery.owners, 'a:..');
  assert.is(keysOf(nursery.a).length, 100);
  assert.equal(await operations.merge(null), []);
  const { owned } = nursery.a.sim.state;
  assert.equal(owned, [{ lo: '', hi: null, epoch: all.at(-1)?.mid, sealedBy: null }]);
});

test('a merge that nobody works on is brought to its end like a move', async () => {
  const { nursery, operations } = await cutUp(1);
  nursery.keeper.sim.command({ kind: 'planMerge', cluster: 'a', lo: '', hi: null });
  const results = await operations.resume(null);
  assert.equal(
    results.map(({ outcome }) => outcome),
    ['done'],
  );
  assert.is(nursery.owners, 'a:..');
});

test('a merge that is refused where nothing can be merged', async () => {
  const { operations } = await cutUp(1);
  assert.match((await failureOf(operations.merge('k003'))).message, /no two ranges meet/);
  await operations.migrate({ kind: 'range', range: { lo: 'k000', hi: 'k005' }, target: 'b' });
  assert.match((await failureOf(operations.merge('k005'))).message, /two owners/);
});

test.run();
