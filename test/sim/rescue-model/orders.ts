/** What the keeper does with orders, and what survivors, images and new keepers are told (docs/architecture.md, "Rescue"). */
import { endOf } from './moves.ts';
import type { Without } from './rules.ts';
import {
  allot,
  type Founding,
  foundingAt,
  type Id,
  isOpen,
  isSame,
  isServing,
  type Keeper,
  type Message,
  type Move,
  type Order,
  type Place,
  type State,
} from './state.ts';

/** How far a new keeper counts on above all that was met. */
const LEAP = 20;

// ── In the place of a founding ─────────────────────────────────────────────────────────────────────────────

/** What is left of a founding, or an image of it, begins another one. */
export function succeed(state: State, dead: Founding, held: Founding, without: Without): void {
  const g = without.has('newFounding') ? dead.g : dead.g + 1;
  const was = held.was === 0 ? held.g : held.was;
  const after = [...new Set([dead.g, ...dead.after, held.g, ...held.after])];
  const successor: Founding = {
    ...structuredClone(held),
    g,
    at: 'up',
    isFalse: false,
    was: without.has('unconfirmed') ? 0 : was,
    after,
  };
  // An image has no move, and no name of a keeper but the one that is asked.
  state.foundings.push(successor);
}

/** The keeper hears that a founding took the place of another one: once the moves of that are settled it says what is its own. */
export function replace(state: State, keeper: Keeper, founding: Founding, without: Without): void {
  const { id, g, was, after } = founding;
  let order = orderOf(keeper, { id, g });
  if (order === null) {
    const inForce = keeper.inForce[id];
    if (inForce === 0 || (inForce !== was && !after.includes(inForce))) return;
    order = { id, was: inForce, g, given: null, before: 0 };
    keeper.orders.push(order);
    keeper.inForce[id] = g;
    for (const mid of Object.keys(founding.tokens)) keeper.lastMid = Math.max(keeper.lastMid, Number(mid));
    fence(state, keeper, { id, g: inForce }, { survivor: founding, without });
    return;
  }
  if (order.given === null) {
    if (isUnsettled(keeper, founding) && !without.has('settledFirst')) return;
    give(state, keeper, { order, founding }, without);
  }
  const { given } = order;
  const message: Message = {
    to: id,
    g,
    k: keeper.k,
    kind: 'confirm',
    mid: 0,
    token: 0,
    peer: null,
    row: 0,
    epoch: given ?? 0,
  };
  const isSent = state.messages.some((each) => JSON.stringify(each) === JSON.stringify(message));
  if (!isSent) state.messages.push(message);
}

function give(
  state: State,
  keeper: Keeper,
  { order, founding }: { readonly order: Order; readonly founding: Founding },
  without: Without,
): void {
  const { map } = keeper;
  const isIts = map !== null && map.id === founding.id && [founding.was, ...founding.after].includes(map.g);
  const then = isIts ? epochThen(keeper, map.epoch) : 0;
  const own = founding.own?.epoch ?? 0;
  const isOwn = own > 0 && (without.has('epochOfTheMap') ? isIts : own === then);
  if (!isOwn || map === null) {
    order.given = 0;
    return;
  }
  order.before = map.epoch;
  order.given = without.has('newEpoch') ? map.epoch : allot(state, keeper);
  keeper.map = { id: founding.id, g: founding.g, epoch: order.given };
}

/** At which epoch a founding of before knew what the map gives at `epoch`. */
function epochThen({ orders }: Keeper, epoch: number): number {
  const order = orders.find(({ given, before }) => given === epoch && before > 0 && before !== given);
  return order === undefined ? epoch : epochThen({ orders } as Keeper, order.before);
}

/** By what it remembers, or by the epoch of what it owns: an image has no moves. */
function activatedBy({ closed, own }: Founding): ReadonlySet<number> {
  const mids = Object.entries(closed).flatMap(([mid, at]) => (at === 'activated' ? [Number(mid)] : []));
  return new Set([...mids, own?.epoch ?? 0]);
}

function orderOf({ orders }: Keeper, { id, g }: Place): Order | null {
  return orders.find((order) => order.id === id && order.g === g) ?? null;
}

/** Moves with a founding whose place this one took, or that one's before it, decide what is its own. */
function isUnsettled({ moves }: Keeper, { id, after }: Founding): boolean {
  return moves.some(({ phase, rescue, from, to }) => {
    const dead = rescue?.dead === 'from' ? from : to;
    if (rescue === null || dead.id !== id || !after.includes(dead.g)) return false;
    return phase === 'active' || (phase === 'published' && rescue.dead === 'to' && !rescue.isThere);
  });
}

