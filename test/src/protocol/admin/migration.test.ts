/** What the first build wrote of migrations, in rows and in its log, beside what is written now. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestCodec } from '../../../../src/keyspace/digest.ts';
import { type Migration, NO_PROGRESS } from '../../../../src/protocol/admin/admin.ts';
import { migrationCodec, storedMigrationCodec } from '../../../../src/protocol/admin/migration.ts';
import { decodeUpdate, encodeUpdate, type Update } from '../../../../src/protocol/arakoon/updates.ts';
import { decode, encode, i64, key, option, struct, text, u8, u32 } from '../../../../src/wire/codec.ts';

const tests = suite('records of migrations');

// The first build's layouts, as they were.
const firstProgress = struct({
  stage: text,
  waitingFor: text,
  keysCopied: i64,
  bytesCopied: i64,
  keysTotal: i64,
  rounds: i64,
  dirtyRows: i64,
  pauseMs: i64,
  startedAtMs: i64,
});
const firstReceipt = struct({ sealSlot: i64, digest: digestCodec, pauseMs: i64 });
const firstRecord = struct({
  mid: i64,
  source: text,
  target: text,
  lo: key,
  hi: option(key),
  phase: text,
  token: i64,
  heartbeat: i64,
  wish: text,
  why: text,
  progress: firstProgress,
  receipt: option(firstReceipt),
});

const plain = { noNullPrototype: true };
const text8 = fc.string({ maxLength: 8 });
// Lengths of all foundings together from nothing on: no sum of them makes a row look like the first build's.
const foundings = fc.record({ keeper: text8, source: fc.string({ maxLength: 40 }), target: text8 }, plain);
const nat = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 45 }), fc.constantFrom(0, 1, 256));
const progress = fc.record(
  {
    stage: text8,
    waitingFor: text8,
    keysCopied: nat,
    bytesCopied: nat,
    keysTotal: nat,
    rounds: nat,
    dirtyRows: nat,
    pauseMs: nat,
    pauseAtLeast: fc.boolean(),
    startedAtMs: nat,
  },
  plain,
);
const givesWay = fc.record({ rate: nat, waitedMs: nat, cluster: text8 }, plain);
/** Sometimes it gives way. */
const progressWithMore = fc
  .tuple(progress, fc.option(givesWay))
  .map(([known, way]) => (way === null ? known : { ...known, givesWay: way }));
const digest = fc.record(
  { sum: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), count: nat, bytes: nat },
  plain,
);
const receipt = fc.record({ sealSlot: nat, digest, pauseMs: nat, pauseAtLeast: fc.boolean() }, plain);
const asked = fc.record(
  {
    rate: fc.option(nat),
    who: text8,
    reason: fc.constantFrom('person', 'plan', 'auto'),
    undoes: fc.option(nat),
  },
  plain,
);
const record = fc
  .tuple(progress, fc.option(receipt), fc.option(foundings))
  .map(([known, proof, between]): Migration => {
    const plan = { mid: 7, source: 'ams', target: 'bru', lo: 'k', hi: null, phase: 'active' } as const;
    const rest = { token: 1, heartbeat: 2, wish: 'run', why: '' } as const;
    const whole = { ...plan, ...rest, progress: known, receipt: proof };
    return between === null ? whole : { ...whole, foundings: between };
  });

tests('a row is read as it was written', () => {
  fc.assert(
    fc.property(record, (migration) => {
      assert.equal(decode(storedMigrationCodec, encode(storedMigrationCodec, migration)), migration);
    }),
    { numRuns: 2000 },
  );
});

/** The time that one took is its receipt's, or that of its abort. */
function timed(
  proof: Migration['receipt'],
  tookMs: number | null,
): Pick<Migration, 'receipt' | 'abortedAfterMs'> {
  if (tookMs === null) return { receipt: proof };
  return proof === null ? { receipt: null, abortedAfterMs: tookMs } : { receipt: { ...proof, tookMs } };
}

