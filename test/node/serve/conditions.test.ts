/** Since when something is so, and who is behind: by the clock of the node that sees it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Conditions, ConditionWatch, Lag, presentConditions } from '../../../node/serve/conditions.ts';
import { Heartbeats } from '../../../node/serve/heartbeats.ts';
import { Seals } from '../../../node/serve/seals.ts';
import { Meeting } from '../identity/meeting.ts';

test('what goes on keeps its beginning, whatever becomes of the words; what was over begins anew', () => {
  const conditions = new Conditions();
  const full = (detail: string) => ({ kind: 'full', subject: '', detail }) as const;
  conditions.look([full('a')], 0, 1000);
  conditions.look([full('b')], 500, 1500);
  assert.equal(conditions.all, [{ kind: 'full', subject: '', detail: 'b', sinceMs: 1000 }]);
  conditions.look([], 600, 1600);
  assert.equal(conditions.all, []);
  conditions.look([full('b')], 700, 1700);
  assert.is(conditions.all[0]?.sinceMs, 1700);
});

test('where somebody knows better than whoever looks, that counts; each subject is its own', () => {
  const conditions = new Conditions();
  const unseen = (subject: string, sinceMs: number) =>
    ({ kind: 'unseen', subject, detail: '', sinceMs }) as const;
  conditions.look([unseen('a', 300), unseen('b', 400)], 1000, 50_000);
  assert.equal(
    conditions.all.map(({ subject, sinceMs }) => [subject, sinceMs]),
    [
      ['a', 49_300],
      ['b', 49_400],
    ],
  );
});

test('a wall clock that is set anew moves no beginning', () => {
  const conditions = new Conditions();
  conditions.look([{ kind: 'waits', subject: '', detail: '' }], 0, 1000);
  conditions.look([{ kind: 'waits', subject: '', detail: '' }], 10, 9_000_000);
  assert.is(conditions.all[0]?.sinceMs, 1000);
});

test('due is what was chosen a while ago, and not what has been chosen since, however fast', () => {
  const lag = new Lag();
  const leaseMs = 1000; // so a peer has 2.5 s
  const due: number[] = [];
  for (let nowMs = 0; nowMs <= 6000; nowMs += 100) due.push(lag.look(nowMs * 10, leaseMs, nowMs));
  assert.is(due[20], 0, 'nothing is known of before');
  assert.ok((due[40] as number) >= 10_000 && (due[40] as number) <= 15_000, `${due[40]}`);
  assert.ok((due[60] as number) >= 30_000 && (due[60] as number) <= 35_000, `${due[60]}`);
  for (let nowMs = 6100; nowMs <= 12_000; nowMs += 100) due.push(lag.look(60_000, leaseMs, nowMs));
  assert.is(due.at(-1), 60_000, 'once nothing more is chosen all of it is due');
});

test('who has no vote grants no lease: that it knows no master is nothing wrong', () => {
  const driver = {
    replica: { founded: {} },
    master: () => null,
    waitsForRoom: null,
    standing: 'sound',
    mayRead: () => false,
    machine: { seals: [], strangersWhy: null },
  };
  const context = { driver, introduction: {}, seals: {}, nowMs: () => 0 } as never;
  const kinds = (role: 'follower' | 'learner' | 'joining') =>
    presentConditions(context, { role, waitsFor: null }, 0).map(({ kind }) => kind);
  assert.equal([kinds('follower'), kinds('learner'), kinds('joining')], [['noMaster'], [], []]);
});

test('a master says whom its file names and who is no member; learners never are', () => {
  const replica = {
    founded: {},
    config: { node: 'a', wished: ['a', 'b', 'c', 'l'], learners: ['l'], leaseMs: 1000 },
    members: { members: [{ node: 'a' }, { node: 'b' }] },
    peers: new Map(['b', 'l'].map((node) => [node, { heardMs: 0, applied: 0 }])),
    chosen: 0,
  };
  const driver = {
    replica,
    master: () => 'a',
    waitsForRoom: null,
    standing: 'sound',
    mayRead: () => true,
    machine: { seals: [], strangersWhy: null },
  };
  const context = { driver, introduction: {}, seals: {}, nowMs: () => 0 } as never;
  assert.equal(presentConditions(context, { role: 'master', waitsFor: null }, 0), [
    { kind: 'absent', subject: 'c', detail: '' },
  ]);
});

test('a watch that is ticked has seen since when something is so, long before anybody asks', () => {
  const meeting = new Meeting(['a', 'b', 'c']);
  const { world, introduction } = meeting;
  const nowMs = (): number => world.nowMs;
  let looks = 0;
  const wallMs = (): number => {
    looks += 1;
    return world.nowMs;
  };
  const seen = { seals: new Seals(), heartbeats: new Heartbeats(), nowMs, wallMs };
  const watch = new ConditionWatch({ driver: world.driver, introduction, ...seen });
  const beganMs = world.nowMs;
  for (let passed = 0; passed < 5000; passed += 50) {
    watch.tick();
    meeting.pass(0);
  }
  assert.ok(world.nowMs - beganMs >= 5000);
  assert.ok(looks <= 1 + (world.nowMs - beganMs) / 500, `${looks} looks`);
  const [condition] = watch.all;
  assert.is(condition?.sinceMs, beganMs, JSON.stringify(watch.all));
});

test.run();
