/**
 * A node's requests: a read whose time is over is not carried out any more, whatever it waited for; and who waits for its keeper
 * is no master to anybody.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Scheduler } from '../../../node/driver/scheduler.ts';
import { Requests } from '../../../node/serve/requests.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import type { Link } from '../../../src/link/link.ts';
import { Recording } from '../../../src/port/recording.ts';
import { type Asker, Budget } from '../../../src/process/budget.ts';
import { SILENT } from '../../../src/process/log.ts';
import { decodeAnswer, encodeAnswer } from '../../../src/protocol/admin/admin.ts';
import { decodeOptionalText, failure, OK } from '../../../src/protocol/arakoon/replies.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { type Answer, returnCodeOf, wholeOf } from '../../../src/protocol/arakoon/values.ts';

const EXISTS = encodeRequest({ kind: 'exists', consistency: { kind: 'consistent' }, key: 'k' });
const GET = encodeRequest({ kind: 'get', consistency: { kind: 'consistent' }, key: 'k' });
const LEFT_MS = 1000;

/** A node that may read; each read takes two slices unless it is short, and time passes as the test says. */
class Bench {
  nowMs = 0;
  slices = 0;
  isShort = false;
  /** How often long reads were told of something short. */
  told = 0;
  /** Updates that were proposed. */
  proposed = 0;
  /** What hears the answers to those that were not answered yet. */
  waiting: ((answer: Answer) => void)[] = [];
  /** For so long answers to writers are held back. */
  heldMs = 0;
  /** Why nothing is served yet. */
  readonly introduction: { refusal: Answer | null } = { refusal: null };
  readonly #deferred: (() => void)[] = [];
  readonly requests: Requests;

