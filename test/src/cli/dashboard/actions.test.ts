/** What the page may ask to be done about moves, and what becomes of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NurseryError } from '../../../../src/base/errors.ts';
import { MoveActions } from '../../../../src/cli/dashboard/actions.ts';
import type { DryMove, MigrateOptions, MoveRequest, Moves } from '../../../../src/client/moves.ts';
import { SILENT } from '../../../../src/process/log.ts';
import type { MigrationResult } from '../../../../src/protocol/admin/moves.ts';

const PLAN: DryMove = {
  source: 'ams',
  target: 'bru',
  lo: 'k',
  hi: null,
  sourceKeys: 7,
  targetKeys: null,
  targetAnswers: true,
  keys: null,
  bytes: null,
  seconds: null,
  bytesPerSecond: null,
  basis: null,
  pauseMs: null,
  neededBytes: null,
  freeBytes: null,
};
const RESULT = { mid: 3, outcome: 'done', why: '' } as MigrationResult;

/** Moves that note what is asked of them. */
class FakeMoves {
  asked: string[] = [];
  opened = 0;
  plan: readonly DryMove[] = [PLAN];
  ended: Promise<MigrationResult> = Promise.resolve(RESULT);

  #closed(): void {
    this.opened -= 1;
  }

  actions(): MoveActions {
    const moves: Partial<Moves> = {
      dryRun: async (request) => {
        this.asked.push(`dryRun ${printed(request)}`);
        return [...this.plan];
      },
      migrate: async (request: MoveRequest, options: MigrateOptions = {}) => {
        const { who, reason } = options.asked ?? {};
        this.asked.push(`migrate ${printed(request)} detached ${options.detach}, by ${who} (${reason})`);
        options.onPlanned?.(3, PLAN);
        return [];
      },
      pause: async (mid) => void this.asked.push(`pause ${mid}`),
      unpause: async (mid) => void this.asked.push(`unpause ${mid}`),
      watchWish: async () => 'nobody',
      resume: async (mid) => {
        this.asked.push(`resume ${mid}`);
        return [await this.ended];
      },
      abort: async (mid) => {
        this.asked.push(`abort ${mid}`);
        return await this.ended;
      },
    };
    return new MoveActions({
      token: 'x',
      router: 'front',
      logger: SILENT,
      wallMs: () => 0,
      answerMs: 10,
      open: async () => {
        this.opened += 1;
        return { moves: moves as Moves, close: () => this.#closed() };
      },
    });
  }
}

function printed(request: MoveRequest): string {
  return request.kind === 'range' ? `${request.range.lo}..${request.range.hi ?? ''} ${request.target}` : '';
}

async function refused(actions: MoveActions, asked: unknown): Promise<string> {
  try {
    await actions.act(asked, '');
    return 'done';
  } catch (error) {
    return error instanceof NurseryError ? `${error.code}: ${error.message}` : String(error);
  }
}

test('only what a dry run has shown is begun, and somebody else carries it out', async () => {
  const moves = new FakeMoves();
  const actions = moves.actions();
  const asked = { from: 'k', to: '', target: 'bru' };
  const shown = (await actions.act({ action: 'dryRun', ...asked }, '')) as {
    expected: string;
    moves: object[];
  };
  assert.equal(shown.moves, [PLAN]);
  const { expected } = shown;
  assert.equal(await actions.act({ action: 'start', ...asked, expected }, ''), { started: [3] });
  assert.is(moves.asked.at(-1), 'migrate k.. bru detached true, by dashboard@front (person)');

  moves.plan = [{ ...PLAN, source: 'cph' }];
  moves.asked = [];
  assert.match(
    await refused(actions, { action: 'start', ...asked, expected }),
    'REFUSED: the map has changed',
  );
  assert.match(await refused(actions, { action: 'start', ...asked }), 'REFUSED: the map has changed');
  assert.equal(
    moves.asked.filter((each) => each.startsWith('migrate')),
    [],
  );
  assert.is(moves.opened, 0, 'what was opened is closed');
});

test('keys are as on the command line; a dry run shows them in the one form of JSON', async () => {
  const moves = new FakeMoves();
  moves.plan = [{ ...PLAN, lo: '\u0000\u00ff', hi: 'p' }];
  const actions = moves.actions();
  const asked = { action: 'dryRun', from: '0x00ff', to: 'p', target: 'bru' };
  const { moves: shown } = (await actions.act(asked, '')) as { moves: { lo: string; hi: string }[] };
  assert.is(moves.asked[0], 'dryRun \u0000\u00ff..p bru');
  assert.equal([shown[0]?.lo, shown[0]?.hi], ['0x00ff', 'p']);
});

test('pause, continue, resume and abort', async () => {
  const moves = new FakeMoves();
  const actions = moves.actions();
  assert.equal(await actions.act({ action: 'pause', mid: 3 }, ''), { heeded: 'nobody' });
  assert.equal(await actions.act({ action: 'continue', mid: 3 }, ''), { heeded: 'nobody' });
  assert.equal(await actions.act({ action: 'resume', mid: 3 }, ''), { outcome: 'done', why: '' });
  assert.equal(await actions.act({ action: 'abort', mid: 3 }, ''), { outcome: 'done', why: '' });
  assert.equal(moves.asked, ['pause 3', 'unpause 3', 'resume 3', 'abort 3']);
});

test('what takes long goes on behind the answer, once; that it failed is told later', async () => {
  const moves = new FakeMoves();
  let fail = (_: Error): void => undefined;
  moves.ended = new Promise((_resolve, reject) => (fail = reject));
  const actions = moves.actions();
  assert.equal(await actions.act({ action: 'resume', mid: 3 }, ''), { goesOn: true });
  assert.equal(await actions.act({ action: 'resume', mid: 3 }, ''), { goesOn: true });
  assert.is(moves.opened, 1);
  fail(new NurseryError('UNREACHABLE', 'bru is silent'));
  while (moves.opened > 0) await new Promise(setImmediate);
  assert.equal(
    actions.failed.map(({ what, why }) => [what, why]),
    [['resume of migration 3', 'bru is silent']],
  );
});

test('so many are seen through at a time, and no more', async () => {
  const moves = new FakeMoves();
  moves.ended = new Promise(() => undefined);
  const actions = moves.actions();
  const many = Array.from({ length: 17 }, (_, at) => refused(actions, { action: 'resume', mid: at + 1 }));
  const answers = await Promise.all(many);
  assert.is(answers.filter((each) => each === 'done').length, 16);
  assert.match(answers.find((each) => each !== 'done') ?? '', 'REFUSED: 16 moves are under way');
});

test('what makes no sense is refused before anything is opened', async () => {
  const moves = new FakeMoves();
  const actions = moves.actions();
  const odd = [
    null,
    1,
    'pause',
    [],
    {},
    { action: 'drop' },
    { action: 'pause' },
    { action: 'pause', mid: '3' },
  ];
  const more = [
    { action: 'abort', mid: 0 },
    { action: 'abort', mid: 1.5 },
    { action: 'start', from: 'a', to: 'b' },
    { action: 'dryRun', from: 'b', to: 'a', target: 'bru' },
    { action: 'dryRun', from: '0xf', to: '', target: 'bru' },
    { action: 'dryRun', from: ['a'], to: '', target: 'bru' },
    { action: '__proto__' },
  ];
  for (const asked of [...odd, ...more])
    assert.match(await refused(actions, asked), /^BAD_INPUT/, JSON.stringify(asked));
  assert.equal(moves.asked, []);
});

test.run();
