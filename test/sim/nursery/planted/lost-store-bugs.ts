/** Planted bugs that schedules of lost stores look for (test/sim/paxos/lost-store.ts): each leaves one clause out. */
import { inPaxos, type PlantedBug, ruleBug } from './bug.ts';

const CAMPAIGNS_SHORT = ['candidate#campaignIfDue', 'if (isShort(replica))', 'if (false)'] as const;

export const LOST_STORE_BUGS: readonly PlantedBug[] = [
  ruleBug(
    'floor from what was recorded',
    'the floor is what the log dropped; records of what is chosen lag behind it (!)',
    inPaxos([
      'replica#floorOf',
      'return replica.recovered.firstLogSlot - 1;',
      'return Math.min(replica.recovered.firstLogSlot - 1, replica.recovered.chosen);',
    ]),
  ),
  ruleBug(
    'vote in a forgotten slot',
    'no vote in a slot that is known chosen, held or not (!)',
    inPaxos(['acceptor#onAccept', 'const above = votesAbove(replica);', 'const above = replica.chosen;']),
  ),
  ruleBug(
    'own log followed at the start alone',
    'whenever more is held, the own log follows (!)',
    inPaxos([
      'learner#choose',
      'hold(replica, out, value, proposal, chosenAt);\n    goOnWithOwnLog(replica, out);',
      'hold(replica, out, value, proposal, chosenAt);',
    ]),
  ),
  ruleBug(
    'own log not followed behind a snapshot',
    'whenever more is held, the own log follows (!)',
    inPaxos([
      'learner#onSnapshotInstalled',
      'entitleIfAdded(replica, out);\n    goOnWithOwnLog(replica, out);',
      'entitleIfAdded(replica, out);',
    ]),
  ),
  ruleBug(
    'promise of a node that forgot counts',
    'a promise counts once the candidate itself holds what the promiser dropped (!)',
    inPaxos([
      'promises#hasQuorum',
      'const remembers = floor <= replica.chosen && upTo === null;',
      'const remembers = true;',
    ]),
  ),
  ruleBug(
    'a node that forgot counts its own promise',
    "the same for the candidate's own promise (!)",
    inPaxos(CAMPAIGNS_SHORT, ['candidate#prepareIfFavoured', 'floor: floorOf(replica),', 'floor: 0,']),
  ),
  ruleBug(
    'nobody elected below a slot known chosen',
    'a promise that does not count does not hinder either (!)',
    inPaxos([
      'candidate#finishPhase1',
      'learnFromHalf(replica, out, role);',
      'if (replica.chosen < replica.watermark) return;',
    ]),
  ),
  ruleBug(
    'nothing learnt from half',
    'what was chosen is learnt from half of the list (!)',
    inPaxos(['candidate#finishPhase1', 'learnFromHalf(replica, out, role);', '']),
  ),
  ruleBug(
    'learnt from less than half',
    'what was chosen is learnt from half of the list, and from no less (!)',
    inPaxos([
      'candidate#learnFromHalf',
      'if (2 * countVoters(replica, remembering) <',
      'if (4 * countVoters(replica, remembering) <',
    ]),
  ),
  ruleBug(
    'learnt from those who forgot',
    'those who dropped the slot are none of that half (!)',
    inPaxos(['candidate#learnFromHalf', 'if (floor < slot && (upTo === null || upTo >= slot))', 'if (true)']),
  ),
  ruleBug(
    'who was removed is not favoured',
    'what this node has forgotten may be learnt from who was removed there (!)',
    inPaxos([
      'acceptor#onCanvass',
      'const lists = [replica.members, knownMembers(replica)];',
      'const lists = [knownMembers(replica)];',
    ]),
  ),
  ruleBug(
    'a short node is silent',
    'a short node promises, and votes above what it forgot (!)',
    inPaxos([
      'replica#mayVote',
      'const list = knownMembers(replica);',
      'const list = isShort(replica) ? null : knownMembers(replica);',
    ]),
  ),
  ruleBug(
    'a floor told as what is held',
    'messages say what is held; a floor is no reason to step down (!)',
    inPaxos([
      'acceptor#onHeartbeat',
      'chosen: replica.chosen, applied, votes',
      'chosen: Math.max(replica.chosen, floorOf(replica)), applied, votes',
    ]),
  ),
  ruleBug(
    'fetched from who knows',
    'fetch from who holds more, not from who merely knows of more (!)',
    inPaxos(
      [
        'founding#onAsk',
        'active, chosen: replica.chosen, bootstrap, challenge',
        'active, chosen: replica.watermark, bootstrap, challenge',
      ],
      ['founding#ask', 'const { chosen, echoes }', 'const { watermark: chosen, echoes }'],
    ),
  ),
  ruleBug(
    'voters alone are asked',
    'whoever lacks a chosen slot asks everyone, with or without a vote (!)',
    inPaxos(['founding#tickFounding', 'if (isNewcomer || isStuck(replica, nowMs))', 'if (isNewcomer)']),
  ),
  ruleBug(
    'majority of an outdated list',
    'by the list that it holds, a short node is no majority (!)',
    inPaxos(CAMPAIGNS_SHORT, ['candidate#prepareIfFavoured', 'floor: floorOf(replica),', 'floor: 0,']),
  ),
  ruleBug(
    'an added member that is short does not know that it was added',
    'the list just below the log decides whether a short node may vote (!)',
    inPaxos([
      'replica#knownMembers',
      'return replica.chosen < floorOf(replica) ? replica.recovered.floorMembers : replica.members;',
      'return replica.members;',
    ]),
  ),
  ruleBug(
    'of two, a short node cuts the other off',
    'of two, a short node cuts nobody off (!)',
    inPaxos(['founding#adoptPartner', 'if (isShort(replica))', 'if (false)']),
  ),
  ruleBug(
    'a life believed by a late question',
    'a life repeats a number that only the present one hears, before it is believed',
    inPaxos([
      'founding#onAsk',
      'const isPresent = challenge === 0 || message.echo === challenge;',
      'const isPresent = true;',
    ]),
  ),
  ruleBug(
    'two foundings with --bootstrap',
    'of several empty homes that found with --bootstrap and hear each other, the first by name does',
    inPaxos([
      'founding#foundIfAllEmpty',
      'const forced = config.bootstrap && isFirst',
      'const forced = config.bootstrap',
    ]),
  ),
  ruleBug(
    'two foundings go on side by side',
    'two foundings of one name never both serve once they hear each other',
    inPaxos(['step#meetForeign', '|| strangers >= own', '']),
  ),
  ruleBug(
    'a founding of one hears nobody but whom its file names',
    'a node that is all of its founding stops where a member of another one calls it',
    inPaxos(['step#meetForeign', 'isAlone ? [...foreign] : ', '']),
  ),
  ruleBug(
    'founded without the word of learners',
    'nothing is founded before learners were asked',
    inPaxos(['founding#foundIfAllEmpty', 'silent && nowMs', 'false && nowMs']),
  ),
  ruleBug(
    'no founding where learners are silent',
    'they are not waited for without end',
    inPaxos(['founding#foundIfAllEmpty', 'nowMs - startedMs < LEARNERS_WAIT_MS', 'true']),
  ),
  ruleBug(
    'master of slots that a snapshot brought',
    'who was elected while a copy was on its way, and is behind it then, asks for promises anew',
    inPaxos(['learner#onSnapshotInstalled', "if (replica.role.kind === 'master')", 'if (false)']),
  ),
];
