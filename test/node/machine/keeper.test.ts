/** The keeper: the map, migrations from plan to end, and the configurations of clusters. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MIGRATIONS_MAX } from '../../../node/machine/planning.ts';
import { storeState } from '../../../node/machine/system-state.ts';
import { checkPartition, lookup } from '../../../src/keyspace/rangemap.ts';
import {
  type AdminCommand,
  type Migration,
  NO_PROGRESS,
  type NodeAddress,
  type Receipt,
} from '../../../src/protocol/admin/admin.ts';
import { endedAtMs, GIVES_WAY } from '../../../src/protocol/admin/migration.ts';
import { TestCluster } from './cluster.ts';

const nodes: NodeAddress[] = [{ name: 'n1', ips: ['10.0.0.1'], port: 4000 }];
const receipt: Receipt = {
  sealSlot: 7,
  digest: { sum: 3n, count: 2, bytes: 1 },
  pauseMs: 4,
  pauseAtLeast: false,
};

/** A keeper that knows three clusters, of which the first owns everything. */
function keeper(): TestCluster {
  const cluster = new TestCluster();
  for (const id of ['A', 'B', 'C']) cluster.expect({ kind: 'setClusterConfig', cluster: id, nodes }, 'ok');
  assert.equal(cluster.command({ kind: 'initMap', cluster: 'A' }), { kind: 'planned', mid: 1 });
  return cluster;
}

type Plan = Extract<AdminCommand, { kind: 'plan' }>;
const plan = (
  changed: { source?: string; target?: string; lo?: string; hi?: string | null } = {},
): AdminCommand => ({
  kind: 'plan',
  source: 'A',
  target: 'B',
  lo: 'k',
  hi: 't',
  ...changed,
});

const recordOf = (cluster: TestCluster, mid: number): Migration =>
  cluster.query({ kind: 'getMigration', mid }, 'migrations').migrations[0] as Migration;

test('a target that was not asked is told later, once; one that is dropped, never', () => {
  const cluster = inPhase('active');
  cluster.expect({ kind: 'recordAbort', mid: 2, token: 1, why: 'silent', told: false }, 'ok');
  assert.equal([recordOf(cluster, 2).phase, recordOf(cluster, 2).isUntold], ['aborted', true]);
  cluster.expect({ kind: 'recordAbort', mid: 2, token: 1, why: 'again', told: true }, 'ok');
  assert.is(recordOf(cluster, 2).isUntold, true, 'the first word stands');
  cluster.expect({ kind: 'noteTold', mid: 9 }, 'refused');
  for (let times = 0; times < 2; times += 1) {
    cluster.expect({ kind: 'noteTold', mid: 2 }, 'ok');
    assert.equal(Object.keys(recordOf(cluster, 2)).includes('isUntold'), false);
  }
  const other = inPhase('active');
  other.expect({ kind: 'recordAbort', mid: 2, token: 1, why: 'silent', told: false }, 'ok');
  other.expect({ kind: 'dropCluster', cluster: recordOf(other, 2).target }, 'ok');
  assert.is(recordOf(other, 2).isUntold, undefined);
  const third = inPhase('active');
  third.expect({ kind: 'recordAbort', mid: 2, token: 1, why: 'silent', told: false }, 'ok');
  third.expect({ kind: 'setClusterConfig', cluster: 'C', nodes }, 'ok');
  third.expect({ kind: 'dropCluster', cluster: 'C' }, 'ok');
  assert.is(recordOf(third, 2).isUntold, true, 'another cluster was dropped');
});

test('one that went back keeps when that was, also where its migrator had noted nothing', () => {
  const abort = { kind: 'recordAbort', mid: 2, token: 1, why: 'asked', told: true } as const;
  const span = { startedAtMs: 1000, tookMs: 70 };
  const unnoted = inPhase('active');
  unnoted.expect({ ...abort, span }, 'ok');
  assert.equal([recordOf(unnoted, 2).progress.startedAtMs, endedAtMs(recordOf(unnoted, 2))], [1000, 1070]);
  unnoted.restart();
  assert.is(endedAtMs(recordOf(unnoted, 2)), 1070, 'it is stored');
  const noted = inPhase('active');
  noted.expect({ kind: 'note', mid: 2, token: 1, progress: { ...NO_PROGRESS, startedAtMs: 900 } }, 'claimed');
  noted.expect({ ...abort, span }, 'ok');
  assert.is(endedAtMs(recordOf(noted, 2)), 970);
  const before = inPhase('active');
  before.expect(abort, 'ok');
  assert.equal([endedAtMs(recordOf(before, 2)), recordOf(before, 2).abortedAfterMs], [0, undefined]);
});

