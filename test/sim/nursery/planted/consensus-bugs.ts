/**
 * Planted bugs that are looked for in consensus alone (test/sim/paxos). Among them every clause of the rule by which a
 * home that was emptied gets its vote back.
 */
import { CALM } from '../../paxos/network.ts';
import type { ConsensusChanges } from '../pool.ts';
import { inPaxos, type PlantedBug, type Replacement, ruleBug } from './bug.ts';

const THREE: ConsensusChanges = { wished: ['n1', 'n2', 'n3'], forcedMaster: null, preferredMasters: [] };

function bug(
  name: string,
  rule: string,
  replacements: readonly Replacement[],
  changes: ConsensusChanges,
  seedsMax: number,
): PlantedBug {
  return { name, rule, replacements, plan: { simulation: 'consensus', changes }, seedsMax };
}

export const CONSENSUS_BUGS: readonly PlantedBug[] = [
  bug(
    'promise forgotten by a restart',
    'what was promised is durable before anybody hears of it',
    inPaxos(['acceptor#promise', "persist(replica, out, { kind: 'promise', ballot })", '0']),
    {},
    100,
  ),
  bug(
    'vote forgotten by a restart',
    'what was accepted is durable before anybody hears of it',
    inPaxos([
      'step#onStart',
      'replica.accepted.set(slot, { ballot: ballot ?? recovered.promised, value });',
      'if (slot <= recovered.chosen) replica.accepted.set(slot, { ballot: ballot ?? recovered.promised, value });',
    ]),
    {},
    100,
  ),
  bug(
    'no wait after a restart',
    'a restarted node has forgotten what it granted, and waits one lease',
    inPaxos(['step#onStart', 'replica.waitUntilMs = nowMs + config.leaseMs;', 'replica.waitUntilMs = 0;']),
    {
      ...THREE,
      faults: ['crash', 'isolate'],
      leaseMs: 1000,
      driftMs: 20,
      faultEveryMs: 400,
      faultyMs: 40_000,
      weather: { ...CALM, delayMaxMs: 2 },
      syncMaxMs: 1,
      proposeEveryMs: 50,
    },
    100,
  ),
  bug(
    'torn tail not cut',
    'a record that was not completely written does not count',
    [
      {
        file: 'test/sim/paxos/process.js#crash',
        from: 'entriesOf(this.#inFlight.slice(0, kept))',
        to: "entriesOf(this.#inFlight.slice(0, kept + 1)).map((entry, at) => at === kept && entry.kind === 'accept' ? { ...entry, value: { kind: 'noop' } } : entry)",
      },
    ],
    { ...THREE, faults: ['crash', 'isolate', 'dropMaster'] },
    60,
  ),
  bug(
    'hole not filled',
    'holes below what phase 1 reports become no-ops',
    inPaxos([
      'promises#valuesToAdopt',
      'values.push({ slot, value',
      'if (best.has(slot)) values.push({ slot, value',
    ]),
    { ...THREE, faults: ['crash', 'isolate', 'storm', 'dropMaster'] },
    60,
  ),
  bug(
    'first of the values that promises report',
    'of the values reported for a slot, that of the highest ballot is proposed',
    inPaxos([
      'promises#highestReported',
      'if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0)',
      'if (known === undefined)',
    ]),
    {},
    60,
  ),
  // ── Design, section 3: when an emptied home votes again ──────────────────────────────────────────────────
  ruleBug(
    'an empty home votes before it is admitted',
    'a node with an empty home neither votes nor campaigns',
    inPaxos(
      ['replica#mayVote', 'if (!isVoter(replica, config.node, incarnation, list))', 'if (false)'],
      [
        'replica#mayVote',
        'return includesLife(founded.state.members, { node: config.node, incarnation });',
        'return true;',
      ],
      [
        'replica#isVoter',
        'includesLife(votersOf(replica, list), { node, incarnation });',
        'votersOf(replica, list).some((member) => member.node === node);',
      ],
      ['promises#countVoters', 'lives.get(node) === incarnation).length', 'lives.has(node)).length'],
      [
        'master#hasVotes',
        'return votersOf(replica).filter((member) => votes.has(lifeOf(member))).length >= quorumOf(replica);',
        'return true;',
      ],
    ),
  ),
  ruleBug(
    "an emptied home's vote counts for its own admission",
    'its vote does not count for its admission',
    inPaxos(
      ['master#onAccepted', 'if (!isVoter(replica, from, incarnation))', 'if (false)'],
      [
        'master#hasVotes',
        'return votersOf(replica).filter((member) => votes.has(lifeOf(member))).length >= quorumOf(replica);',
        'return true;',
      ],
    ),
  ),
  ruleBug(
    'admission that a later master adopted',
    'an admission counts only if it is chosen at the ballot that it names',
    inPaxos([
      'members#changeMembers',
      'if (isSelf(replica, value) && isInForce && atItsBallot)',
      'if (isSelf(replica, value) && isInForce)',
    ]),
  ),
  ruleBug(
    'admission in a hole',
    'an admission is proposed above every slot that phase 1 reported',
    inPaxos([
      'master#proposePending',
      'propose(replica, out, role, next.value, null, nowMs);',
      "propose(replica, out, role, next.value.kind === 'noop' ? (wantedChange(replica, role, nowMs) ?? next.value) : next.value, null, nowMs);",
    ]),
  ),
  ruleBug(
    'ended life admitted again',
    'superseded incarnations are never admitted again',
    inPaxos([
      'members-state#isEnded',
      'return includesLife(superseded, { node, incarnation });',
      'return false;',
    ]),
  ),
  ruleBug(
    'promises of a former life count',
    'a candidate discards promises of lives for which it knows a later admission',
    inPaxos([
      'promises#hasQuorum',
      'const ended = endedLives(replica, promises);',
      'const ended = new Set();',
    ]),
  ),
  ruleBug(
    'promises discarded for chosen admissions alone',
    'a candidate discards them for admissions that are merely accepted, too',
    inPaxos(
      [
        'promises#endedLives',
        'for (const { value } of replica.accepted.values())',
        'for (const { value } of [])',
      ],
      ['promises#endedLives', 'for (const value of admissions)', 'for (const value of [])'],
    ),
  ),
  ruleBug(
    'of two, answered before it is recorded',
    'the other of two durably records the new life before it answers it',
    inPaxos(['founding#adoptPartner', 'Math.max(record.record, replica.promisedRecord)', '0']),
  ),
  ruleBug(
    'of two, the former life still heard',
    'the other of two ignores everything of the former life from then on',
    inPaxos(
      ['step#onMessage', 'if (isCutOff(replica, from, incarnation))', 'if (false)'],
      ['replica#votersOf', 'if (members.length !== 2)', 'if (true)'],
    ),
  ),
  ruleBug(
    'of two, accepted values kept back',
    "the other's accepted values are part of its answer",
    inPaxos([
      'founding#adoptPartner',
      'incarnation: partner.incarnation, promised, accepted, chosen }',
      'incarnation: partner.incarnation, promised, accepted: [], chosen }',
    ]),
  ),
  ruleBug(
    'joined before all have',
    'nobody votes before all founding members have durably joined',
    inPaxos(['founding#activateIfAllJoined', 'if (missing.length > 0)', 'if (false)']),
  ),
  ruleBug(
    'an answer to a former life believed',
    'a report names the life that asked',
    inPaxos(['founding#onReport', 'if (message.asker !== replica.incarnation)', 'if (false)']),
  ),
];
