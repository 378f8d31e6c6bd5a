/** Each invariant is broken once, and says so: a check that cannot fail shows nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkCounters, checkRouter } from '../../../router/core/invariants.ts';
import type { Moving, Peer, Router, Task } from '../../../router/core/types.ts';
import { present } from '../../../src/base/assert.ts';
import { encodeRequest } from '../../../src/protocol/arakoon/requests.ts';
import { mapOf, World } from '../world.ts';

const CONSISTENT = { kind: 'consistent' } as const;
const set = (key: string): Buffer => encodeRequest({ kind: 'set', key, value: Buffer.from('v') });

/**
 * A router with something everywhere: updates of connection 7 under way to B and waiting behind, a multi-get and a range of
 * both clusters under way, and requests held for B's half of the keys from `t` on, which moves.
 */
function busy(): Router {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']), 'C');
  const { router } = world;
  world.cluster('B').hints = [
    {
      range: { lo: 't', hi: null },
      hint: { entry: { lo: 't', hi: null, owner: 'C', epoch: 9 }, confirmed: false },
    },
  ];
  world.cluster('B').owned = [{ lo: 'k', hi: 't' }];
  world.ask(set('x'));
  world.run(2);
  world.ask(set('y'), 3);
  for (const key of ['l', 'm', 'n']) world.ask(set(key), 7);
  world.ask(encodeRequest({ kind: 'multiGetOption', consistency: CONSISTENT, keys: ['a', 'l'] }));
  world.ask(encodeRequest({ kind: 'getKeyCount' }));
  assert.ok(router.held > 0 && router.queuedBytes > 0 && router.holding > 0 && router.inFlight.size > 3);
  return router;
}

function held(router: Router): Task[] {
  return moving(router).held;
}

function moving(router: Router): Moving {
  return present(router.moving[0], 'range that moves');
}

function flight(router: Router, fits: (task: Task) => boolean): Task {
  const tasks = [...router.inFlight.values()].flatMap((each) => (each.kind === 'task' ? [each.task] : []));
  return present(tasks.find(fits), 'task in flight');
}

function peer(router: Router): Peer {
  return present(
    [...router.peers.values()].find(({ outstanding }) => outstanding > 0),
    'peer with something outstanding',
  );
}

const BREACHES: readonly (readonly [what: RegExp, breach: (router: Router) => void])[] = [
  [/a step leaves nothing to be done/, (it) => it.todo.push(present(held(it)[0], 'held'))],
  [/what is held has a size/, (it) => Object.assign(it, { heldBytes: -1 })],
  [/what is queued is in a lane/, (it) => it.lanes.clear()],
  [/what holds is among what moves/, (it) => Object.assign(it, { holding: 9 })],
  [/what is held is looked at again/, (it) => Object.assign(it, { wakeAtMs: Number.POSITIVE_INFINITY })],
  [/a task is in one place/, (it) => it.unmapped.push(present(held(it)[0], 'held'))],
  [
    /a task knows whether it is held/,
    (it) =>
      Object.assign(
        flight(it, () => true),
        { heldBytes: 3 },
      ),
  ],
  [/as many are held as are counted/, (it) => Object.assign(it, { held: it.held + 1 })],
  [/as many bytes are held as are counted/, (it) => Object.assign(it, { heldBytes: it.heldBytes + 1 })],
  [/as many bytes are queued as are counted/, (it) => Object.assign(it, { queuedBytes: it.queuedBytes + 1 })],
  [/as many ranges hold as are counted/, (it) => Object.assign(it, { holding: 0 })],
  [/a lane counts what of it is under way/, (it) => Object.assign(lane(it), { active: 5 })],
  [
    /a lane holds updates of its own connection/,
    (it) => lane(it).waiting.splice(0, 1, { ...present(lane(it).waiting[0], 'waiting'), origin: 8 }),
  ],
  [
    /an update of a connection has a lane/,
    (it) =>
      Object.assign(
        flight(it, ({ gather }) => gather !== null),
        { isUpdate: true, origin: 4 },
      ),
  ],
  [/a peer counts what it was sent/, (it) => Object.assign(peer(it), { outstanding: 77 })],
  [/a peer that is asked has the question/, (it) => Object.assign(peer(it), { isAsked: true })],
  [/a peer of a configuration is not retired/, (it) => Object.assign(peer(it), { isRetired: true })],
  [
    /a retired peer is kept for what it was sent alone/,
    (it) => {
      const idle = present(
        [...it.peers.values()].find(({ outstanding }) => outstanding === 0),
        'idle peer',
      );
      idle.isRetired = true;
      idle.cluster.peers.delete(idle.name);
    },
  ],
  [/what is in flight has a peer/, (it) => it.peers.delete(peer(it).id)],
  [
    /a master is a node of its cluster/,
    (it) => {
      const { cluster } = peer(it);
      cluster.master = { ...peer(it), name: 'stranger' };
    },
  ],
  [/what is over moves no more/, (it) => Object.assign(moving(it), { isOver: true })],
  [
    /a range that is served holds nothing/,
    (it) => {
      moving(it).owner = 'C';
      it.holding -= 1;
    },
  ],
  [
    /one question goes out about a range/,
    (it) => Object.assign(moving(it), { isProbing: !moving(it).isProbing }),
  ],
  [
    /each key that is missing is asked for once/,
    (it) => {
      const { gather } = flight(it, (task) => task.gather?.kind === 'keys');
      if (gather?.kind === 'keys') gather.pending += 1;
    },
  ],
  [
    /each count that is missing is asked for once/,
    (it) => {
      const { gather } = flight(it, (task) => task.gather?.kind === 'count');
      if (gather?.kind === 'count') gather.pending += 1;
    },
  ],
];

function lane(router: Router): { active: number; readonly waiting: Task[] } {
  return present(router.lanes.get(7), 'lane of connection 7');
}

for (const [what, breach] of BREACHES) {
  test(String(what), () => {
    const router = busy();
    assert.not.throws(() => checkRouter(router));
    breach(router);
    assert.throws(() => checkRouter(router), what);
    assert.throws(() => checkRouter(router), /\(\w+ .+\)$/);
  });
}

test('the parts of a range are asked one by one', () => {
  const world = new World();
  world.found(mapOf(['', 'A'], ['k', 'B']));
  world.ask(
    encodeRequest({
      kind: 'range',
      consistency: CONSISTENT,
      first: null,
      firstIncluded: true,
      last: null,
      lastIncluded: true,
      max: -1,
    }),
  );
  const { router } = world;
  const part = flight(router, ({ gather }) => gather?.kind === 'range');
  router.unmapped.push({ ...part, heldBytes: 0 });
  router.held += 1;
  router.wakeAtMs = 0;
  assert.throws(() => checkRouter(router), /the parts of a range are asked one by one/);
});

test('what costs the same at any size is checked after each event of a running router', () => {
  const router = busy();
  router.heldBytes = -1;
  assert.throws(() => checkCounters(router), /what is held has a size \(router .*, held \d+, heldBytes -1/);
});

test.run();