/** A keeper with migration 2, claimed once, brought to this phase. */
function inPhase(phase: Migration['phase']): TestCluster {
  const cluster = keeper();
  cluster.expect(plan(), 'planned');
  cluster.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  if (phase === 'aborted')
    cluster.expect({ kind: 'recordAbort', mid: 2, token: 1, why: 'test', told: true }, 'ok');
  if (phase === 'published' || phase === 'done')
    cluster.expect({ kind: 'publish', mid: 2, token: 1, receipt }, 'ok');
  if (phase === 'done') cluster.expect({ kind: 'finish', mid: 2, token: 1 }, 'ok');
  assert.is(recordOf(cluster, 2).phase, phase);
  return cluster;
}

const owners = (cluster: TestCluster): (string | number | null)[][] =>
  cluster.machine.keeperMap().map.entries.map(({ lo, hi, owner, epoch }) => [lo, hi, owner, epoch]);

test('init gives everything to the first cluster, at an epoch of its own, once', () => {
  const cluster = keeper();
  assert.equal(owners(cluster), [['', null, 'A', 1]]);
  for (const again of ['A', 'B']) {
    assert.match(cluster.expect({ kind: 'initMap', cluster: again }, 'refused').why, /a map exists already/);
  }
  assert.equal(cluster.command(plan()), { kind: 'planned', mid: 2 });
});

test('init refuses a cluster that nobody could reach', () => {
  const cluster = new TestCluster();
  assert.match(
    cluster.expect({ kind: 'initMap', cluster: 'X' }, 'refused').why,
    /no client configuration of cluster X/,
  );
});

const REFUSED_PLANS: readonly (readonly [string, Parameters<typeof plan>[0], RegExp])[] = [
  ['an empty range', { lo: 't', hi: 't' }, /empty/],
  ['a range turned round', { lo: 't', hi: 'k' }, /empty/],
  ['a bound too long to be stored', { lo: 'x'.repeat(4027), hi: null }, /too long/],
  ['source and target the same', { target: 'A' }, /same cluster/],
  ['a target that nobody knows', { target: 'X' }, /no client configuration of cluster X/],
  ['a source that owns nothing', { source: 'B', target: 'C' }, /B does not own all/],
];
for (const [name, changed, why] of REFUSED_PLANS) {
  test(`plan refuses ${name}`, () => {
    assert.match(keeper().expect(plan(changed), 'refused').why, why);
  });
}

test('plan refuses before init, and says so', () => {
  const cluster = new TestCluster();
  cluster.expect({ kind: 'setClusterConfig', cluster: 'B', nodes }, 'ok');
  assert.match(cluster.expect(plan(), 'refused').why, /init comes first/);
});

test('plan wants the whole range at the source, however many entries it takes', () => {
  const cluster = inPhase('done');
  assert.match(cluster.expect(plan({ lo: 'a', hi: 'z' }), 'refused').why, /B owns \[k\.\.t\)/);
  cluster.expect(plan({ source: 'B', target: 'A' }), 'planned');
  cluster.expect({ kind: 'claim', mid: 3, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid: 3, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid: 3, token: 1 }, 'ok');
  cluster.expect(plan({ target: 'C', lo: 'a', hi: 'z' }), 'planned');
});

for (const phase of ['active', 'published', 'done', 'aborted'] as const) {
  test(`plan beside an overlapping migration that is ${phase}`, () => {
    const cluster = inPhase(phase);
    const source = phase === 'published' || phase === 'done' ? 'B' : 'A';
    const overlapping = plan({ source, target: 'C', lo: 'l', hi: 'm' });
    const isOpen = phase === 'active' || phase === 'published';
    const answer = cluster.command(overlapping);
    assert.is(answer.kind, isOpen ? 'refused' : 'planned');
    cluster.expect(plan({ target: 'C', lo: 't', hi: 'u' }), 'planned');
  });
}

test('migration ids rise and are never reused, also after records are forgotten', () => {
  const cluster = inPhase('aborted');
  cluster.expect({ kind: 'forget', mid: 2 }, 'ok');
  cluster.restart();
  assert.equal(cluster.command(plan()), { kind: 'planned', mid: 3 });
});