tests(
  'so is one that says how it was asked for, how long it took, or that it gives way; on links too',
  () => {
    const more = {
      isUntold: true,
      rescue: { order: 1, dead: 'source', epoch: 0, isThere: false, isCopy: true },
    } as const;
    const long = fc.tuple(record, fc.option(asked), fc.option(nat), fc.boolean(), progressWithMore).map(
      ([migration, how, tookMs, hasMore, known]): Migration => ({
        ...migration,
        progress: known,
        ...(how === null ? {} : { asked: how }),
        ...timed(migration.receipt, tookMs),
        ...(hasMore && migration.foundings !== undefined ? more : {}), // an order knows foundings
      }),
    );
    fc.assert(
      fc.property(long, (migration) => {
        for (const codec of [storedMigrationCodec, migrationCodec])
          assert.equal(decode(codec, encode(codec, migration)), migration);
      }),
      { numRuns: 2000 },
    );
  },
);

tests('a plan, or one of a merge, says how it was asked for, or ends where that would stand', () => {
  const merge = { kind: 'planMerge', cluster: 'ams', lo: 'k', hi: null } as const;
  const plan = { kind: 'plan', source: 'ams', target: 'bru', lo: 'k', hi: null } as const;
  const how = { rate: 7, who: 'me', reason: 'auto', undoes: 3 } as const;
  for (const command of [plan, { ...plan, asked: how }, merge, { ...merge, asked: how }]) {
    const update: Update = { kind: 'admin', command };
    assert.equal(decodeUpdate(encodeUpdate(update)), update);
  }
});

tests('an abort says when it was, or ends where that would stand', () => {
  const span = { startedAtMs: 1_795_897_116_530, tookMs: 3 };
  const abort = { kind: 'recordAbort', mid: 7, token: 3, why: 'asked' } as const;
  for (const told of [true, false])
    for (const command of [
      { ...abort, told },
      { ...abort, told, span },
    ]) {
      const update: Update = { kind: 'admin', command };
      assert.equal(decodeUpdate(encodeUpdate(update)), update);
    }
});

const merge = fc
  .tuple(record, fc.array(fc.record({ lo: text8, epoch: nat }, plain), { maxLength: 16 }))
  .map(([known, merges]): Migration => ({ ...known, target: known.source, merges }))
  .filter(({ foundings: between }) => between?.source !== '');

tests('a merge is read as it was written, in rows and on links', () => {
  fc.assert(
    fc.property(merge, (migration) => {
      for (const codec of [storedMigrationCodec, migrationCodec])
        assert.equal(decode(codec, encode(codec, migration)), migration);
    }),
    { numRuns: 500 },
  );
});

/** What the first build knew of a move: pauses known exactly, and no foundings. */
const ofThen = record.map(
  ({ foundings: _, ...known }): Migration => ({
    ...known,
    progress: { ...known.progress, pauseAtLeast: false },
    receipt: known.receipt && { ...known.receipt, pauseAtLeast: false },
  }),
);

tests('a row of the first build is read, and is written as it was', () => {
  fc.assert(
    fc.property(ofThen, (migration) => {
      const row = encode(firstRecord, migration as never);
      assert.equal(decode(storedMigrationCodec, row), migration);
      assert.equal(encode(storedMigrationCodec, migration), row);
    }),
    { numRuns: 500 },
  );
});

tests('commands of the first build in a log are read', () => {
  const command = struct({ kind: u32, tag: u8, mid: i64, token: i64 });
  const of = (tag: number, rest: Buffer): Update =>
    decodeUpdate(Buffer.concat([encode(command, { kind: 0x80, tag, mid: 7, token: 3 }), rest]));
  const noted = { ...NO_PROGRESS, stage: 'copying', keysCopied: 5, startedAtMs: 1_795_897_116_530 };
  assert.equal(of(43, encode(firstProgress, noted)), {
    kind: 'admin',
    command: { kind: 'note', mid: 7, token: 3, progress: noted },
  });
  const proof = { sealSlot: 9, digest: { sum: 5n, count: 1, bytes: 4 }, pauseMs: 16 };
  assert.equal(of(45, encode(firstReceipt, proof)), {
    kind: 'admin',
    command: { kind: 'publish', mid: 7, token: 3, receipt: { ...proof, pauseAtLeast: false } },
  });
});

tests('commands are read as they were written', () => {
  fc.assert(
    fc.property(progressWithMore, receipt, (known, proof) => {
      for (const command of [
        { kind: 'note', mid: 7, token: 3, progress: known },
        { kind: 'publish', mid: 7, token: 3, receipt: proof },
      ] as const) {
        const update: Update = { kind: 'admin', command };
        assert.equal(decodeUpdate(encodeUpdate(update)), update);
      }
    }),
  );
});

tests.run();
