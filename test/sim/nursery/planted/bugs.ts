/**
 * Bugs planted on purpose: what proves that the simulation would see one. Each replaces exact pieces of the compiled
 * code while it is loaded; one that does not stand there exactly once is an error, so that no bug is planted in vain.
 */
import type { PlanChanges } from '../pool.ts';

/** One piece of code, and what stands there instead. */
export type Replacement = { readonly file: string; readonly from: string; readonly to: string };

export type PlantedBug = {
  readonly name: string;
  /** The rule that is broken; for the table in docs/reliability.md. */
  readonly rule: string;
  readonly replacements: readonly Replacement[];
  /** What is changed of each plan, so that the faults which show it are not rare. */
  readonly changes?: PlanChanges;
  /** It must be found within so many seeds. */
  readonly seedsMax: number;
};

/** Faults of processes, disks and the network that consensus has to live with. */
const HARSH: PlanChanges = {
  faults: ['crashNode', 'crashCluster', 'partition', 'isolate', 'pauseNode', 'dropMaster', 'slowDisk'],
  faultEveryMs: 500,
};
/** Coordinators that die, double and stall at every step. */
const BUSY: PlanChanges = {
  faults: ['crashMigrator', 'pauseMigrator', 'secondMigrator', 'crashNode', 'dropMaster'],
  faultEveryMs: 600,
  moveEveryMs: 1000,
  ambush: 0.3,
};

function bug(
  name: string,
  rule: string,
  file: string,
  from: string,
  to: string,
  more: { readonly changes?: PlanChanges; readonly seedsMax?: number } = {},
): PlantedBug {
  const { changes = {}, seedsMax = 20 } = more;
  return { name, rule, replacements: [{ file, from, to }], changes, seedsMax };
}

