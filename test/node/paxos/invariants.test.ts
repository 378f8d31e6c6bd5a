/** Each invariant is broken once, and says so: a check that cannot fail shows nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkDelta, checkState, observe } from '../../../node/paxos/invariants.ts';
import type { Mastering, Replica as State } from '../../../node/paxos/replica.ts';
import type { Replica } from '../../../node/paxos/step.ts';
import { ballotOf, batch, elect, LEASE_MS, lifeOf, STATE, wake } from './rig.ts';

const VALUE = batch('x');

/** A member that holds two slots, and has accepted a third. */
function member(): Replica {
  const accepted = [{ slot: 3, ballot: ballotOf(4, 'b'), value: VALUE }];
  return wake({ chosen: 2, applied: 2, accepted });
}

function master(): Replica {
  const replica = wake({ promised: ballotOf(5, 'a') });
  elect(replica, 10 * LEASE_MS, []);
  return replica;
}

function role(replica: Replica): Mastering {
  assert.ok(replica.role.kind === 'master');
  return replica.role;
}

const FLIGHT = { value: VALUE, proposal: null, votes: new Set<string>(), record: 1, sentMs: 0 };

const BREACHES: readonly (readonly [what: RegExp, of: () => Replica, breach: (replica: State) => void])[] = [
  [/a promise never goes back/, member, (it) => Object.assign(it, { promised: ballotOf(4, 'b') })],
  [/what is chosen stays chosen/, member, (it) => Object.assign(it, { chosen: 1, applied: 1 })],
  [/what was heard to be chosen stays so/, member, (it) => Object.assign(it, { watermark: 1 })],
  [/what is applied stays applied/, member, (it) => Object.assign(it, { applied: 1 })],
  [/records are numbered upwards/, member, (it) => Object.assign(it, { nextRecord: 0 })],
  [/what is durable stays durable/, member, (it) => Object.assign(it, { syncedRecord: -1 })],
  [/an ended life stays ended/, ended, (it) => Object.assign(it, { members: STATE })],
  [
    /a node changes its cluster never/,
    member,
    (it) => Object.assign(it, { members: { ...STATE, cluster: 'y'.repeat(32) } }),
  ],
  [/applied is chosen/, member, (it) => Object.assign(it, { applied: 3 })],
  [/nothing is durable that was not asked for/, member, (it) => Object.assign(it, { syncedRecord: 9 })],
  [
    /a chosen slot is no longer merely accepted/,
    member,
    (it) => it.accepted.set(2, { ballot: ballotOf(4, 'b'), value: VALUE }),
  ],
  [/accepting is promising/, member, (it) => it.accepted.set(4, { ballot: ballotOf(6, 'b'), value: VALUE })],
  [
    /granting is promising/,
    member,
    (it) => Object.assign(it, { grant: { ballot: ballotOf(6, 'b'), untilMs: 0 } }),
  ],
  [
    /a member in force has not been superseded/,
    member,
    (it) =>
      Object.assign(it, { members: { ...STATE, superseded: [{ node: 'b', incarnation: lifeOf('b') }] } }),
  ],
  [
    /a proposer uses its own ballots/,
    master,
    (it) => Object.assign(it, { role: { ...role(it), ballot: ballotOf(1, 'b') } }),
  ],
  [
    /a proposer has promised its own ballot/,
    master,
    (it) => Object.assign(it, { role: { ...role(it), ballot: ballotOf(99, 'a') } }),
  ],
  [
    /a master proposes above what is chosen/,
    master,
    (it) => Object.assign(role(it), { nextSlot: it.chosen }),
  ],
  [/what is in flight was proposed/, master, (it) => role(it).flights.set(it.chosen, FLIGHT)],
];

function ended(): Replica {
  return wake({ members: { ...STATE, superseded: [{ node: 'b', incarnation: 'o'.repeat(32) }] } });
}

for (const [what, of, breach] of BREACHES) {
  test(String(what), () => {
    const replica = of();
    const before = observe(replica);
    const check = (): void => {
      checkDelta(before, replica);
      checkState(replica);
    };
    assert.not.throws(check);
    breach(replica);
    assert.throws(check, what);
    assert.throws(
      check,
      /\(.*node a, incarnation a+, .*role .*, promised \d+ of .*, chosen \d+, watermark \d+/,
    );
  });
}

test.run();
