/** What a survivor that is being promoted does next, by what it has gathered (docs/architecture.md, "Rescue"). */
import { includesLife } from '../../src/identity/founding.ts';
import { UNAPPLIED_MAX } from './learner.ts';
import { highestReported } from './promises.ts';
import { floorOf, othersOf, type Promised, type Promotion, type Replica, votersOf } from './replica.ts';
import type { Incarnation, NodeName, Slot, Value } from './values.ts';

export type Next =
  /** Those have not retired, or have not told all that they voted. */
  | { readonly kind: 'unreported'; readonly nodes: readonly NodeName[] }
  /** That one holds what was chosen otherwise than this one took it. */
  | { readonly kind: 'overtaken'; readonly node: NodeName }
  | { readonly kind: 'fetch'; readonly from: NodeName; readonly upTo: Slot }
  /** One of those who retired may have granted a lease. */
  | { readonly kind: 'lease' }
  /** That slot was chosen, nobody has it, and the order does not give it up. */
  | { readonly kind: 'lost'; readonly slot: Slot }
  /** These are taken for chosen, in the slots that follow what is held; none: what was taken is not stored yet. */
  | { readonly kind: 'take'; readonly values: readonly Value[] }
  | { readonly kind: 'done' };

/** The next step of a promotion. */
export function nextOf(replica: Replica, promotion: Promotion, nowMs: number): Next {
  const { config, chosen, applied, syncedRecord, nextRecord } = replica;
  const { reportedMs } = promotion;
  const nodes = unreportedOf(replica, promotion);
  if (nodes.length > 0) return { kind: 'unreported', nodes };
  const overtaking = overtakingOf(replica, promotion);
  if (overtaking !== null) return { kind: 'overtaken', node: overtaking };
  const best = bestHolder(promotion);
  if (best !== null && best.chosen > chosen) return { kind: 'fetch', from: best.node, upTo: best.chosen };
  if (reportedMs === null || nowMs < reportedMs + config.leaseMs + config.driftMs) return { kind: 'lease' };
  const { values, lost } = valuesToTake(replica, promotion);
  if (lost !== null && !isLossOrdered(promotion, lost, chosen)) return { kind: 'lost', slot: lost };
  const room = Math.max(0, UNAPPLIED_MAX - (chosen - applied));
  if (values.length > 0) return { kind: 'take', values: values.slice(0, room) };
  if (applied < chosen || syncedRecord < nextRecord - 1) return { kind: 'take', values: [] };
  return { kind: 'done' };
}

/** From which slot on it is asked what the others accepted: after this one parted, whether they have gone another way. */
export function askedFrom({ chosen, retired }: Replica): Slot {
  return (retired?.parted?.at ?? chosen) + 1;
}

/** Whether another life of that node votes: where its home is, nobody can tell from this one. */
export function isOtherLife(replica: Replica, node: NodeName, incarnation: Incarnation): boolean {
  const voters = votersOf(replica);
  return voters.some((voter) => voter.node === node) && !includesLife(voters, { node, incarnation });
}

/** Who must retire before this node is promoted, and has not told all; list and lives may change with what is learnt. */
function unreportedOf(replica: Replica, { gone, reports }: Promotion): NodeName[] {
  return othersOf(replica).filter((node) => {
    const report = reports.get(node);
    return !gone.includes(node) && (report === undefined || isOtherLife(replica, node, report.incarnation));
  });
}

/** Who was said to be gone when this one parted, or has learnt since, and knows something else of what it then took. */
function overtakingOf({ retired }: Replica, { reports }: Promotion): NodeName | null {
  if (retired === null || retired.parted === null) return null;
  const { at, gone } = retired.parted;
  for (const [node, { chosen, accepted }] of reports)
    if (chosen > at || (gone.includes(node) && accepted.some(({ slot }) => slot > at))) return node;
  return null;
}

/**
 * In each slot above what is held, the accepted value of the highest ballot, and a no-op where nobody has one above all that is
 * known to be chosen. A slot that is known to be chosen, and that nobody who is left has, is lost: what follows it would rest on a
 * gap.
 */
function valuesToTake(
  replica: Replica,
  promotion: Promotion,
): { readonly values: readonly Value[]; readonly lost: Slot | null } {
  const { chosen, watermark } = replica;
  const all = allReports(replica, promotion);
  const best = highestReported(all, chosen);
  const last = Math.max(watermark, ...best.keys());
  const complete = Math.min(last, ...[...promotion.reports.values()].map(({ upTo }) => upTo ?? last));
  const values: Value[] = [];
  for (let slot = chosen + 1; slot <= complete; slot += 1) {
    const value = best.get(slot)?.value ?? (slot > watermark ? ({ kind: 'noop' } as const) : null);
    if (value === null) return { values, lost: slot };
    values.push(value);
  }
  return { values, lost: null };
}

/** Whether all from that slot on is given up by the order; who holds nothing at all is no survivor. */
function isLossOrdered({ loseFrom }: Promotion, lost: Slot, chosen: Slot): boolean {
  return loseFrom !== null && lost >= loseFrom && chosen > 0;
}

function allReports(replica: Replica, { reports }: Promotion): Map<NodeName, Promised> {
  const accepted = [...replica.accepted].map(([slot, { ballot, value }]) => ({ slot, ballot, value }));
  const { incarnation, chosen } = replica;
  const own = { incarnation, accepted, admissions: [], chosen, floor: floorOf(replica), upTo: null };
  return new Map([...reports, [replica.config.node, own]]);
}

function bestHolder({ reports }: Promotion): { readonly node: NodeName; readonly chosen: Slot } | null {
  let best: { readonly node: NodeName; readonly chosen: Slot } | null = null;
  for (const [node, { chosen }] of reports)
    if (best === null || chosen > best.chosen) best = { node, chosen };
  return best;
}
