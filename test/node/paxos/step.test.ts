/** One event as a whole: what a start brings back, and which messages are heard at all. */
import { test } from 'uvu';
import type { Effect, Recovered } from '../../../node/paxos/contract.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import { createReplica, type Replica, step } from '../../../node/paxos/step.ts';
import type { Incarnation, MembersState } from '../../../node/paxos/values.ts';
import { ballotOf, batch, CLUSTER, lifeOf, type Name, STATE, sync, wake } from './rig.ts';
import { last, testWhole } from './whole.ts';

const NOW_MS = 5000;
const NEW_LIFE = 'n'.repeat(32);
const OTHER = 'o'.repeat(32);
const ALONE: MembersState = { ...STATE, members: STATE.members.slice(0, 1) };
const TWO: MembersState = { ...STATE, members: STATE.members.slice(0, 2) };

/** What the first event of a process leads to. */
function started(recovered: Partial<Recovered>): readonly Effect[] {
  const { config, recovered: held } = wake();
  const replica = createReplica(config, { ...held, ...recovered });
  return step(replica, { kind: 'start', nowMs: 0, random: 0, freshIncarnation: NEW_LIFE });
}

/** A message of b, in this life, is heard. */
function heard(
  replica: Replica,
  incarnation: Incarnation,
  message: Message,
  from: Name = 'b',
): readonly Effect[] {
  return step(replica, { kind: 'message', from, incarnation, message, nowMs: NOW_MS });
}

const heartbeat = (cluster = CLUSTER): Message => ({
  kind: 'heartbeat',
  cluster,
  ballot: ballotOf(6, 'b'),
  chosen: 0,
  sentAtMs: 0,
});
const canvass: Message = { kind: 'canvass', cluster: CLUSTER, chosen: 0 };
const accepted = [1, 2, 3].map((slot) => ({ slot, ballot: ballotOf(5, 'b'), value: batch(`v${slot}`) }));