/** Who has an order that it took another's place, and was not told yet: no move begins there. */
export function isWaiting(keeper: Keeper, id: Id): boolean {
  return orderOf(keeper, { id, g: keeper.inForce[id] })?.given === null;
}

/** A new token for each move with the dead founding, and how it ends without it. */
function fence(
  state: State,
  keeper: Keeper,
  dead: Place,
  { survivor, without }: { readonly survivor: Founding | null; readonly without: Without },
): void {
  const activated = survivor === null || without.has('evidence') ? new Set<number>() : activatedBy(survivor);
  for (const move of keeper.moves) {
    const end = endOf(move, dead);
    if (end === null || !isOpen(move)) continue;
    const { rescue, mid, to } = move;
    const isThere = end === 'to' && activated.has(mid);
    const publish = (): void => {
      if (!isThere || move.phase !== 'active') return;
      move.phase = 'published';
      keeper.map = { id: to.id, g: to.g, epoch: mid };
    };
    if (rescue !== null && rescue.dead !== end) {
      publish();
      // Its source had taken it back, as a survivor of that shows, and the map has not been told.
      const isBack = end === 'from' && survivor?.own?.epoch === rescue.epoch && !without.has('evidence');
      if (isBack) keeper.map = { ...move.from, epoch: rescue.epoch };
      move.phase = isThere || rescue.isThere ? 'done' : 'lost';
      continue;
    }
    const epoch = allot(state, keeper);
    move.token += 1;
    move.rescue = { dead: end, epoch, isThere, isCopy: false };
    publish();
  }
}

// ── Lost ───────────────────────────────────────────────────────────────────────────────────────────────────

/** A founding is dead, and nothing takes its place. */
export function lose(state: State, keeper: Keeper, id: Id, without: Without): void {
  const was = keeper.inForce[id] > 0 ? keeper.inForce[id] : (keeper.map?.g ?? 0);
  keeper.orders.push({ id, was, g: 0, given: 0, before: 0 });
  keeper.inForce[id] = 0;
  fence(state, keeper, { id, g: was }, { survivor: null, without });
}

/** What the map gives to a dead founding comes to another cluster, with what is brought. */
export function planCopy(state: State, keeper: Keeper, to: Place, row: number): void {
  const { map } = keeper;
  if (map === null) return;
  const mid = allot(state, keeper);
  const rescue = { dead: 'from', epoch: 0, isThere: false, isCopy: true } as const;
  const from = { id: map.id, g: map.g };
  const move: Move = { mid, from, to, phase: 'active', token: 1, isWishedAway: false, rescue };
  keeper.moves.push(move);
  const { id, g } = to;
  state.messages.push({
    ...{ to: id, g, k: keeper.k, kind: 'activate', mid, token: 1, peer: null },
    ...{ row, epoch: 0 },
  });
}

/** Whether an order says that the founding which the map names is over. */
export function isGrave({ orders, inForce }: Keeper, { id, g }: Place): boolean {
  return inForce[id] !== g && orders.some((order) => order.id === id && order.was === g);
}

// ── A new keeper ───────────────────────────────────────────────────────────────────────────────────────────

export type Answers = { readonly A: Founding | null; readonly B: Founding | null };
/** Who gives up what it has, if anybody; who is said to be lost. */
export type Words = { readonly yields: Id | null; readonly lost: readonly Id[] };

/** Map and moves from what all clusters have told; null where nothing follows from it. */
export function rebuilt(
  state: State,
  keeper: Keeper,
  told: Answers,
  { yields, lost }: Words,
  without: Without,
): Keeper | null {
  const all = [told.A, told.B].filter((each) => each !== null);
  const isKnown = (id: Id): boolean => told[id] !== null || lost.includes(id);
  const isWhole = all.every(({ own }) => own?.sealed == null || isKnown(own.sealed.id));
  if (!isWhole && !without.has('answered')) return null;
  const claims = all.filter(({ own }) => own !== null);
  const standing = claims.filter((claim) => !isPast(claim, claims));
  const left = standing.filter(({ id }) => standing.length < 2 || id !== yields);
  if (left.length > 1 && !without.has('twoOwners')) return null;
  const after = structuredClone(keeper);
  const met = all.flatMap(numbersOf);
  const known = keeper.map === null ? keeper.lastMid : 0;
  after.lastMid = without.has('leap') ? Math.max(0, ...met) : Math.max(known, ...met) + LEAP;
  for (const { id, g, was } of all) after.inForce[id] = was === 0 ? g : was;
  const [owner] = left;
  if (owner !== undefined) {
    const { id, g, was, own } = owner;
    after.map = { id, g: was === 0 ? g : was, epoch: own?.epoch ?? 0 };
  } else {
    const hints = all.flatMap(({ forward }) => (forward === null ? [] : [forward]));
    const last = hints.sort((a, b) => b.epoch - a.epoch)[0];
    const id = last?.id ?? lost[0];
    if (id === undefined) return null;
    const isSilent = last !== undefined && !lost.includes(id) && [last.g, 0].includes(after.inForce[id]);
    if (isSilent && !without.has('answered')) return null;
    if (last === undefined) after.map = { id, g: 99, epoch: allot(state, after) };
    else after.map = { ...last };
  }
  for (const each of all) addMove(state, after, { teller: each, told, lost });
  return after;
}

