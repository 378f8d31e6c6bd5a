/** Planted bugs that schedules of what once went wrong look for (test/sim/paxos/histories.ts): each takes one rule out. */
import { inPaxos, type PlantedBug, ruleBug } from './bug.ts';

export const HISTORY_BUGS: readonly PlantedBug[] = [
  ruleBug(
    'own vote before sync',
    'a vote of its own counts when it is durable',
    inPaxos([
      'master#countOwnVotes',
      'if (flight.record > replica.syncedRecord)',
      'if (flight.record > Number.POSITIVE_INFINITY)',
    ]),
  ),
  ruleBug(
    'nothing heard without a master',
    'members without a master tell each other what is chosen',
    inPaxos(
      [
        'step#onMessage',
        "case 'canvass':\n            hearOf(replica, out, heard, message.chosen);",
        "case 'canvass':",
      ],
      [
        'step#onMessage',
        "case 'favour':\n            hearOf(replica, out, heard, message.chosen);",
        "case 'favour':",
      ],
    ),
  ),
  ruleBug(
    'newcomers wait for a master',
    'a newcomer catches up without a master',
    inPaxos([
      'founding#tickFounding',
      'if (isNewcomer || isStuck(replica, nowMs))',
      'if (isStuck(replica, nowMs))',
    ]),
  ),
  ruleBug(
    'a life ended by an older admission',
    'an older admission ends no life that came after it',
    inPaxos(['promises#note', 'if (newestOf(replica, node)?.incarnation !== incarnation)', 'if (true)']),
  ),
  ruleBug(
    'a removed member leaves by itself',
    'a member that is removed leaves last',
    inPaxos([
      'members#changeMembers',
      "log(out, 'member removed', former);",
      "{ log(out, 'member removed', former); if (isSelf(replica, former)) out.push({ kind: 'stop', exit: 'SUPERSEDED', why: 'removed' }); }",
    ]),
  ),
  ruleBug(
    'a forced master without a vote is waited for',
    'nobody waits for a forced master that has no vote',
    inPaxos(['candidate#mustLeaveItTo', 'forced === undefined || forced.eligible ||', 'true ||']),
  ),
  ruleBug(
    'of two, vouched for once',
    'of two, one vouches for every life of the other that asks',
    inPaxos([
      'founding#adoptPartner',
      'if (record?.incarnation !== partner.incarnation)',
      'if (record === undefined)',
    ]),
  ),
  ruleBug(
    'a life that ended stands in',
    'a life that ended stands in for nobody',
    inPaxos(['replica#newestOf', 'return ended ? null : newest;', 'return newest;']),
  ),
  ruleBug(
    'a snapshot entitles',
    'a snapshot entitles no life that was admitted',
    inPaxos(['members#entitleIfAdded', 'wasAdded(members, config.node)', 'true']),
  ),
  ruleBug(
    'a member that was added again has no vote',
    'a snapshot entitles a life that was added after its node had left',
    inPaxos([
      'members-state#wasAdded',
      'last === undefined || last.incarnation === LEFT',
      'last === undefined',
    ]),
  ),
  ruleBug(
    'lease by a grant without a vote',
    'a grant of a member that has no vote does not count',
    inPaxos(['master#onGranted', 'if (!votes)\n        return;', '']),
  ),
  ruleBug(
    'served before it is durable',
    'a slot whose last record is not durable is served to nobody',
    inPaxos(['learner#serveDurable', 'if (after > replica.syncedRecord)', 'if (false)']),
  ),
  ruleBug(
    'vote in a chosen slot',
    'no vote for a slot that is known chosen',
    inPaxos(['acceptor#onAccept', 'if (slot > above && slot <= above', 'if (slot <= above']),
  ),
  ruleBug(
    'first value that is reported',
    'of the values reported for a slot, that of the highest ballot is proposed',
    inPaxos([
      'promises#highestReported',
      'if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0)',
      'if (known === undefined)',
    ]),
  ),
  ruleBug(
    'last value that is reported',
    'of the values reported for a slot, that of the highest ballot is proposed',
    inPaxos([
      'promises#highestReported',
      'if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0)',
      'if (true)',
    ]),
  ),
  ruleBug(
    'a late release drops another lease',
    'a release gives back the lease of its own ballot',
    inPaxos([
      'acceptor#onRelease',
      'if (replica.grant === null || compareBallots(replica.grant.ballot, message.ballot) !== 0)',
      'if (replica.grant === null)',
    ]),
  ),
];