test('a claim gives the next token, the floor and the record', () => {
  const cluster = keeper();
  cluster.expect(plan(), 'planned');
  cluster.expect(plan({ lo: 'x', hi: null }), 'planned');
  const first = cluster.expect({ kind: 'claim', mid: 3, tokenSeen: 0 }, 'claimed');
  assert.equal([first.token, first.floor, first.record.mid, first.record.token], [1, 2, 3, 1]);
  const second = cluster.expect({ kind: 'claim', mid: 3, tokenSeen: 1 }, 'claimed');
  assert.is(second.token, 2);
  assert.ok(second.record.heartbeat > first.record.heartbeat, 'a claim is a sign of life');
});

test('(!) a claim is a compare-and-set: one that comes late fences nobody', () => {
  const cluster = keeper();
  cluster.expect(plan(), 'planned');
  cluster.expect({ kind: 'claim', mid: 2, tokenSeen: 0 }, 'claimed');
  const before = cluster.dump();
  assert.equal(cluster.command({ kind: 'claim', mid: 2, tokenSeen: 0 }), { kind: 'fenced', token: 1 });
  assert.equal(cluster.dump(), before);
});

test('the floor is the lowest migration that is not decided, and never falls', () => {
  const cluster = keeper();
  const floor = (mid: number, tokenSeen: number): number =>
    cluster.expect({ kind: 'claim', mid, tokenSeen }, 'claimed').floor;
  for (const [lo, hi] of [
    ['a', 'b'],
    ['b', 'c'],
    ['c', 'd'],
  ])
    cluster.expect(plan({ lo: lo as string, hi: hi as string }), 'planned');
  assert.is(floor(4, 0), 2);
  cluster.expect({ kind: 'recordAbort', mid: 4, token: 1, why: '', told: true }, 'ok');
  assert.is(floor(3, 0), 2);
  cluster.expect({ kind: 'recordAbort', mid: 2, token: 0, why: '', told: true }, 'ok');
  assert.is(floor(3, 1), 3);
  cluster.expect({ kind: 'forget', mid: 2 }, 'ok');
  cluster.expect({ kind: 'recordAbort', mid: 3, token: 2, why: '', told: true }, 'ok');
  cluster.expect(plan(), 'planned');
  assert.is(floor(5, 0), 5);
});

test('a note is a heartbeat; it tells the coordinator the wish and the floor', () => {
  const cluster = inPhase('active');
  cluster.expect({ kind: 'wish', mid: 2, wish: 'pause', why: 'lunch' }, 'ok');
  const before = recordOf(cluster, 2).heartbeat;
  const progress = { ...NO_PROGRESS, stage: 'copy', keysCopied: 12 };
  const { record, floor, token } = cluster.expect({ kind: 'note', mid: 2, token: 1, progress }, 'claimed');
  assert.equal(
    [record.wish, record.why, record.heartbeat, floor, token],
    ['pause', 'lunch', before + 1, 2, 1],
  );
  assert.equal(recordOf(cluster, 2).progress, progress);
});

const COORDINATOR: readonly ((token: number) => AdminCommand)[] = [
  (token) => ({ kind: 'note', mid: 2, token, progress: NO_PROGRESS }),
  (token) => ({ kind: 'publish', mid: 2, token, receipt }),
  (token) => ({ kind: 'recordAbort', mid: 2, token, why: '', told: true }),
  (token) => ({ kind: 'finish', mid: 2, token }),
];
for (const commandOf of COORDINATOR) {
  test(`${commandOf(0).kind} with a stale token is fenced, in every phase`, () => {
    for (const phase of ['active', 'published', 'done', 'aborted'] as const) {
      const cluster = inPhase(phase);
      const before = cluster.dump();
      assert.equal(cluster.command(commandOf(0)), { kind: 'fenced', token: 1 });
      assert.is(cluster.command(commandOf(2)).kind, 'refused', 'nor can a token be made up');
      assert.equal(cluster.dump(), before);
    }
  });
}