/** A source that has sealed beside a target that has activated; and who is not confirmed, beside whoever got it later. */
/** Whether an answer says that somebody of that id takes part in a move, or got the key. */
export function isNamed(told: Answers, id: Id): boolean {
  return [told.A, told.B].some((each) => each?.own?.sealed?.id === id || each?.forward?.id === id);
}

function isPast({ own, was }: Founding, claims: readonly Founding[]): boolean {
  if (own === null) return false;
  const { sealed, epoch } = own;
  const isAbove = (least: number): boolean => claims.some((claim) => (claim.own?.epoch ?? 0) >= least);
  if (sealed !== null && isAbove(sealed.mid)) return true;
  return was !== 0 && isAbove(epoch + 1);
}

function numbersOf({ own, closed, tokens, forward }: Founding): number[] {
  const mids = [...Object.keys(closed), ...Object.keys(tokens)].map(Number);
  return [...mids, own?.epoch ?? 0, own?.sealed?.mid ?? 0, forward?.epoch ?? 0];
}

/** A move that its source has begun: finished where the target has it, taken back by an order where that is lost, else undone. */
function addMove(
  state: State,
  keeper: Keeper,
  { teller, told, lost }: { readonly teller: Founding; readonly told: Answers; readonly lost: readonly Id[] },
): void {
  const sealed = teller.own?.sealed;
  if (sealed == null) return;
  const { mid, id, g } = sealed;
  const target = told[id];
  const isThere = target?.closed[mid] === 'activated' || (target?.own?.epoch ?? 0) >= mid;
  const isDead = lost.includes(id) || keeper.inForce[id] !== g;
  const token = Math.max(teller.tokens[mid] ?? 0, target?.tokens[mid] ?? 0);
  const epoch = isDead && !isThere ? allot(state, keeper) : 0;
  keeper.moves.push({
    mid,
    from: { id: teller.id, g: keeper.inForce[teller.id] },
    to: { id, g },
    phase: isThere ? 'published' : 'active',
    token,
    isWishedAway: !isThere,
    rescue: isDead ? { dead: 'to', epoch, isThere, isCopy: false } : null,
  });
}

/** Before the map is given: it serves none of it from then on. */
export function yieldAll(state: State, id: Id, to: Place & { readonly epoch: number }): void {
  for (const founding of state.foundings) {
    if (founding.id !== id || founding.at !== 'up' || !isServing(founding)) continue;
    founding.own = null;
    founding.row = 0;
    founding.forward = { ...to };
  }
}

/**
 * Which versions an order that names this founding says may be lost: all above `kept`, if it served last; where its own alone are
 * meant, none that another cluster acknowledged.
 */
export function orderLoss(
  { ghost, foundings }: State,
  dead: Place,
  { kept, isOwn = false }: { readonly kept: number; readonly isOwn?: boolean },
): void {
  const chain = foundings.filter((each) => isSame(each, dead)).flatMap(({ after }) => after);
  const isTheirs = ({ id, g }: Place): boolean => id === dead.id && (g === dead.g || chain.includes(g));
  if (!isTheirs(ghost.holder)) return;
  ghost.versions.forEach((version, index) => {
    if (index >= kept && (!isOwn || isTheirs(version.at))) version.isLossOrdered = true;
  });
}

/** What stays with a source that has sealed for this founding, which lives. */
export function keptAtSource(state: State, dead: Place): number {
  const sources = state.foundings.filter(
    ({ at, own }) => at === 'up' && own?.sealed?.id === dead.id && own.sealed.g === dead.g,
  );
  return Math.max(0, ...sources.map(({ row }) => row));
}

export function successorOf(state: State, { id, g }: Place): Founding | null {
  return state.foundings.find((each) => each.id === id && each.after.includes(g)) ?? null;
}

export function isInForce(state: State, { keeper: bound, id, g }: Founding): boolean {
  return state.keepers.some(({ k, isUp, inForce }) => isUp && k === bound && inForce[id] === g);
}

export function isThereAlready(state: State, place: Place): boolean {
  return foundingAt(state, place) !== null;
}
