/** The record of a chaos run is judged: what a server must not do is seen in what its clients wrote down. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { failure, OK, okBytes } from '../../src/protocol/arakoon/replies.ts';
import { decodeRequest, type Request } from '../../src/protocol/arakoon/requests.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import { Violation } from '../sim/base/violation.ts';
import type { Asked, Asker } from '../support/chaos/asker.ts';
import { ChaosClients } from '../support/chaos/clients.ts';
import { FAULT_KINDS, planFaults } from '../support/chaos/plan.ts';
import { createRandom } from '../support/random.ts';
import { pause, until } from '../support/wait.ts';

const CLIENTS = 8;
const CALLS = 1000;
/** Of the calls that a bug may spoil, each of so many is: one alone may be overwritten before anybody looks. */
const SPOILT = 5;

/** What a server may do wrong, now and then. */
type Bug = 'lost write' | 'stale read' | 'refused and done' | 'done twice' | 'forgets all';

/** Serves the simplest operations from memory, and refuses all others. */
class FakeServer {
  readonly #rows = new Map<string, Buffer>();
  readonly #before = new Map<string, Buffer>();
  readonly #bug: Bug | null;
  #updates = 0;
  #hits = 0;

  constructor(bug: Bug | null) {
    this.#bug = bug;
  }

  asker(): Asker {
    return {
      ask: async (body): Promise<Asked> => {
        await pause(0);
        const { bytes } = this.#serve(decodeRequest(body));
        await pause(0);
        return { answer: bytes, sent: true };
      },
      close: () => undefined,
    };
  }

  #serve(request: Request): Answer {
    if (request.kind === 'get') return this.#get(request.key);
    if (request.kind === 'set') return this.#set(request.key, Buffer.from(request.value));
    return failure('READ_ONLY', 'only get and set are served');
  }

  #get(key: string): Answer {
    const before = this.#before.get(key);
    const isStale = before !== undefined && this.#bug === 'stale read' && this.#isHit();
    const value = isStale ? before : this.#rows.get(key);
    return value === undefined ? failure('NOT_FOUND', key) : okBytes(value);
  }

  #set(key: string, value: Buffer): Answer {
    const old = this.#rows.get(key);
    if (this.#bug === 'lost write' && this.#isHit()) return OK;
    this.#updates += 1;
    if (this.#bug === 'forgets all' && this.#updates % SPOILT === 0) this.#rows.clear();
    if (old !== undefined) this.#before.set(key, old);
    this.#rows.set(key, value);
    if (this.#bug === 'refused and done' && this.#isHit()) return failure('NOT_MASTER', 'None');
    // The one before comes again, behind this one.
    if (this.#bug === 'done twice' && old !== undefined && this.#isHit()) this.#rows.set(key, old);
    return OK;
  }

  #isHit(): boolean {
    this.#hits += 1;
    return this.#hits % SPOILT === 0;
  }
}

async function record(bug: Bug | null): Promise<ChaosClients> {
  const server = new FakeServer(bug);
  const clients = new ChaosClients(0);
  for (let n = 0; n < CLIENTS; n += 1) clients.start(`client ${n}`, server.asker(), n);
  await until('enough calls', () => clients.calls > CALLS);
  await clients.stop();
  await clients.readAll('last', server.asker());
  return clients;
}

test('a server that does nothing wrong is believed', async () => {
  const clients = await record(null);
  clients.check();
  assert.ok(clients.tally().done > CALLS / 10);
});

for (const bug of ['lost write', 'stale read', 'refused and done', 'done twice', 'forgets all'] as const) {
  test(`${bug}: one of these is seen`, async () => {
    const clients = await record(bug);
    try {
      clients.check();
    } catch (error) {
      assert.instance(error, Violation);
      assert.ok(['linearizable', 'stale-read'].includes((error as Violation).check));
      return;
    }
    assert.unreachable(`nobody saw ${bug}`);
  });
}

test('a seed is a plan of faults, and long ones have all kinds', () => {
  const plan = planFaults(createRandom(7), 600, 1000);
  assert.equal(planFaults(createRandom(7), 600, 1000), plan);
  assert.not.equal(planFaults(createRandom(8), 600, 1000), plan);
  assert.equal(new Set(plan.map(({ kind }) => kind)), new Set(FAULT_KINDS));
  const asleep = plan.filter(({ kind }) => kind.startsWith('stop'));
  assert.ok(
    asleep.every(({ forMs }) => forMs > 1000),
    'longer than a lease',
  );
});

test.run();
