/** A coordinator step by step, against real state machines: what it asks for, when it asks again, and when it gives up. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Effect } from '../../../migrator/core/calls.ts';
import { SETTINGS } from '../../../migrator/core/settings.ts';
import { hasEnded, stageOf, step } from '../../../migrator/core/step.ts';
import type { AdminAnswer, Migration } from '../../../src/protocol/admin/admin.ts';
import { MID, nameOf, Rig } from './rig.ts';
import { fresh, NOW_MS } from './samples.ts';

/** All that is asked, in order, notes and questions about the record left out. */
const asks = (rig: Rig): string[] => rig.asked.filter((name) => name !== 'note' && name !== 'getMigration');

test('a move from beginning to end', () => {
  const rig = new Rig();
  rig.start();
  rig.run(1000);
  while (rig.source.machine.cleanups.length > 0)
    rig.source.expect({ kind: 'cleanupStep', mid: MID, rowsMax: 10 }, 'ok');
  rig.run(1000);
  assert.equal(rig.end?.kind, 'finished');
  const order = [
    'claim',
    'beginImport',
    'beginExport',
    'readPage',
    'page',
    'seal',
    'activate',
    'publish',
    'release',
    'finish',
  ];
  const places = order.map((name) => asks(rig).indexOf(name));
  assert.equal(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.ok(!places.includes(-1), asks(rig).join(' '));
  assert.equal(rig.target.machine.owned(), [{ lo: 'k', hi: null, epoch: MID, sealedBy: null }]);
  for (const name of ['seal', 'activate', 'publish', 'release', 'finish'])
    assert.is(rig.count(name), 1, name);
});

test('one that somebody else may work on is watched first, for as long as a heartbeat may take', () => {
  const rig = new Rig({ claimAtOnce: false });
  rig.start();
  assert.equal(rig.asked, ['getMigration']);
  rig.run(SETTINGS.claimAfterMs - 1);
  assert.is(rig.count('claim'), 0);
  rig.run(1);
  assert.is(rig.count('claim'), 1);
});

test('what was seen of it earlier saves that time', () => {
  const seen = { token: 0, heartbeat: 0, atMs: -400 };
  const rig = new Rig({ claimAtOnce: false, seen });
  rig.start();
  rig.run(SETTINGS.claimAfterMs - 401);
  assert.is(rig.count('claim'), 0);
  rig.run(1);
  assert.is(rig.count('claim'), 1);
});

test('before it knows the record it can only tell that it asks the keeper', () => {
  const state = fresh();
  step(state, { kind: 'start', nowMs: NOW_MS });
  const told = step(state, { kind: 'tick', nowMs: NOW_MS + 1000 }).flatMap((effect) =>
    effect.kind === 'progress' ? [effect.progress] : [],
  );
  assert.equal(
    told.map(({ stage, waitingFor }) => [stage, waitingFor]),
    [['asking the keeper', 'the keeper, which has not answered for 1 s']],
  );
});

test('a heartbeat that goes on belongs to somebody who works on it', () => {
  for (const change of ['heartbeat', 'token'] as const) {
    const rig = new Rig({ claimAtOnce: false, seen: { token: 1, heartbeat: 0, atMs: 0 } });
    rig.intercept = (name) => {
      if (name !== 'getMigration') return null;
      const { migrations } = rig.keeper.query({ kind: 'getMigration', mid: MID }, 'migrations');
      const record = { ...migrations[0], token: 1, heartbeat: 0, [change]: 5 } as (typeof migrations)[number];
      return { kind: 'migrations', migrations: [record] };
    };
    rig.start();
    assert.is(rig.end?.kind === 'failed' && rig.end.code, 'FENCED');
  }
});

test('a claim that came too late looks again; any other command that is fenced ends it', () => {
  const rig = new Rig();
  let isFenced = true;
  rig.intercept = (name) => {
    if (name !== 'claim' || !isFenced) return null;
    isFenced = false;
    return { kind: 'fenced', token: 1 };
  };
  rig.start();
  assert.is(hasEnded(rig.coordinator), false);
  assert.is(rig.count('getMigration'), 2);
  const other = new Rig();
  other.intercept = (name) => (name === 'beginExport' ? { kind: 'fenced', token: 9 } : null);
  other.start();
  assert.is(other.end?.kind === 'failed' && other.end.code, 'FENCED');
});

test('a migration that the keeper does not know is refused', () => {
  const rig = new Rig({ mid: 77 });
  rig.start();
  assert.is(rig.end?.kind === 'failed' && rig.end.code, 'REFUSED');
});

test('what is not answered is sent again, unchanged, after pauses that double up to a second', () => {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'beginImport' ? 'silence' : null);
  rig.start();
  const pauses: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    const before = rig.count('beginImport');
    rig.unanswered(rig.lastOf('beginImport'));
    const sinceMs = rig.nowMs;
    while (rig.count('beginImport') === before) rig.run(1);
    pauses.push(rig.nowMs - sinceMs);
  }
  assert.equal(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
  const bodies = rig.sends.filter((send) => nameOf(send) === 'beginImport').map(({ request }) => request);
  for (const body of bodies) assert.equal(body, bodies[0]);
});