/** What each decision does in each phase: the phase afterwards, or that it is refused. */
const DECISIONS: readonly (readonly [
  AdminCommand,
  Record<Exclude<Migration['phase'], 'lost'>, Migration['phase'] | 'refused'>,
])[] = [
  [
    { kind: 'publish', mid: 2, token: 1, receipt },
    { active: 'published', published: 'published', done: 'done', aborted: 'refused' },
  ],
  [
    { kind: 'recordAbort', mid: 2, token: 1, why: 'late', told: true },
    { active: 'aborted', published: 'refused', done: 'refused', aborted: 'aborted' },
  ],
  [
    { kind: 'finish', mid: 2, token: 1 },
    { active: 'refused', published: 'done', done: 'done', aborted: 'refused' },
  ],
];
for (const [command, outcomes] of DECISIONS) {
  for (const [phase, outcome] of Object.entries(outcomes) as [Migration['phase'], string][]) {
    test(`${command.kind} while ${phase}`, () => {
      const cluster = inPhase(phase);
      const before = cluster.dump();
      const answer = cluster.command(command);
      assert.is(answer.kind, outcome === 'refused' ? 'refused' : 'ok');
      assert.is(recordOf(cluster, 2).phase, outcome === 'refused' ? phase : outcome);
      if (outcome === phase || outcome === 'refused') assert.equal(cluster.dump(), before);
    });
  }
}

test("publish carves the range out at the migration's epoch, one version higher, and keeps the receipt", () => {
  const cluster = inPhase('active');
  const before = cluster.machine.mapVersion;
  cluster.expect({ kind: 'publish', mid: 2, token: 1, receipt }, 'ok');
  assert.equal(owners(cluster), [
    ['', 'k', 'A', 1],
    ['k', 't', 'B', 2],
    ['t', null, 'A', 1],
  ]);
  assert.is(cluster.machine.mapVersion, before + 1);
  assert.equal(recordOf(cluster, 2).receipt, receipt);
  assert.is(recordOf(cluster, 2).progress.pauseMs, receipt.pauseMs);
  checkPartition(cluster.machine.keeperMap().map);
});

test('(!) a late publish of a finished migration does nothing, although the source owns the range again', () => {
  const cluster = inPhase('done');
  cluster.expect(plan({ source: 'B', target: 'A' }), 'planned');
  cluster.expect({ kind: 'claim', mid: 3, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid: 3, token: 1, receipt }, 'ok');
  cluster.expect({ kind: 'finish', mid: 3, token: 1 }, 'ok');
  const before = cluster.dump();
  cluster.expect({ kind: 'publish', mid: 2, token: 1, receipt }, 'ok');
  assert.equal(cluster.dump(), before);
  assert.equal(owners(cluster), [
    ['', 'k', 'A', 1],
    ['k', 't', 'A', 3],
    ['t', null, 'A', 1],
  ]);
});

test('an abort stands; it comes too late once the map has changed', () => {
  const cluster = inPhase('active');
  cluster.expect({ kind: 'wish', mid: 2, wish: 'pause', why: '' }, 'ok');
  cluster.expect({ kind: 'wish', mid: 2, wish: 'run', why: '' }, 'ok');
  cluster.expect({ kind: 'wish', mid: 2, wish: 'abort', why: 'no space' }, 'ok');
  cluster.expect({ kind: 'wish', mid: 2, wish: 'abort', why: 'again' }, 'ok');
  assert.match(cluster.expect({ kind: 'wish', mid: 2, wish: 'run', why: '' }, 'refused').why, /no space/);
  const published = inPhase('published');
  assert.match(
    published.expect({ kind: 'wish', mid: 2, wish: 'abort', why: '' }, 'refused').why,
    /point of no return/,
  );
  for (const phase of ['done', 'aborted'] as const) {
    inPhase(phase).expect({ kind: 'wish', mid: 2, wish: 'abort', why: '' }, 'refused');
  }
});

test('how it was asked for stays in the record, and its rate changes while it is active', () => {
  const cluster = keeper();
  const asked = { rate: 5000, who: 'somebody@here', reason: 'person', undoes: null } as const;
  const { mid } = cluster.expect({ ...(plan() as Plan), asked }, 'planned');
  const recorded = (): unknown => cluster.machine.migrations.get(mid)?.asked;
  assert.equal(recorded(), asked);
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'setRate', mid, rate: 0 }, 'ok');
  assert.equal(recorded(), { ...asked, rate: 0 });
  assert.match(cluster.expect({ kind: 'setRate', mid, rate: -2 }, 'refused').why, /0 or more/);
  assert.equal(recorded(), { ...asked, rate: 0 });
  cluster.expect({ kind: 'setRate', mid, rate: GIVES_WAY }, 'ok');
  assert.equal(recorded(), { ...asked, rate: null });
  assert.match(cluster.expect({ kind: 'setRate', mid: 77, rate: 1 }, 'refused').why, /77/);
  for (const phase of ['published', 'done', 'aborted'] as const)
    assert.match(inPhase(phase).expect({ kind: 'setRate', mid: 2, rate: 1 }, 'refused').why, /nothing of it/);
  inPhase('active').expect({ kind: 'setRate', mid: 2, rate: 1 }, 'ok');
});

