/** Planted bugs that schedules of promotions look for (test/sim/paxos/promotion.ts): each leaves one clause out. */
import { inPaxos, type PlantedBug, ruleBug } from './bug.ts';

export const PROMOTION_BUGS: readonly PlantedBug[] = [
  ruleBug(
    'retired for another, it is asked all the same',
    'whoever retired for one that burns retires for the next, and one alone goes on',
    inPaxos([
      'promotion#onRetire',
      'promotion !== null || (retired !== null && retired.parted !== null)',
      'retired?.by === replica.config.node',
    ]),
  ),
  ruleBug(
    'retired once, and for good',
    'whoever retired for one that burns retires for the next, and one alone goes on',
    inPaxos(['promotion#retire', 'if (retired?.by === by)', 'if (retired !== null)']),
  ),
  ruleBug(
    'an order that is over holds its vote',
    'an order that is over is handed on with all that was accepted',
    inPaxos([
      'promotion#onRetire',
      'promotion !== null || (retired',
      'promotion !== null || retired?.by === replica.config.node || (retired',
    ]),
  ),
  ruleBug(
    'who is back, and knows better, is passed over',
    'who was said to be gone at the parting, and knows better, is not passed over',
    inPaxos([
      'gathering#overtakingOf',
      'chosen > at || (gone.includes(node) && accepted.some(({ slot }) => slot > at))',
      'false',
    ]),
  ),
  ruleBug(
    'asked from what was taken',
    'who was said to be gone at the parting, and knows better, is not passed over',
    inPaxos(['gathering#askedFrom', '(retired?.parted?.at ?? chosen) + 1', 'chosen + 1']),
  ),
  ruleBug(
    'what others heard is nothing',
    'what others heard to be chosen counts',
    inPaxos([
      'promotion#onRetired',
      'Math.max(replica.watermark, known)',
      'Math.max(replica.watermark, chosen)',
    ]),
  ),
  ruleBug(
    'parted with a gap ahead',
    'it parts only when it can finish',
    inPaxos([
      'gathering#nextOf',
      'if (lost !== null && !isLossOrdered',
      'if (values.length === 0 && lost !== null && !isLossOrdered',
    ]),
  ),
  ruleBug(
    'a newcomer is promoted',
    'a home that nobody admitted is no survivor, unless it is vouched for',
    inPaxos([
      'promotion#whyNotPromoted',
      'if (!isSelfVoter(replica) && !gone.includes(config.node))',
      'if (false)',
    ]),
  ),
  ruleBug(
    'a late report is whole',
    'a report that begins too late counts for nothing',
    inPaxos(['promotion#onRetired', 'if (message.from > askedFrom(replica))', 'if (false)']),
  ),
  ruleBug(
    'an old life answers for the one that votes',
    'an old life does not answer for the one that votes',
    inPaxos([
      'gathering#unreportedOf',
      'report === undefined || isOtherLife(replica, node, report.incarnation)',
      'report === undefined',
    ]),
  ),
  ruleBug(
    'who is short is a vote',
    'who lacks what was chosen elects nobody',
    inPaxos(['promotion#whyNotPromoted', '?.eligible !== false', '?.votes !== false']),
  ),
  ruleBug(
    'given up once it is done',
    'what is done stands',
    inPaxos(['step#step', 'if (replica.promotion?.isDone === true)', 'if (false)']),
  ),
  ruleBug(
    'who has retired is admitted',
    'who has retired is not admitted again',
    inPaxos(['founding#onAsk', 'if (active && isPresent && !isRetired)', 'if (active && isPresent)']),
  ),
  ruleBug(
    'promoted at the start',
    'who has just started hears first who runs',
    inPaxos(['promotion#onPromote', 'if (nowMs - replica.startedMs < SILENT_MS)', 'if (false)']),
  ),
  ruleBug(
    'one that has retired votes',
    'who has retired accepts nothing',
    inPaxos([
      'promotion#isLeftAlone',
      'retired.parted === null ? BINDING.has(kind)',
      "retired.parted === null ? kind === 'joined'",
    ]),
  ),
  ruleBug(
    'one that has parted tells',
    'what was taken for chosen is told to nobody',
    inPaxos(['promotion#isLeftAlone', ': !PARTING.has(kind)', ': BINDING.has(kind)']),
  ),
  ruleBug(
    'promoted beside a master',
    'who follows a master does not retire',
    inPaxos(['promotion#onRetire', 'retired === null && master !== null', 'false']),
  ),
  ruleBug(
    'a lost slot is skipped',
    'a slot that is known chosen and lost is not skipped',
    inPaxos(['gathering#valuesToTake', "slot > watermark ? { kind: 'noop' } : null", "{ kind: 'noop' }"]),
  ),
  ruleBug(
    'leases are not waited for',
    'leases that were granted end first',
    inPaxos(['gathering#nextOf', 'nowMs < reportedMs + config.leaseMs + config.driftMs', 'false']),
  ),
  ruleBug(
    'the order stands though the gone answers',
    'given up where one that is said to be gone answers',
    inPaxos(['promotion#heardOfGone', 'replica.promotion?.gone.includes(from) !== true', 'true']),
  ),
];
