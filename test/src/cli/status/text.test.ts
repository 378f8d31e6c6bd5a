import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { printAge } from '../../../../src/cli/status/amounts.ts';
import { migrationToJson } from '../../../../src/cli/status/json.ts';
import { describeMigration, statusLines, table } from '../../../../src/cli/status/text.ts';
import type { Facts, NodeSeen } from '../../../../src/health/facts.ts';
import { finding } from '../../../../src/health/finding.ts';
import { EMPTY_MAP, RangeMap } from '../../../../src/keyspace/rangemap.ts';
import { type Migration, NO_PROGRESS, UNSAID } from '../../../../src/protocol/admin/migration.ts';
import { NO_LOAD, NOWHERE, type NodeFacts } from '../../../../src/protocol/admin/node-facts.ts';

function migration(stage: string, waitingFor: string): Migration {
  return {
    mid: 7,
    source: 'ams',
    target: 'bru',
    lo: 'k',
    hi: null,
    phase: 'active',
    token: 1,
    heartbeat: 2,
    wish: stage === 'paused' ? 'pause' : 'run',
    why: '',
    progress: { ...NO_PROGRESS, stage, waitingFor },
    receipt: null,
  };
}

const waitingForOf = (of: Migration): string =>
  (migrationToJson(of) as { readonly progress: { readonly waitingFor: string } }).progress.waitingFor;

test('whom a move waits for is said, in words and for scripts', () => {
  const waiting = migration('copying', 'bru for 12 s');
  assert.match(describeMigration(waiting, false), /, waiting for bru for 12 s$/);
  assert.match(describeMigration(waiting, true), /, when last heard of waiting for bru for 12 s$/);
  assert.is(waitingForOf(waiting), 'bru for 12 s');
});

test('how fast a move is copied at most is said, and why', () => {
  const copying = migration('copying', '');
  const told = (of: Partial<Migration>): string => describeMigration({ ...copying, ...of }, false);
  assert.match(told({}), /, as fast as it can$/);
  const givesWay = { rate: 512 * 1024, waitedMs: 12, cluster: 'bru' };
  const progress = { ...copying.progress, givesWay };
  assert.match(
    told({ progress }),
    /, at most 512 KiB\/s: it gave way to requests, which waited 12 ms at bru, and rises slowly$/,
  );
  const asked = { ...UNSAID, rate: 7 };
  assert.match(told({ progress, asked }), /, at most 7 bytes\/s, as was asked for$/);
  assert.not.match(told({ progress, asked, phase: 'published' }), /bytes/);
  assert.not.match(told({ progress: { ...progress, stage: 'catching up' } }), /KiB|fast/);
  assert.not.match(told({ merges: [] }), /fast/);
  assert.equal(
    (migrationToJson({ ...copying, progress }) as { progress: Migration['progress'] }).progress.givesWay,
    givesWay,
  );
});

test('one that is paused waits for nobody, whomever it had asked before', () => {
  const paused = migration('paused', 'bru for 12 s');
  assert.not.match(describeMigration(paused, false), /waiting/);
  assert.is(waitingForOf(paused), '');
});

test('an age is said in the unit that says enough, and a clock that was set back makes none below zero', () => {
  const said = [-5, 999, 119_000, 120_000, 7_199_000, 7_200_000, 172_799_000, 172_800_000].map(printAge);
  assert.equal(said, ['0 s', '0 s', '119 s', '2 min', '119 min', '2 h', '47 h', '2 d']);
});

test('columns stand below one another, and the last one as it is', () => {
  assert.equal(
    table([
      ['ams_10', 'master', 'a long one'],
      ['b', 'follower', 'x'],
    ]),
    ['  ams_10  master    a long one', '  b       follower  x'],
  );
});

test('the verdict comes first, then what is wrong, since when by whose clock, and what to type', () => {
  const facts: Facts = { file: 'r.ini', front: null, keeper: null, clusters: [], router: null };
  const wrong = finding({
    kind: 'migratorDead',
    severity: 'atRisk',
    subject: '7',
    what: 'no migrator\x1b[2J',
    since: { sinceMs: Date.UTC(2026, 0, 2, 3, 4, 5), ageMs: 65_000, by: 'k0' },
    todo: 'go on',
    command: 'nursery migrate --resume',
  });
  const lines = statusLines(facts, { state: 'atRisk', words: 'at risk: it', findings: [wrong] }, 0);
  assert.equal(lines, [
    'at risk: it',
    '! no migrator?[2J',
    '    since 2026-01-02 03:04:05 UTC, for 65 s, by the clock of k0',
    '    go on',
    '    type: nursery migrate --resume',
    '',
  ]);
});