export const BUGS: readonly PlantedBug[] = [
  // ── Consensus ────────────────────────────────────────────────────────────────────────────────────────────
  bug(
    'reply before sync',
    'nothing leaves a node before the record it waits for is durable',
    'node/driver.js',
    'if (effect.after > this.#syncedUpTo)',
    'if (effect.after > Number.POSITIVE_INFINITY)',
    { changes: HARSH, seedsMax: 40 },
  ),
  bug(
    'own vote before sync',
    "a master's own vote counts when it is durable",
    'node/paxos/master.js',
    'if (flight.record > replica.syncedRecord)',
    'if (flight.record > Number.POSITIVE_INFINITY)',
    { changes: { ...HARSH, syncMaxMs: 20 }, seedsMax: 40 },
  ),
  bug(
    'lease from receive time',
    'a master counts its lease from when it sent the renewal',
    'node/paxos/master.js',
    'Number.NEGATIVE_INFINITY, message.sentAtMs)',
    'Number.NEGATIVE_INFINITY, nowMs)',
    {
      changes: {
        ...HARSH,
        faults: ['pauseNode', 'isolate', 'slowDisk', 'storm', 'oneWay'],
        faultEveryMs: 400,
      },
      seedsMax: 60,
    },
  ),
  bug(
    'no wait after a restart',
    'a restarted node has forgotten what it granted, and waits one lease',
    'node/paxos/step.js',
    'replica.waitUntilMs = nowMs + config.leaseMs;',
    'replica.waitUntilMs = 0;',
    { changes: { ...HARSH, faults: ['crashNode', 'pauseNode', 'isolate', 'crashCluster'] }, seedsMax: 250 },
  ),
  bug(
    'granted lease not respected',
    'an acceptor that granted a lease refuses other proposers until it ends',
    'node/paxos/acceptor.js',
    'if (grant !== null && nowMs < grant.untilMs && proposerOf(grant.ballot) !== candidate)',
    'if (false)',
    { changes: HARSH, seedsMax: 40 },
  ),
  bug(
    'read without a lease',
    'consistent reads are served under a lease alone',
    'node/paxos/status.js',
    '    return leaseUntilMs(replica, role);',
    '    return Number.POSITIVE_INFINITY;',
    { changes: HARSH },
  ),
  bug(
    'read before the own no-op is applied',
    'a new master reads only once a no-op of its own ballot is applied',
    'node/paxos/status.js',
    'role.ownSlot === 0 || applied < role.ownSlot',
    'false',
    { changes: HARSH, seedsMax: 60 },
  ),
  bug(
    'hole not filled',
    'holes below what phase 1 reports become no-ops',
    'node/paxos/candidate.js',
    'values.push({ slot, value',
    'if (best.has(slot)) values.push({ slot, value',
    {
      changes: { ...HARSH, pipeline: 2, faults: ['crashNode', 'storm', 'dropMaster', 'slowDisk'] },
      seedsMax: 120,
    },
  ),
  bug(
    'nothing adopted from promises',
    'a new master proposes the values that a quorum reports',
    'node/paxos/candidate.js',
    'if (entry.slot <= above)',
    'if (entry.slot > 0)',
    { changes: HARSH },
  ),
  bug(
    'accepted taken for chosen',
    'after a restart only chosen slots are applied',
    'node/paxos/step.js',
    'if (slot === replica.chosen + 1 && slot <= recovered.chosen)',
    'if (slot === replica.chosen + 1)',
    { changes: HARSH, seedsMax: 60 },
  ),
  bug(
    'watermark of another ballot believed',
    "a follower applies what it accepted at that master's ballot",
    'node/paxos/learner.js',
    'if (entry === undefined || compareBallots(entry.ballot, ballot) !== 0)',
    'if (entry === undefined)',
    { changes: HARSH, seedsMax: 60 },
  ),
  {
    name: 'wiped home keeps its incarnation',
    rule: 'a wiped node never votes with forgotten state',
    replacements: [],
    changes: { ...HARSH, faults: ['wipe', 'crashNode', 'isolate', 'crashCluster'], keepsIncarnation: true },
    seedsMax: 40,
  },
  {
    name: 'clocks outside the margin',
    rule: 'clock rates differ by less than the margin',
    replacements: [],
    changes: { ...HARSH, faults: ['clockRate', 'isolate', 'pauseNode'], driftFactor: 20 },
    seedsMax: 60,
  },
  bug(
    'store ahead of its log',
    "only what the node's own log durably holds enters the store",
    'node/driver.js',
    '        return this.#durableSlot;',
    '        return this.#world.store.slot;',
    {
      changes: { ...HARSH, faults: ['slowDisk', 'crashNode', 'crashCluster'], flushEveryMs: 100 },
      seedsMax: 60,
    },
  ),
  bug(
    'lost mastership called a refusal',
    'an update that was proposed may have been applied',
    'node/driver.js',
    "failure('MAYBE_APPLIED', 'mastership was lost",
    "failure('GOING_DOWN', 'mastership was lost",
    { changes: HARSH },
  ),
  // ── State machine and store ──────────────────────────────────────────────────────────────────────────────
  bug(
    'ownership not checked at apply',
    'ownership is checked when an entry is applied',
    'node/machine/machine.js',
    'if (!draft.ownership.serves(key))',
    'if (false)',
  ),
  bug(
    'sealed range still served',
    'serving is the only state in which a client is served',
    'node/machine/ownership.js',
    'if (sealedBy !== null)',
    'if (false)',
  ),
  bug(
    'sequence half applied',
    'a sequence takes effect as a whole',
    'node/machine/updates.js',
    '            draft.tx.rollBack(mark);\n            break;',
    '            break;',
  ),
  bug(
    'overlay not consulted by range reads',
    'range reads see overlay and base merged',
    'node/store/overlay.js',
    'const cursors = cursorsOf(generations, (rows) => new AscendingCursor(rows, from, to));',
    'const cursors = cursorsOf([], (rows) => new AscendingCursor(rows, from, to));',
  ),
  bug(
    'successor of a key is k+0x01',
    'the successor of key k is k+0x00',
    'src/bytes.js',
    '{key}\\0`;',
    '{key}\\x01`;',
  ),
  // ── Moves ────────────────────────────────────────────────────────────────────────────────────────────────
  bug(
    'deletes do not make a row dirty',
    'every change of a row of an exported range is entered in its books (!)',
    'node/machine/export.js',
    'if (!sameRow(before, after)) {',
    'if (after !== null && !sameRow(before, after)) {',
  ),
  bug(
    'page accepted out of order',
    'a page is taken when it is the next one',
    'node/machine/import.js',
    'if (seq !== record.seq + 1)',
    'if (false)',
    { changes: BUSY, seedsMax: 60 },
  ),
  bug(
    'old coordinator not fenced',
    'a command with an older token has no effect',
    'node/machine/headers.js',
    'if (token < seen)',
    'if (false)',
    { changes: { ...BUSY, weather: late() }, seedsMax: 60 },
  ),
  bug(
    'decided migration decided again',
    'what was decided first stands for ever',
    'node/machine/headers.js',
    "return outcome === undefined ? null : { kind: 'closed', outcome };",
    'return null;',
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'unseal before abandon',
    "the source unseals only after the target's abandoned (!)",
    'migrator/core/next-move.js',
    "return { kind: 'abandon' };",
    "return source?.closed === 'unsealed' ? { kind: 'abandon' } : { kind: 'unseal' };",
    { changes: BUSY, seedsMax: 40 },
  ),
  {
    name: 'activate without check',
    rule: 'activation compares the digests, and needs the last rows',
    replacements: [
      {
        file: 'node/machine/import.js',
        from: 'if (!isComplete || !sameDigest(running, digest))',
        to: 'if (false)',
      },
      {
        file: 'migrator/core/next-move.js',
        from: "return now.lastRowsSent ? { kind: 'activate' } : { kind: 'lastRows' };",
        to: "return { kind: 'activate' };",
      },
    ],
    seedsMax: 20,
  },
  bug(
    'import over rows of an earlier move',
    'a staging begins where no row at all lies (!)',
    'node/machine/import.js',
    'const why = inTheWay(draft, range) ?? (',
    'const why = null ?? (false) ? null : (false && ',
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'trim drops what changed again',
    'a trim drops entries up to the slot of its page alone (!)',
    'node/machine/dirty.js',
    'if (entry.slot > upTo || ',
    'if (',
    { changes: { ...BUSY, thinkMs: 60 }, seedsMax: 60 },
  ),
  bug(
    'export begun again forgets its books',
    'beginExport leaves dirty, delta and beginSlot of an export untouched (!)',
    'node/machine/export.js',
    "return sameAsRecord(existing, command) ?? { kind: 'exporting', ...exportStatus(existing) };",
    "draft.update({ exports: withEntry(state.exports, mid, { ...existing, delta: NO_ROWS }) });\n        return { kind: 'exporting', ...exportStatus(existing) };",
    { changes: BUSY, seedsMax: 40 },
  ),
  bug(
    'release before publish',
    'the source releases after the map names the target',
    'migrator/core/next-move.js',
    ": { kind: 'publish' };",
    ": source?.closed === 'released' ? { kind: 'publish' } : { kind: 'release' };",
  ),
  bug(
    'published without evidence',
    'the keeper publishes what is active alone',
    'migrator/core/next-move.js',
    "return now.checked ? { kind: 'seal' } : { kind: 'check' };",
    "return { kind: 'publish' };",
  ),
  // ── Router ───────────────────────────────────────────────────────────────────────────────────────────────
  bug(
    'possibly applied update sent again',
    'a request that may have been executed is never silently sent again',
    'router/core/step.js',
    'if (task.isUpdate && sent) {',
    'if (false) {',
    { changes: { ...HARSH, faults: ['crashNode', 'resetLinks', 'isolate'] } },
  ),
];

/** Weather in which requests are doubled and come late. */
function late(): NonNullable<PlanChanges['weather']> {
  return {
    lossShare: 0.01,
    repeatShare: 0.3,
    delayMaxMs: 8,
    lateShare: 0.05,
    lateMaxMs: 2000,
    resetShare: 0.01,
  };
}