  constructor() {
    const nowMs = (): number => this.nowMs;
    const bench = this;
    const read = function* (): Generator<undefined, Answer> {
      bench.slices += 1;
      if (bench.isShort) return OK;
      bench.nowMs += 2; // more than a slice
      yield;
      bench.slices += 1;
      return OK;
    };
    const context = {
      nowMs,
      recording: new Recording({ logger: SILENT, nowMs, wallMs: nowMs }),
      reads: new Scheduler(nowMs, (run) => this.#deferred.push(run)),
      share: {
        short: () => {
          this.told += 1;
        },
      },
      introduction: this.introduction,
      store: { snapshot: () => ({ close: () => undefined }) },
      node: 'n1',
      readOnly: false,
      valueBytesMax: 1000,
      updateBytesMax: 1000,
      slowDowns: {
        slowed: (_: unknown, respond: (answer: Answer) => void) => (answer: Answer) => {
          this.nowMs += this.heldMs;
          respond(answer);
        },
      },
      driver: {
        refusal: null,
        mayRead: () => true,
        master: () => 'n1',
        machine: { read, state: { engine: 'theirs' }, runner: { engine: 'mine' } },
        propose: (_: unknown, respond: (answer: Answer) => void) => {
          this.proposed += 1;
          this.waiting.push(respond);
        },
        proposeRun: (_: unknown, responds: ((answer: Answer) => void)[]) => this.waiting.push(...responds),
      },
    };
    this.requests = new Requests(context as unknown as ConstructorParameters<typeof Requests>[0]);
  }

  /** All that has its turn now. */
  run(): void {
    for (let next = this.#deferred.shift(); next !== undefined; next = this.#deferred.shift()) next();
  }

  ask(frame: Buffer, replies: Asker['replies'], link: Link | null = null): Answer[] {
    const answers: Answer[] = [];
    const asker = { replies, isOver: () => false, isShort: false, waitMs: LEFT_MS };
    this.requests.handle(frame, (answer) => answers.push(answer), link, asker, LEFT_MS);
    return answers;
  }
}

function text({ bytes }: Answer): string {
  return Buffer.from(bytes).toString('utf8', 8);
}

test('a call is not proposed while another engine is in force', () => {
  const bench = new Bench();
  const replies = new Budget(Number.POSITIVE_INFINITY).open(null);
  const [answer] = bench.ask(encodeRequest({ kind: 'userFunction', name: 'f', argument: null }), replies);
  assert.is(returnCodeOf(answer?.bytes ?? new Uint8Array(4)), RETURN_CODES.GOING_DOWN);
  assert.is(bench.proposed, 0);
  bench.ask(encodeRequest({ kind: 'nop' }), replies);
  assert.is(bench.proposed, 1, 'all else is');
});

test('an answer to a page of a move says how long updates of clients waited, in runs or alone, and not for how long they were held back', () => {
  const bench = new Bench();
  const replies = new Budget(Number.POSITIVE_INFINITY).open(null);
  const header = { mid: 1, token: 1, floor: 0, lo: 'a', hi: 'b', peer: 'A' };
  const page = encodeRequest({
    kind: 'adminCommand',
    command: { kind: 'page', ...header, seq: 1, asOf: 1, page: 0, from: 'a', to: null, rows: [] },
  });
  const afterAnswer = (frame: Buffer, answer: Answer, tookMs: number): Answer | undefined => {
    const answers = bench.ask(frame, replies, {} as Link);
    bench.nowMs += tookMs;
    for (const respond of bench.waiting.splice(0)) respond(answer);
    return answers[0];
  };
  const ok = { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
  const waitedMs = (): number => {
    const answer = decodeAnswer(wholeOf(afterAnswer(page, ok, 300) as Answer));
    return answer.kind === 'ok' ? (answer.waitedMs ?? 0) : -1;
  };
  const set = encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('v') });
  bench.heldMs = 90;
  afterAnswer(set, OK, 10);
  bench.heldMs = 0;
  const alone = waitedMs();
  assert.ok(alone >= 10 && alone < 20, String(alone));
  bench.nowMs += 2000;
  assert.is(waitedMs(), 0, 'a page does not count itself');
  afterAnswer(encodeRequest({ kind: 'run', requests: [set, set] }), OK, 40);
  const inRun = waitedMs();
  assert.ok(inRun >= 40 && inRun < 60, String(inRun));
});

test('a read that has its turn in time is answered', () => {
  const bench = new Bench();
  const answers = bench.ask(EXISTS, new Budget(Number.POSITIVE_INFINITY).open(null));
  bench.run();
  assert.equal(answers, [OK]);
});

test('long reads are told of what is short, not of one another', () => {
  const bench = new Bench();
  const room = new Budget(Number.POSITIVE_INFINITY).open(null);
  bench.ask(EXISTS, room);
  bench.run();
  assert.is(bench.told, 0);
  bench.isShort = true;
  bench.ask(EXISTS, room);
  assert.is(bench.told, 1);
  bench.introduction.refusal = failure('GOING_DOWN', 'it waits');
  bench.ask(encodeRequest({ kind: 'set', key: 'k', value: Buffer.from('v') }), room);
  assert.is(bench.told, 2);
});

test('a read whose turn comes too late is not gone on with, and says so', () => {
  const bench = new Bench();
  const answers = bench.ask(EXISTS, new Budget(Number.POSITIVE_INFINITY).open(null));
  assert.is(bench.slices, 1);
  bench.nowMs = LEFT_MS - 50; // an answer would need longer than that to arrive
  bench.run();
  assert.is(bench.slices, 1);
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
  assert.match(text(answers[0] as Answer), /no turn in the time .* not executed/);
});

test('a read that waits for room waits for what is left of its time, not for all of it anew', () => {
  const bench = new Bench();
  const waits: number[] = [];
  const again: ((isGranted: boolean) => void)[] = [];
  const replies = {
    hasRoom: () => false,
    isExhausted: true,
    waitShort: ({ waitMs }: { readonly waitMs: number }, done: (isGranted: boolean) => void) => {
      waits.push(waitMs);
      again.push(done);
    },
  };
  const answers = bench.ask(GET, replies as unknown as Asker['replies']);
  bench.nowMs = 600;
  again.shift()?.(true); // and there is none again
  assert.equal(waits, [900, 300]);
  again.shift()?.(false);
  assert.is(returnCodeOf((answers[0] as Answer).bytes), RETURN_CODES.GOING_DOWN);
  assert.is(bench.slices, 0);
});

test('who serves nothing before its keeper has spoken names no master, itself included', () => {
  const bench = new Bench();
  const whoMaster = (): string | null => {
    const answers = bench.ask(encodeRequest({ kind: 'whoMaster' }), new Budget(1e9).open(null));
    return decodeOptionalText((answers[0] as Answer).bytes);
  };
  assert.is(whoMaster(), 'n1');
  bench.introduction.refusal = failure('GOING_DOWN', 'it waits');
  assert.is(whoMaster(), null);
});

test.run();