test('what is done is taken back, by its own way and nothing else, where all of it is still there', () => {
  const asked = { rate: null, who: '', reason: 'person', undoes: 2 } as const;
  const back = { kind: 'plan', source: 'B', target: 'A', lo: 'k', hi: 't', asked } as const;
  for (const phase of ['active', 'published', 'aborted'] as const)
    assert.equal(inPhase(phase).command(back).kind, 'refused', phase);
  const cluster = inPhase('done');
  const refusals = [
    [{ ...back, asked: { ...asked, undoes: 77 } }, /no migration 77/],
    [{ ...back, target: 'C' }, /its way back is another one/],
    [{ ...back, hi: 's' }, /its way back is another one/],
  ] as const;
  for (const [command, says] of refusals) assert.match(cluster.expect(command, 'refused').why, says);
  const through = (move: AdminCommand): number => {
    const { mid } = cluster.expect(move, 'planned');
    const { token } = cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    cluster.expect({ kind: 'publish', mid, token, receipt }, 'ok');
    cluster.expect({ kind: 'finish', mid, token }, 'ok');
    return mid;
  };
  // A part of it goes on to C, and comes back: it is at B, and not by the move that is to be taken back.
  through(plan({ source: 'B', target: 'C', lo: 'm', hi: 'n' }));
  assert.match(cluster.expect(back, 'refused').why, /moved since migration 2: .*C owns \[m\.\.n\) by 3/);
  const there = through(plan({ source: 'C', target: 'B', lo: 'm', hi: 'n' }));
  assert.match(cluster.expect(back, 'refused').why, /moved since/);
  const undo = { source: 'B', target: 'C', lo: 'm', hi: 'n' } as const;
  const mid = through({ kind: 'plan', ...undo, asked: { ...asked, undoes: there } });
  assert.equal(recordOf(cluster, mid).asked?.undoes, there);
});

test('those who watch are told of what needs a migrator alone', () => {
  for (const [phase, isOpen] of [
    ['active', true],
    ['published', true],
    ['done', false],
    ['aborted', false],
  ] as const) {
    const { migrations } = inPhase(phase).query({ kind: 'openMigrations' }, 'migrations');
    assert.is(migrations.length, isOpen ? 1 : 0, phase);
  }
});

test('only what is finished is forgotten, and only when told to', () => {
  for (const phase of ['active', 'published'] as const)
    inPhase(phase).expect({ kind: 'forget', mid: 2 }, 'refused');
  for (const phase of ['done', 'aborted'] as const) {
    const cluster = inPhase(phase);
    assert.is(cluster.query({ kind: 'listMigrations' }, 'migrations').migrations.length, 1);
    cluster.expect({ kind: 'forget', mid: 2 }, 'ok');
    assert.is(cluster.query({ kind: 'listMigrations' }, 'migrations').migrations.length, 0);
  }
});

test('so many migrations are on record, and no more', () => {
  const cluster = inPhase('done');
  const changes = new Map<string, Uint8Array | null>();
  const { state } = cluster.machine;
  const [known] = state.migrations.values();
  const migrations = new Map(
    Array.from({ length: MIGRATIONS_MAX }, (_, index) => {
      const mid = index + 2;
      return [mid, { ...known, mid } as Migration] as const;
    }),
  );
  storeState(state, { ...state, migrations }, (key, value) => changes.set(key, value));
  cluster.store.commit(changes, cluster.slot + 1);
  cluster.restart();
  const { why } = cluster.expect(plan({ source: 'A', target: 'B', lo: 't', hi: null }), 'refused');
  assert.match(why, /10000 migrations are on record: forget finished ones first/);
});

test('a migration that is not on record is refused by name', () => {
  const cluster = keeper();
  const commands: AdminCommand[] = [
    { kind: 'claim', mid: 9, tokenSeen: 0 },
    { kind: 'note', mid: 9, token: 1, progress: NO_PROGRESS },
    { kind: 'wish', mid: 9, wish: 'run', why: '' },
    { kind: 'publish', mid: 9, token: 1, receipt },
    { kind: 'recordAbort', mid: 9, token: 1, why: '', told: true },
    { kind: 'finish', mid: 9, token: 1 },
    { kind: 'forget', mid: 9 },
  ];
  for (const command of commands) assert.match(cluster.expect(command, 'refused').why, /no migration 9/);
  assert.equal(cluster.query({ kind: 'getMigration', mid: 9 }, 'migrations').migrations, []);
});