test('a heartbeat that is not answered is not repeated: the next one says more', () => {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'note' || name === 'beginImport' ? 'silence' : null);
  rig.start();
  assert.is(rig.count('note'), 1);
  rig.run(1000);
  assert.is(rig.count('note'), 1, 'one at a time');
  rig.unanswered(rig.lastOf('note'));
  rig.run(SETTINGS.heartbeatMs);
  assert.is(rig.count('note'), 2);
});

test('while it works the keeper hears of it every heartbeat', () => {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'beginImport' ? 'silence' : null);
  rig.start();
  rig.run(3 * SETTINGS.heartbeatMs); // what is unanswered for longer is waited for, which is told more rarely
  assert.is(rig.count('note'), 4);
});

test('who is busy is asked after a while whether it still is, commanded again when it is not, and told of', () => {
  const rig = new Rig();
  let isBusy = true;
  const asked = ['beginImport', 'mayBegin'];
  rig.intercept = (name) => (asked.includes(name) && isBusy ? { kind: 'busy', why: 'cleaning up' } : null);
  rig.start();
  rig.run(SETTINGS.pollMs - 1);
  assert.is(rig.count('mayBegin'), 0);
  rig.run(1);
  assert.is(rig.count('mayBegin'), 1);
  rig.run(10 * SETTINGS.pollMs);
  assert.is(rig.count('mayBegin'), 11);
  assert.is(rig.count('beginImport'), 1);
  const told = rig.effects.findLast((effect) => effect.kind === 'progress');
  assert.match(
    told?.kind === 'progress' ? told.progress.waitingFor : '',
    /target B, which is busy: cleaning up/,
  );
  isBusy = false;
  rig.run(SETTINGS.pollMs);
  assert.ok(rig.count('beginExport') > 0);
});

/** Far sooner than in production. */
const GIVE_UP_MS = 20_000;

test('a cluster that is silent for long is given up on, but never one whose range is sealed', () => {
  const outcome = (silent: string): Effect | undefined => {
    const rig = new Rig({ settings: { giveUpMs: GIVE_UP_MS } });
    rig.intercept = (name) => (name === silent ? 'silence' : null);
    rig.start();
    rig.unanswered(rig.lastOf(silent));
    for (let second = 0; second < 40 && !hasEnded(rig.coordinator); second += 1) {
      rig.run(1000);
      if (!hasEnded(rig.coordinator)) rig.unanswered(rig.lastOf(silent));
    }
    if (hasEnded(rig.coordinator)) assert.ok(rig.nowMs >= GIVE_UP_MS && rig.nowMs < GIVE_UP_MS + 3000);
    return rig.end;
  };
  const end = outcome('beginExport');
  assert.is(end?.kind === 'failed' && end.code, 'UNREACHABLE');
  assert.is(outcome('activate'), undefined);
});

test('a page that comes before an older one is sent again; one that is out of place begins anew', () => {
  const rig = new Rig({ settings: { pageBytes: 1 } });
  let gaps = 0;
  rig.intercept = (name, send) => {
    if (name !== 'page' || send.request.kind !== 'command' || send.request.command.kind !== 'page')
      return null;
    if (send.request.command.seq !== 1 || gaps > 0) return null;
    gaps += 1;
    return { kind: 'gap', seq: 7, cursor: 'z', asOf: 0 };
  };
  rig.start();
  rig.run(100);
  assert.is(gaps, 1);
  assert.is(rig.count('claim'), 2, 'the oldest page misses nothing: the target has another past');
});

test('answers that make no sense end it after some attempts', () => {
  const rig = new Rig();
  rig.intercept = (name) => (name === 'beginExport' ? { kind: 'ok' } : null);
  rig.start();
  rig.run(1000);
  assert.is(rig.end?.kind === 'failed' && rig.end.code, 'REFUSED');
  assert.is(rig.count('claim'), 11);
});