test('where all of a cluster is gone, or was brought back, its last backup is spoken of', () => {
  const entry = { lo: '', hi: null, owner: 'bru', epoch: 1, founding: 'f-new' };
  const order = { order: 3, kind: 'promote', cluster: 'bru', was: 'f-old', founding: 'f-new' } as const;
  const known = { map: RangeMap.of(1, [entry]), clusters: [] };
  const said = (nodes: readonly NodeSeen[]): string[] => {
    const facts: Facts = {
      file: 'r.ini',
      front: null,
      keeper: {
        cluster: 'k',
        known,
        migrations: [],
        orders: [{ ...order, takenMs: 0, given: null, before: [] }],
        why: null,
      },
      clusters: [{ cluster: 'bru', founding: 'f-new', nodes, isElsewhere: false }],
      router: null,
    };
    const lines = statusLines(facts, { state: 'healthy', words: 'healthy', findings: [] }, 0);
    return lines.filter((line) => line.includes('backup'));
  };
  const node = { name: 'bru_0', why: '', turnedAway: null };
  assert.equal(said([{ ...node, facts: null }]), [
    '  last backup: none of its nodes is there to say; nursery verify DIRECTORY says what is in one',
  ]);
  const common = { cluster: 'bru', role: 'candidate', label: '', members: [], backup: null };
  const status = { ...common, owned: [{ ...entry, sealedBy: null }] };
  const facts = { status, conditions: [], visitors: [], load: NO_LOAD, places: NOWHERE, counts: null };
  assert.equal(said([{ ...node, facts: facts as unknown as NodeFacts }]), [
    '  no backup was noted since order 3 (promotion or restore); those of before can still be restored',
  ]);
});

test('where nodes of the keeper are silent, it is not said that nobody is connected to them', () => {
  const silent = { name: 'k0', facts: null, why: 'refused', turnedAway: null };
  const there = {
    visitors: [],
    conditions: [],
    counts: null,
    freeBytes: null,
    load: NO_LOAD,
    places: NOWHERE,
  };
  const status = { cluster: 'k', role: 'follower', label: '', members: [], owned: [], backup: null };
  const well = { ...silent, name: 'k1', facts: { ...there, status } as unknown as NodeFacts };
  const said = (nodes: readonly NodeSeen[]): string[] => {
    const known = { map: EMPTY_MAP, clusters: [] };
    const keeper = { cluster: 'k', known, migrations: null, orders: null, why: 'refused' };
    const clusters = [{ cluster: 'k', nodes, isElsewhere: false }];
    const facts: Facts = { file: 'r.ini', front: null, keeper, clusters, router: null };
    const lines = statusLines(facts, { state: 'healthy', words: 'healthy', findings: [] }, 0);
    return lines.filter((line) => line.includes('connected to'));
  };
  assert.equal([[silent], [silent, well], [well]].flatMap(said), [
    'which routers and migrators are connected to the keeper is not known: no node of it answers',
    'no router and no migrator is connected to the nodes of the keeper that answer',
    'no router and no migrator is connected to the keeper',
  ]);
});

test('routers and migrators are listed once, however many links they have', () => {
  const facts: Facts = {
    file: 'r.ini',
    front: null,
    keeper: {
      cluster: 'k',
      known: { map: EMPTY_MAP, clusters: [] },
      migrations: [],
      orders: [],
      why: null,
    },
    clusters: [
      {
        cluster: 'k',
        isElsewhere: false,
        nodes: [
          {
            name: 'k0',
            why: '',
            turnedAway: null,
            facts: {
              version: '',
              atMs: 100_000,
              conditions: [],
              counts: null,
              countedMs: 0,
              unmergedRows: 0,
              freeBytes: null,
              load: NO_LOAD,
              places: NOWHERE,
              status: {
                cluster: 'k',
                node: 'k0',
                role: 'master',
                master: 'k0',
                applied: 1,
                chosen: 1,
                firstLogSlot: 1,
                waitsFor: null,
                members: [],
                owned: [],
                keys: 0,
                label: '',
                founding: '',
                keeper: '',
                notes: [],
                backup: null,
                adopted: 0,
                keepers: [],
              },
              visitors: [
                { role: 'router', node: 'r', remote: '10.0.0.1:4711', sinceMs: 90_000 },
                { role: 'router', node: 'r', remote: '10.0.0.1:4712', sinceMs: 90_000 },
                { role: 'migrator', node: 'm', remote: '::1:9', sinceMs: 99_000 },
              ],
            },
          },
        ],
      },
    ],
    router: null,
  };
  const lines = statusLines(facts, { state: 'healthy', words: 'healthy', findings: [] }, 0);
  assert.equal(
    lines.filter((line) => line.includes('connected for')),
    ['  router    r  from 10.0.0.1  connected for 10 s', '  migrator  m  from ::1       connected for 1 s'],
  );
});

test.run();