test('a configuration that changes is a new version of the map; one that does not is none', () => {
  const cluster = keeper();
  const before = cluster.machine.mapVersion;
  cluster.expect({ kind: 'setClusterConfig', cluster: 'B', nodes }, 'ok');
  assert.is(cluster.machine.mapVersion, before);
  const moved = [{ name: 'n1', ips: ['10.0.0.9'], port: 4000 }];
  cluster.expect({ kind: 'setClusterConfig', cluster: 'B', nodes: moved }, 'ok');
  assert.is(cluster.machine.mapVersion, before + 1);
  cluster.restart();
  const known = cluster.query({ kind: 'getMap' }, 'keeperMap').clusters;
  assert.equal(
    known.map(({ cluster: id }) => id),
    ['A', 'B', 'C'],
  );
  assert.equal(known[1], { cluster: 'B', nodes: moved });
  cluster.expect({ kind: 'setClusterConfig', cluster: '', nodes }, 'refused');
  cluster.expect({ kind: 'setClusterConfig', cluster: 'c'.repeat(257), nodes }, 'refused');
});

test('a cluster is dropped only when it owns nothing and takes part in nothing', () => {
  const cluster = inPhase('active');
  assert.match(
    cluster.expect({ kind: 'dropCluster', cluster: 'A' }, 'refused').why,
    /A still owns \[""\.\.end\)/,
  );
  assert.match(cluster.expect({ kind: 'dropCluster', cluster: 'B' }, 'refused').why, /not finished: 2/);
  cluster.expect({ kind: 'dropCluster', cluster: 'C' }, 'ok');
  cluster.expect({ kind: 'dropCluster', cluster: 'C' }, 'none');
  cluster.expect({ kind: 'recordAbort', mid: 2, token: 1, why: '', told: true }, 'ok');
  cluster.expect({ kind: 'dropCluster', cluster: 'B' }, 'ok');
  assert.equal(
    cluster.machine.keeperMap().clusters.map(({ cluster: id }) => id),
    ['A'],
  );
});

test('a map is stored entry by entry, whatever its separators, and is the same after a restart', () => {
  const cluster = keeper();
  const long = 'x'.repeat(4025);
  const bounds: [string, string | null][] = [
    ['', 'b'],
    ['b', 'b\0'],
    [long, null],
    [`${long.slice(0, -1)}w`, long],
    ['a', 'b'],
    ['\xff', null],
  ];
  for (const [lo, hi] of bounds) {
    const { map } = cluster.machine.keeperMap();
    const source = lookup(map, lo)?.owner ?? '';
    const target = source === 'A' ? 'B' : 'A';
    const { mid } = cluster.expect(plan({ source, target, lo, hi }), 'planned');
    cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    const before = new Map(cluster.dump());
    cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
    const after = new Map(cluster.dump());
    const written = [...after].filter(([key, value]) => before.get(key) !== value);
    assert.ok(written.length <= 5, `${written.length} rows: entries, version and record`);
    cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
    const known = cluster.machine.keeperMap();
    checkPartition(known.map);
    cluster.restart();
    assert.equal(cluster.machine.keeperMap().map.entries, known.map.entries);
    assert.is(cluster.machine.keeperMap().map.version, known.map.version);
  }
  // What covers others replaces them, and their rows are gone.
  const rows = cluster.dump().length;
  for (const { lo, hi, owner } of cluster.machine.keeperMap().map.entries) {
    if (owner === 'C') continue;
    const { mid } = cluster.expect(plan({ source: owner, target: 'C', lo, hi }), 'planned');
    cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
    cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
    cluster.expect({ kind: 'finish', mid, token: 1 }, 'ok');
    cluster.expect({ kind: 'forget', mid }, 'ok');
  }
  const { mid } = cluster.expect(plan({ source: 'C', target: 'A', lo: '', hi: null }), 'planned');
  cluster.expect({ kind: 'claim', mid, tokenSeen: 0 }, 'claimed');
  cluster.expect({ kind: 'publish', mid, token: 1, receipt }, 'ok');
  cluster.restart();
  assert.equal(owners(cluster), [['', null, 'A', mid]]);
  assert.ok(cluster.dump().length < rows);
});

test.run();