test('a refusal, or a digest that differs, aborts: after the seal the target abandons before the source serves again', () => {
  for (const [name, answer, order] of [
    ['beginExport', { kind: 'refused', why: 'no' }, ['cancel', 'abandon', 'recordAbort']],
    [
      'activate',
      { kind: 'mismatch', mine: { sum: 1n, count: 1, bytes: 1 } },
      ['abandon', 'unseal', 'recordAbort'],
    ],
  ] as const) {
    const rig = new Rig();
    rig.intercept = (asked) => (asked === name ? (answer as AdminAnswer) : null);
    rig.start();
    rig.run(2000);
    const end = rig.end;
    assert.ok(end?.kind === 'finished' && end.result.outcome === 'aborted', name);
    assert.match(end.result.why, name === 'activate' ? /ALARM/ : /beginExport at source A: refused: no/);
    const tail = asks(rig).filter((each) => ['cancel', 'abandon', 'unseal', 'recordAbort'].includes(each));
    assert.equal(tail, order);
    assert.equal(rig.source.machine.owned().length, 1);
  }
});

test('an operator’s wishes come back with the heartbeat: pause, go on, abort', () => {
  const rig = new Rig({ settings: { bytesPerSecondMax: 0.2, pageBytes: 1 } });
  rig.start();
  const wish = (wished: 'run' | 'pause' | 'abort'): void => {
    rig.keeper.expect({ kind: 'wish', mid: MID, wish: wished, why: 'asked' }, 'ok');
  };
  wish('pause');
  rig.run(2 * SETTINGS.heartbeatMs);
  assert.is(stageOf(rig.coordinator), 'paused');
  const pages = rig.count('readPage');
  rig.run(20_000);
  assert.is(rig.count('readPage'), pages);
  wish('run');
  rig.run(1000);
  assert.ok(rig.count('readPage') > pages);
  wish('abort');
  rig.run(1000);
  assert.ok(rig.end?.kind === 'finished' && rig.end.result.outcome === 'aborted');
});

test('a copy goes no faster than it may', () => {
  const rig = new Rig({ settings: { bytesPerSecondMax: 2, pageBytes: 1 } });
  rig.start();
  assert.is(rig.count('readPage'), 1);
  rig.run(999);
  assert.is(rig.count('readPage'), 1, 'a row of two bytes takes a second');
  rig.run(1);
  assert.is(rig.count('readPage'), 2);
});

/** So many rows of a hundred bytes in the range that moves. */
function filled(rows: number, options: ConstructorParameters<typeof Rig>[0] = {}, beside?: Rig): Rig {
  const rig = new Rig(options, beside);
  for (let n = 0; n < rows; n += 1) rig.source.set(`k${String(n).padStart(5, '0')}`, 'v'.repeat(94));
  return rig;
}

const copiedBy = (rig: Rig): number => rig.coordinator.report.progress.bytesCopied;
const recordIn = (rig: Rig): Migration => rig.keeper.machine.migrations.get(MID) as Migration;
const setRate = (rig: Rig, rate: number): void => {
  rig.keeper.expect({ kind: 'setRate', mid: MID, rate }, 'ok');
};

test('over ten seconds a copy brings what its rate says, within a tenth, and no page waits for long', () => {
  for (const rate of [1500, 10_000, 27_777]) {
    const rig = filled((rate * 12) / 100);
    setRate(rig, rate);
    rig.start();
    for (let seconds = 0; seconds < 10; seconds += 1) {
      rig.run(1000);
      const expected = rate * (seconds + 1);
      assert.ok(Math.abs(copiedBy(rig) - expected) <= 0.4 * rate + 1024, `${copiedBy(rig)} of ${expected}`);
    }
    const share = copiedBy(rig) / (10 * rate);
    assert.ok(share > 0.9 && share < 1.1, `${rate} bytes per second: ${share} of it`);
  }
});

test('a rate is changed while it copies: from the next beat on, and what was owed at the old one is paid at the new one', () => {
  const rig = filled(2000);
  setRate(rig, 100);
  rig.start();
  rig.run(2000);
  assert.ok(copiedBy(rig) < 2000);
  setRate(rig, 10_000);
  rig.run(SETTINGS.heartbeatMs + 100);
  const before = copiedBy(rig);
  rig.run(10_000);
  const share = (copiedBy(rig) - before) / 100_000;
  assert.ok(share > 0.9 && share < 1.1, String(share));
});