testWhole([
  [
    'a start with an empty home: a life of its own',
    () => started({ incarnation: null, founded: null, members: null }),
    'write #1 incarnation n0',
  ],
  ['a start with a store: nothing', () => started({})],
  ['a start without a store: it begins again', () => started({ members: null }), 'found members=[a0 b0 c0]'],
  [
    'a start: what the log knows to be chosen is applied, what was merely accepted is not',
    () => started({ accepted, chosen: 2 }),
    'apply 1 v1 members=[a0 b0 c0]',
    'apply 2 v2',
  ],
  [
    'a start behind a gap of the log',
    () => started({ accepted: accepted.slice(1), chosen: 3, firstLogSlot: 2, floorMembers: STATE }),
  ],
  [
    'a heartbeat of a member in its present life',
    () => heard(wake(), lifeOf('b'), heartbeat()),
    'write #1 promise 6@b',
    'send b: granted 6@b sentAtMs=0 chosen=0 applied=0 votes eligible, once #1 is written',
  ],
  [
    'a heartbeat of another founding: ignored, loudly',
    () => heard(wake(), lifeOf('b'), heartbeat(OTHER)),
    'say (error) peer belongs to another cluster peer=b theirs=o0 ours=x0',
  ],
  [
    'the second one of another founding: this node stops',
    () =>
      last(
        wake(),
        (replica) => heard(replica, lifeOf('b'), heartbeat(OTHER)),
        (replica) => heard(replica, lifeOf('c'), heartbeat(OTHER), 'c'),
      ),
    'say (error) peer belongs to another cluster peer=c theirs=o0 ours=x0',
    'stop OTHER_CLUSTER: b, c belong to cluster o0, the home of this node to x0: they were founded apart. Decide which one is meant to live; empty the homes of the other, and start them again without bootstrap, with a file that names all members',
  ],
  [
    'the same peer of another founding once more: said once',
    () =>
      last(
        wake(),
        (replica) => heard(replica, lifeOf('b'), heartbeat(OTHER)),
        (replica) => heard(replica, lifeOf('b'), heartbeat(OTHER)),
      ),
  ],
  [
    'at the place of a peer another founding says hello',
    () => step(wake(), { kind: 'foreign', from: 'b', founding: OTHER, nowMs: NOW_MS }),
    'say (error) peer belongs to another cluster peer=b theirs=o0 ours=x0',
  ],
  [
    'at the place of a peer its own founding says hello',
    () => step(wake(), { kind: 'foreign', from: 'b', founding: CLUSTER, nowMs: NOW_MS }),
  ],
  [
    'a node that is all of its founding is called by one of another, which its file does not name: one of both must stop',
    () =>
      step(
        wake({ members: ALONE, founded: { state: ALONE, genesis: new Uint8Array(0) } }, { wished: ['a'] }),
        {
          ...{ kind: 'foreign', from: 'b', founding: OTHER, nowMs: NOW_MS },
        },
      ),
    'say (error) peer belongs to another cluster peer=b theirs=o0 ours=x0',
    'stop OTHER_CLUSTER: b belongs to cluster o0, the home of this node to x0: they were founded apart. Decide which one is meant to live; empty the homes of the other, and start them again without bootstrap, with a file that names all members',
  ],
  [
    'at the place of a peer there is a founding that took the place of this one: it stops, and says no more',
    () =>
      step(wake(), {
        ...{ kind: 'foreign', from: 'b', founding: OTHER, nowMs: NOW_MS },
        replaces: [CLUSTER],
      }),
    'stop OTHER_CLUSTER: b is of founding o0, which took the place of x0, that of this home, by a promotion or a restore, and for ever: empty this home, and start it again',
  ],
  [
    'an empty home meets any founding',
    () =>
      step(wake({ founded: null, members: null }), {
        ...{ kind: 'foreign', from: 'b', founding: OTHER, nowMs: NOW_MS },
      }),
  ],
  [
    'an empty home hears reports alone',
    () => heard(wake({ founded: null, members: null }), lifeOf('b'), heartbeat()),
  ],
  [
    'a life that was replaced: it is told that it is over',
    () =>
      heard(wake({ members: { ...STATE, superseded: [{ node: 'b', incarnation: OTHER }] } }), OTHER, canvass),
    'send b: over incarnation=o0',
  ],
  [
    'it is told that its own life is over',
    () => heard(wake(), lifeOf('b'), { kind: 'over', cluster: CLUSTER, incarnation: lifeOf('a') }),
    'stop SUPERSEDED: the cluster has replaced or removed a.a0; empty the home to join anew, in place of a.a0',
  ],
  [
    'it is told so, and its file names nobody else: emptied with that file it would found another cluster',
    () =>
      heard(wake({}, { wished: ['a'] }), lifeOf('b'), {
        kind: 'over',
        cluster: CLUSTER,
        incarnation: lifeOf('a'),
      }),
    'stop SUPERSEDED: the cluster has replaced or removed a.a0; its file names no other member: write those of the cluster into it (b, c), and only then empty the home to join anew, in place of a.a0',
  ],
  [
    'it is told that a former life of it is over',
    () => heard(wake(), lifeOf('b'), { kind: 'over', cluster: CLUSTER, incarnation: OTHER }),
  ],
  [
    'of two, the former life of the other, which it has cut off',
    () =>
      heard(wake({ members: TWO, superseded: [{ node: 'b', incarnation: NEW_LIFE }] }), lifeOf('b'), canvass),
  ],
  [
    'of three, a life that is still on the list',
    () => heard(wake({ superseded: [{ node: 'b', incarnation: NEW_LIFE }] }), lifeOf('b'), canvass),
    'send b: favour granted promised=5@b chosen=0',
  ],
  [
    'a life that it has cut off, and a later one',
    () =>
      heard(
        wake({
          superseded: [
            { node: 'b', incarnation: OTHER },
            { node: 'b', incarnation: NEW_LIFE },
          ],
        }),
        OTHER,
        canvass,
      ),
  ],
  [
    'an unknown life is heard, and gets nothing',
    () => heard(wake(), NEW_LIFE, canvass),
    'send b: favour no-granted promised=5@b chosen=0',
  ],
  [
    'a nack where it granted a lease to another',
    () =>
      last(
        wake(),
        (replica) => heard(replica, lifeOf('b'), heartbeat()),
        (replica) =>
          heard(replica, lifeOf('c'), { kind: 'nack', cluster: CLUSTER, promised: ballotOf(9, 'c') }, 'c'),
      ),
  ],
  ['to drop a master that it is not', () => step(wake(), { kind: 'dropMaster', nowMs: NOW_MS })],
  [
    'a record is durable that somebody waits for',
    () =>
      last(
        wake({ chosen: 1, applied: 1 }),
        (replica) => heard(replica, lifeOf('b'), heartbeat()),
        (replica) =>
          heard(replica, lifeOf('c'), { kind: 'fetch', cluster: CLUSTER, from: 1, request: 3 }, 'c'),
        (replica) => sync(replica, NOW_MS),
      ),
    'serve c slots 1 to 1 request=3',
  ],
]);

test.run();
