/** A node that begins anew when its store is damaged: when it does, how often, and how it ends. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Life, Lives, type LivesOptions } from '../../../node/life/lives.ts';
import { FatalError } from '../../../src/base/errors.ts';
import { SILENT } from '../../../src/process/log.ts';

const damage = (what = 'bits are flipped'): FatalError => new FatalError('STORE_DAMAGED', what);

/** Lives that only say what becomes of them. */
class Stage {
  readonly events: string[] = [];
  nowMs = 0;
  /** What the next lives do instead of beginning. */
  refusals: Error[] = [];
  /** Damage that the next life finds before it has begun. */
  early: FatalError | null = null;
  damaged: (error: FatalError) => void = () => undefined;
  promoted: (slot: number) => void = () => undefined;
  lives = 0;
  #onStop: () => void = () => undefined;
  readonly stopped = new Promise<void>((resolve) => {
    this.#onStop = resolve;
  });

  start(options: Partial<LivesOptions> = {}): Promise<Lives> {
    return Lives.start({
      begin: async ({ damaged, promoted }) => {
        this.promoted = promoted;
        return this.#begin(damaged);
      },
      removeStore: async () => void this.events.push('remove'),
      promote: async (slot) => void this.events.push(`promote ${slot}`),
      canRebuild: async () => true,
      logger: SILENT,
      nowMs: () => this.nowMs,
      stop: (error) => {
        this.events.push(`stop: ${error.message}`);
        this.#onStop();
      },
      ...options,
    });
  }

  #begin(damaged: (error: FatalError) => void): Life {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    this.lives += 1;
    const life = this.lives;
    this.events.push(`begin ${life}`);
    this.damaged = damaged;
    if (this.early !== null) damaged(this.early);
    this.early = null;
    return {
      clientPort: 4000 + life,
      close: async () => void this.events.push(`close ${life}`),
      abandon: async () => void this.events.push(`abandon ${life}`),
    };
  }
}

const failureOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: Error) => error.message,
  );

test('a life whose store is damaged is abandoned, and the next one begins without the store', async () => {
  const stage = new Stage();
  const lives = await stage.start();
  const { damaged } = stage;
  damaged(damage());
  damaged(damage('heard twice'));
  await lives.close();
  assert.equal(stage.events, ['begin 1', 'abandon 1', 'remove', 'begin 2', 'close 2']);
});

test('damage found at the start, or while starting, is mended too', async () => {
  const stage = new Stage();
  stage.refusals = [damage()];
  stage.early = damage();
  const lives = await stage.start();
  await lives.close();
  assert.equal(stage.events, ['remove', 'begin 1', 'abandon 1', 'remove', 'begin 2', 'close 2']);
});

test('a home that is promoted ends its life in order, and begins the next one as the first of a new founding', async () => {
  const stage = new Stage();
  const lives = await stage.start();
  stage.promoted(7);
  stage.promoted(7); // said twice, done once
  await lives.close();
  assert.equal(stage.events, ['begin 1', 'close 1', 'promote 7', 'begin 2', 'close 2']);
});

test('a promotion that fails ends the process, with the home as it was left', async () => {
  const stage = new Stage();
  const promote = async (): Promise<void> => {
    throw new FatalError('HOME_UNUSABLE', 'no room');
  };
  await stage.start({ promote });
  stage.promoted(7);
  await stage.stopped;
  assert.equal(stage.events, ['begin 1', 'close 1', 'stop: no room']);
});

test('without peers, and for any other failure, the store stays as it is', async () => {
  const alone = new Stage();
  alone.refusals = [damage('bad')];
  assert.match(await failureOf(alone.start({ canRebuild: async () => false })), /^bad; no other member has/);
  const taken = new Stage();
  taken.refusals = [new FatalError('PORT_IN_USE', 'port 4000 is taken')];
  assert.is(await failureOf(taken.start()), 'port 4000 is taken');
  assert.equal([...alone.events, ...taken.events], []);
});

test('a store that is damaged again and again ends the process; after a good while it may be once more', async () => {
  const stage = new Stage();
  const lives = await stage.start();
  const rebuilt = async (): Promise<void> => {
    const before = stage.lives;
    stage.damaged(damage('once more'));
    while (stage.lives === before) await new Promise((resolve) => setImmediate(resolve));
  };
  for (let n = 0; n < 3; n += 1) await rebuilt();
  stage.nowMs = 11 * 60_000;
  for (let n = 0; n < 3; n += 1) await rebuilt();
  stage.damaged(damage('once too often'));
  await stage.stopped;
  assert.is(stage.events.at(-2), 'abandon 7');
  assert.match(stage.events.at(-1) ?? '', /^stop: once too often; it was rebuilt so often/);
  await lives.close();
});

test('damage that is found while the node ends changes nothing', async () => {
  const stage = new Stage();
  const lives = await stage.start();
  const closed = lives.close();
  stage.damaged(damage());
  await closed;
  assert.equal(stage.events, ['begin 1', 'close 1']);
});

test.run();