test('a rate of nothing stops the copy, says so, and beats on; whoever takes over keeps to it', () => {
  const rig = filled(50);
  setRate(rig, 1000);
  rig.start();
  setRate(rig, 0);
  rig.run(SETTINGS.heartbeatMs + 10);
  const before = copiedBy(rig);
  rig.run(30_000);
  assert.is(copiedBy(rig), before);
  assert.match(recordIn(rig).progress.waitingFor, 'an operator, who has set its rate to 0');
  const { heartbeat } = recordIn(rig);
  rig.run(10_000);
  assert.ok(recordIn(rig).heartbeat > heartbeat);

  const next = new Rig({ claimAtOnce: false }, rig);
  next.nowMs = rig.nowMs;
  next.start();
  next.run(30_000);
  assert.is(recordIn(rig).token, 2);
  assert.is(next.count('readPage'), 0);
  setRate(next, 1_000_000);
  next.run(10_000);
  assert.is(stageOf(next.coordinator), 'cleaning up');
});

/** A coordinator of so many rows whose pages are answered with how long requests waited at B, before the copy and in it. */
function amongClients(rows: number, waitedMs: { before: number; now: number }): Rig {
  const rig = filled(rows, { settings: { pageBytes: 5000, courteousBytesMin: 1000 } });
  rig.intercept = (name, send) => {
    if (name !== 'page' && name !== 'beginImport') return null;
    const answer = rig.answerOf(send);
    return { ...answer, waitedMs: name === 'page' ? waitedMs.now : waitedMs.before } as AdminAnswer;
  };
  return rig;
}

test('a copy that nobody has asked a rate goes as fast as it can where nobody waits', () => {
  const rig = amongClients(2000, { before: 0, now: 0 });
  rig.start();
  assert.is(rig.coordinator.pipe, null);
  assert.ok(copiedBy(rig) >= 200_000);
});

test('it gives way where requests wait, says so in its record, and comes to its end', () => {
  const waitedMs = { before: 2, now: 50 };
  const rig = amongClients(300, waitedMs);
  rig.start();
  rig.run(5000);
  const { givesWay, stage, waitingFor } = recordIn(rig).progress;
  assert.equal([givesWay, stage, waitingFor], [{ rate: 1000, waitedMs: 50, cluster: 'B' }, 'copying', '']);
  const before = copiedBy(rig);
  rig.run(5000);
  const share = (copiedBy(rig) - before) / 5000;
  assert.ok(share > 0.7 && share < 1.3, `${share} of the lowest rate`);
  waitedMs.now = 1;
  rig.run(60_000);
  assert.is(stageOf(rig.coordinator), 'cleaning up');
  assert.is(recordIn(rig).progress.givesWay, undefined);
});

test('where there are clients it begins slowly, and whoever takes over goes on at its rate', () => {
  const rig = amongClients(1000, { before: 3, now: 3 });
  rig.start();
  rig.run(1000);
  const rate = rig.coordinator.courtesy.rate as number;
  assert.ok(rate > 4000 && rate < 4500 && copiedBy(rig) < 10_000, `${rate}, ${copiedBy(rig)}`);
  const next = new Rig({ claimAtOnce: false, settings: { courteousBytesMin: 1000 } }, rig);
  next.nowMs = rig.nowMs;
  next.start();
  next.run(1010);
  assert.is(next.coordinator.claim.token, 2);
  assert.ok(Math.abs((next.coordinator.courtesy.rate as number) - rate) < 0.2 * rate);
});

test('clients of the source are heard, too: its master is asked while rows are copied', () => {
  let waitedMs = 3;
  const rig = filled(1000, { settings: { pageBytes: 5000, courteousBytesMin: 1000 } });
  rig.intercept = (name) => (name === 'slowDown' ? { kind: 'ok', waitedMs } : null);
  rig.start();
  rig.run(1000);
  assert.equal(recordIn(rig).progress.givesWay?.cluster, 'A');
  const { rate } = rig.coordinator.courtesy;
  waitedMs = 100;
  rig.run(1500);
  assert.ok((rig.coordinator.courtesy.rate as number) < (rate as number) * 0.6);
  const asked = rig.count('slowDown');
  setRate(rig, 1_000_000);
  rig.run(1000);
  assert.ok(rig.count('slowDown') <= asked + 1, 'not at a rate that was asked for');
});

test('a rate that was asked for is kept exactly, whatever requests wait', () => {
  const rig = amongClients(1000, { before: 0, now: 5000 });
  setRate(rig, 10_000);
  rig.start();
  rig.run(5000);
  const share = copiedBy(rig) / 50_000;
  assert.ok(share > 0.9 && share < 1.1, String(share));
  assert.is(recordIn(rig).progress.givesWay, undefined);
});

