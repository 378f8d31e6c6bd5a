import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Proposals } from '../../../node/driver/proposals.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { asFollower, decodeBatch } from '../../../src/protocol/arakoon/batch.ts';
import { failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { type Answer, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

function update(bytes: number): Uint8Array {
  return Buffer.alloc(bytes, 1);
}

test('a batch takes all that waits, in order', () => {
  const proposals = new Proposals(() => 0);
  const answered: number[] = [];
  for (const at of [0, 1, 2]) proposals.add(update(at + 1), () => answered.push(at));
  const batch = proposals.take();
  assert.is(
    batch &&
      decodeBatch(batch.bytes)
        .map((each) => each.length)
        .join(),
    '1,2,3',
  );
  assert.is(proposals.take(), null);
  proposals.settle(batch?.id ?? -1, [OK, OK, OK]);
  assert.equal(answered, [0, 1, 2]);
});

test('what waits too long is answered, and in no batch; what may wait keeps its order', () => {
  const proposals = new Proposals(() => 0);
  const answered: string[] = [];
  const late = failure('GOING_DOWN', 'late');
  const note =
    (name: string) =>
    (answer: Answer): void => {
      answered.push(`${name} ${returnCodeOf(answer.bytes)}`);
    };
  proposals.add(update(1), note('a'), 100);
  proposals.add(update(2), note('b'));
  proposals.addRun([update(3), asFollower(update(4))], [note('c'), note('d')], 50);
  proposals.add(update(5), note('e'), 200);
  proposals.expire(49, late);
  assert.equal(answered, []);
  proposals.expire(50, late);
  assert.equal(answered, ['c 16', 'd 16'], 'a run as a whole');
  proposals.expire(150, late);
  assert.equal(answered.slice(2), ['a 16']);
  assert.is(proposals.waiting, 2);
  assert.is(proposals.waitingBytes, 7);
  const batch = proposals.take();
  assert.equal(batch && decodeBatch(batch.bytes).map(({ length }) => length), [2, 5]);
  proposals.expire(1000, late);
  proposals.settle(batch?.id ?? -1, [OK, OK]);
  assert.equal(answered.slice(3), ['b 0', 'e 0'], 'what is under way is not judged late');
  assert.is(proposals.waitingBytes, 0);
});

test('a batch is bounded; a single larger update goes alone', () => {
  const proposals = new Proposals(() => 0);
  for (let i = 0; i < 3; i += 1) proposals.add(update(700 * 1024), () => undefined);
  assert.is(decodeBatch((proposals.take() as { bytes: Uint8Array }).bytes).length, 1);
  proposals.add(update(5 * 1024 * 1024), () => undefined);
  assert.is(decodeBatch((proposals.take() as { bytes: Uint8Array }).bytes).length, 1);
  assert.is(proposals.waiting, 2);
});

test('a run goes into one batch, whatever its size, or is refused as a whole', () => {
  const proposals = new Proposals(() => 0);
  proposals.add(update(100), () => undefined);
  const run = [update(600 * 1024), asFollower(update(600 * 1024)), asFollower(update(10))];
  proposals.addRun(
    run,
    run.map(() => () => undefined),
  );
  proposals.add(update(100), () => undefined);
  const lengths = (): number[] =>
    decodeBatch((proposals.take() as { bytes: Uint8Array }).bytes).map((each) => each.length);
  assert.equal(lengths(), [100, 600 * 1024, 600 * 1024 + 4, 14]);
  assert.equal(lengths(), [100]);

  const refused: Answer[] = [];
  const long = [update(100 * 1024 * 1024), asFollower(update(30 * 1024 * 1024))];
  proposals.addRun(
    long,
    long.map(() => (answer) => refused.push(answer)),
  );
  assert.equal(
    refused.map(({ bytes }) => returnCodeOf(bytes)),
    [RETURN_CODES.GOING_DOWN, RETURN_CODES.GOING_DOWN],
  );
  assert.is(proposals.waiting, 0);
});

test('what waits beyond the bound is refused as not executed', () => {
  const proposals = new Proposals(() => 0);
  const refused: Answer[] = [];
  for (let i = 0; i < 5; i += 1) proposals.add(update(31 * 1024 * 1024), (answer) => refused.push(answer));
  assert.is(refused.length, 1);
  assert.is(returnCodeOf((refused[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
});

test('each update is answered once: lost first, applied later', () => {
  const proposals = new Proposals(() => 0);
  const answers: Answer[] = [];
  proposals.add(update(1), (answer) => answers.push(answer));
  const { id } = proposals.take() as { id: number };
  proposals.abandon([id], failure('MAYBE_APPLIED', 'lost'));
  proposals.settle(id, [OK]);
  assert.is(answers.length, 1);
});

test('while a batch is answered it is known where its time went', () => {
  let nowMs = 10;
  const proposals = new Proposals(() => nowMs);
  const seen: unknown[] = [];
  proposals.add(Buffer.from('a'), () => seen.push(proposals.settling));
  const { id } = proposals.take() as { readonly id: number };
  nowMs = 30;
  proposals.chosen(id);
  nowMs = 35;
  proposals.settle(id, [OK]);
  assert.equal(seen, [{ takenMs: 10, chosenMs: 30, appliedMs: 35 }]);
  assert.is(proposals.settling, null);
  proposals.chosen(id); // lost before: nobody waits for it
});

test.run();