test('rounds and the last rows are not throttled', () => {
  const rig = filled(2);
  setRate(rig, 100);
  rig.step({ kind: 'start', nowMs: 0 });
  rig.settle(() => rig.count('page') === 1);
  for (let n = 100; n < 500; n += 1) rig.source.set(`l${n}`, 'w'.repeat(94));
  rig.settle();
  rig.run(200);
  assert.ok(rig.count('readDirty') > 0);
  assert.is(stageOf(rig.coordinator), 'cleaning up');
});

test('where rounds do not shrink writers are held back, twice as long each time', () => {
  const rig = new Rig({ settings: { sealRowsMax: 0, sealRowsWanted: 0, stuckRounds: 2 } });
  const delays: number[] = [];
  rig.intercept = (name, send) => {
    if (
      send.request.kind === 'query' &&
      send.request.query.kind === 'slowDown' &&
      send.request.query.delayMs > 0
    )
      delays.push(send.request.query.delayMs);
    if ((name === 'trim' || name === 'scanBase') && delays.length < 3)
      for (const key of ['k', 'l', 'm']) rig.source.set(key, String(rig.asked.length));
    return null;
  };
  rig.start();
  assert.equal([...new Set(delays)].slice(0, 3), [2, 4, 8]);
});

test('who leaves notes that, does nothing more, and anybody goes on at once', () => {
  const rig = new Rig({ settings: { pageBytes: 1 } });
  rig.step({ kind: 'start', nowMs: 0 });
  rig.settle(() => rig.count('page') === 2);
  rig.step({ kind: 'leave', nowMs: rig.nowMs });
  rig.step({ kind: 'leave', nowMs: rig.nowMs }); // once is enough
  rig.settle();
  assert.equal(
    rig.asked.slice(rig.asked.lastIndexOf('page') + 1).filter((each) => each !== 'readPage'),
    ['note'],
  );
  assert.is(rig.end?.kind === 'failed' && rig.end.code, 'GOING_DOWN');
  assert.is(rig.keeper.machine.migrations.get(MID)?.progress.stage, 'given up');
  const next = new Rig({ claimAtOnce: false }, rig);
  next.start();
  assert.is(stageOf(next.coordinator), 'cleaning up', 'without a wait');
});

test('who leaves while it looks just ends; while it claims, it notes that as soon as it has the token', () => {
  const looking = new Rig({ claimAtOnce: false });
  looking.start();
  looking.step({ kind: 'leave', nowMs: 0 });
  assert.is(looking.end?.kind === 'failed' && looking.end.code, 'GOING_DOWN');
  assert.equal(looking.asked, ['getMigration']);

  const claiming = new Rig();
  claiming.step({ kind: 'start', nowMs: 0 });
  claiming.settle(() => claiming.count('claim') === 1);
  claiming.step({ kind: 'leave', nowMs: 0 });
  claiming.settle();
  assert.equal(claiming.asked, ['getMigration', 'claim', 'note']);
  assert.is(claiming.keeper.machine.migrations.get(MID)?.progress.stage, 'given up');
});

test('who leaves a sealed range goes on until somebody serves it, but not for long', () => {
  for (const isAnswered of [true, false]) {
    const rig = new Rig();
    rig.intercept = (name) => (name === 'activate' && !isAnswered ? 'silence' : null);
    rig.step({ kind: 'start', nowMs: 0 });
    rig.settle(() => rig.count('seal') === 1);
    rig.step({ kind: 'leave', nowMs: 0 });
    rig.settle();
    if (!isAnswered) {
      assert.is(rig.end, undefined);
      rig.run(SETTINGS.leaveSealedMs + 10);
    }
    assert.is(rig.end?.kind === 'failed' && rig.end.code, 'GOING_DOWN');
    const { closed } = rig.target.machine.state;
    assert.is(closed.get(MID), isAnswered ? 'activated' : undefined);
    assert.is(rig.keeper.machine.migrations.get(MID)?.progress.stage, 'given up');
    const next = new Rig({ claimAtOnce: false }, rig);
    next.start();
    assert.is(stageOf(next.coordinator), 'cleaning up');
  }
});

test('what is noted while it leaves and not answered is noted again', () => {
  const rig = new Rig({ settings: { pageBytes: 1 } });
  rig.step({ kind: 'start', nowMs: 0 });
  rig.settle(() => rig.count('page') === 2);
  rig.step({ kind: 'leave', nowMs: 0 });
  const note = rig.lastOf('note');
  rig.unanswered(note);
  assert.is(rig.keeper.machine.migrations.get(MID)?.progress.stage, 'given up');
});

test('nothing happens after its end', () => {
  const rig = new Rig({ mid: 77 });
  rig.start();
  assert.equal(step(rig.coordinator, { kind: 'tick', nowMs: 99_999 }), []);
});

test.run();
