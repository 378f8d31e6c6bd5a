/** Every step that may come next, each with the state that it leads to. */
import { applyAt, applyAtKeeper, claim, isClaimed, isKnown, nextMessage, plan } from './moves.ts';
import {
  type Answers,
  isGrave,
  isNamed,
  isWaiting,
  keptAtSource,
  lose,
  orderLoss,
  planCopy,
  rebuilt,
  replace,
  succeed,
  successorOf,
  type Words,
  yieldAll,
} from './orders.ts';
import type { Without } from './rules.ts';
import {
  type Budget,
  type Founding,
  foundingAt,
  type Id,
  isOpen,
  isServing,
  type Keeper,
  keeperOf,
  nameOf,
  other,
  reached,
  type State,
} from './state.ts';

const IDS: readonly Id[] = ['A', 'B'];

/** What a step does to a state; it may turn out to change nothing. */
export type Step = { readonly name: string; readonly run: (state: State) => void };

/** All steps that are possible in a state. */
export function stepsOf(state: State, without: Without): Step[] {
  const keeper = keeperOf(state);
  const steps = [
    ...deliveries(state, without),
    ...writes(state),
    ...disasters(state),
    ...rescues(state, without),
    ...comebacks(state, without),
    ...rebuilding(state, without),
  ];
  if (keeper !== null && keeper.map !== null) steps.push(...atKeeper(state, keeper, without));
  return steps;
}

function spend(state: State, what: Exclude<keyof Budget, 'burning'>): void {
  state.left[what] -= 1;
}

function keeperIn(state: State): Keeper {
  return keeperOf(state) as Keeper;
}

function at(state: State, { id, g }: Founding, held: Founding['at'] | null = null): Founding {
  const all = state.foundings.filter((each) => each.id === id && each.g === g);
  return (all.find((each) => held === null || each.at === held) ?? all[0]) as Founding;
}

// ── Clients and messages ───────────────────────────────────────────────────────────────────────────────────

function writes({ foundings, left }: State): Step[] {
  if (left.writes === 0) return [];
  return foundings
    .filter((each) => isServing(each) && !each.isFalse)
    .map((founding) => ({
      name: `a client writes at ${nameOf(founding)}`,
      run: (state) => {
        spend(state, 'writes');
        const { versions } = state.ghost;
        versions.push({ at: { id: founding.id, g: founding.g }, isLossOrdered: false });
        at(state, founding, founding.at).row = versions.length;
      },
    }));
}

function deliveries({ messages }: State, without: Without): Step[] {
  return messages.map((message) => ({
    name: `${message.kind} ${message.mid || ''} of keeper ${message.k} comes to ${message.to}${message.g || ''}`,
    run: (state) => {
      if (message.to === 'K') {
        const keeper = keeperOf(state);
        if (keeper?.k === message.k) applyAtKeeper(keeper, message);
        return;
      }
      const end = reached(state, message.to);
      if (end !== null) applyAt(end, message, without);
    },
  }));
}

// ── Keeper and coordinators ────────────────────────────────────────────────────────────────────────────────

function atKeeper(state: State, keeper: Keeper, without: Without): Step[] {
  const steps: Step[] = [];
  const { map, moves, inForce } = keeper;
  const open = moves.filter(isOpen);
  if (map !== null && open.length === 0 && state.left.moves > 0) {
    const to = other(map.id);
    const isFit = inForce[map.id] === map.g && inForce[to] > 0;
    if (isFit && !isWaiting(keeper, map.id) && !isWaiting(keeper, to))
      steps.push({
        name: `a move from ${nameOf(map)} is planned`,
        run: (next) => {
          spend(next, 'moves');
          plan(next, keeperIn(next), { id: to, g: inForce[to] });
        },
      });
  }
  for (const { mid, rescue, ...move } of open) {
    const isDriven = rescue?.isCopy === true;
    const isFree = !isClaimed(state, keeper, { mid, rescue, ...move });
    if (!isDriven && (isFree || state.left.claims > 0))
      steps.push({
        name: `move ${mid} is claimed`,
        run: (next) => {
          if (!isFree) spend(next, 'claims');
          claim(next, keeperIn(next), mid);
        },
      });
    if (!isDriven && !move.isWishedAway && rescue === null && state.left.aborts > 0)
      steps.push({
        name: `move ${mid} is to be aborted`,
        run: (next) => {
          spend(next, 'aborts');
          for (const each of keeperIn(next).moves) if (each.mid === mid) each.isWishedAway = true;
        },
      });
    if (isDriven) steps.push(...copySteps(state, mid));
  }
  for (const coordinator of state.coordinators) {
    const message = nextMessage(state, coordinator);
    if (message === null || isKnown(state, message)) continue;
    const name = `the coordinator of move ${message.mid} with token ${message.token} sends ${message.kind}`;
    steps.push({ name, run: (next) => next.messages.push(message) });
  }
  for (const founding of state.foundings) {
    if (founding.at !== 'up' || founding.was === 0 || founding.keeper !== keeper.k) continue;
    steps.push({
      name: `${nameOf(founding)} tells its keeper whose place it took`,
      run: (next) => replace(next, keeperIn(next), at(next, founding, 'up'), without),
    });
  }
  return steps;
}

/** What the command does that brings a range: it looks whether it is there, or gives up and begins anew. */
function copySteps(state: State, mid: number): Step[] {
  const move = keeperOf(state)?.moves.find((each) => each.mid === mid);
  const end = move === undefined ? null : foundingAt(state, move.to);
  if (move === undefined) return [];
  if (move.phase === 'published')
    return [
      {
        name: `copy ${mid} is finished`,
        run: (next) => {
          for (const each of keeperIn(next).moves) if (each.mid === mid) each.phase = 'done';
        },
      },
    ];
  if (end === null || end.at !== 'up' || end.keeper !== keeperOf(state)?.k) return [];
  const outcome = end.closed[mid];
  if (outcome === undefined && state.left.copies === 0) return [];
  if (outcome === undefined)
    return [
      {
        name: `copy ${mid} is given up`,
        run: (next) => {
          spend(next, 'copies');
          const copy = keeperIn(next).moves.find((each) => each.mid === mid);
          if (copy === undefined) return;
          copy.token += 1;
          const there = at(next, end, 'up');
          there.tokens[mid] = copy.token;
          there.closed[mid] = 'abandoned';
        },
      },
    ];
  return [
    {
      name: `copy ${mid} is ${outcome}`,
      run: (next) => {
        const now = keeperIn(next);
        for (const each of now.moves) {
          if (each.mid !== mid) continue;
          each.phase = outcome === 'activated' ? 'published' : 'lost';
          if (outcome === 'activated') now.map = { ...each.to, epoch: mid };
        }
      },
    },
  ];
}

// ── What goes wrong ────────────────────────────────────────────────────────────────────────────────────────

function disasters(state: State): Step[] {
  const steps: Step[] = [];
  const { left, foundings, keepers } = state;
  const keeper = keeperOf(state);
  for (const founding of foundings.filter(({ at: now }) => now === 'up')) {
    const name = nameOf(founding);
    if (left.images > 0)
      steps.push({
        name: `a member of ${name} falls behind, and an image is taken`,
        run: (next) => {
          spend(next, 'images');
          next.image = structuredClone(at(next, founding, 'up'));
        },
      });
    if (left.burns > 0 && left.burning.includes(founding.id))
      steps.push({
        name: `${name} burns`,
        run: (next) => {
          spend(next, 'burns');
          at(next, founding, 'up').at = 'down';
        },
      });
    if (left.cuts > 0 && isServing(founding))
      steps.push({
        name: `${name} is cut off, and said to be gone`,
        run: (next) => {
          spend(next, 'cuts');
          Object.assign(at(next, founding, 'up'), { at: 'cut', isFalse: true });
        },
      });
  }
  if (left.images > 0 && left.keepers > 0 && keeper !== null)
    steps.push({
      name: 'a member of the keeper falls behind',
      run: (next) => {
        spend(next, 'images');
        next.keeperImage = structuredClone(keeperIn(next));
      },
    });
  if (left.keepers > 0 && keeper !== null && keepers.length === 1)
    steps.push({
      name: 'the keeper burns',
      run: (next) => {
        spend(next, 'keepers');
        keeperIn(next).isUp = false;
      },
    });
  return steps;
}

/** An old home is started again, or who was cut off is reached again. */
function comebacks(state: State, without: Without): Step[] {
  const keeper = keeperOf(state);
  return state.foundings.flatMap((founding): Step[] => {
    const { id, g, at: now } = founding;
    const isBound = keeper !== null && keeper.k === founding.keeper;
    const inForce = isBound && keeper.inForce[id] === g;
    if (now === 'down' && state.left.backs > 0) {
      const hasSuccessor = successorOf(state, founding) !== null;
      // In place of one that is promoted at this moment: a false word, which nothing can prevent.
      if (inForce && hasSuccessor && !without.has('newFounding')) return [];
      if (!isBound && !without.has('inForce')) return [];
      const isServed = inForce || without.has('inForce');
      return [
        {
          name: `an old home of ${nameOf(founding)} is started`,
          run: (next) => {
            spend(next, 'backs');
            at(next, founding, 'down').at = isServed ? 'up' : 'over';
          },
        },
      ];
    }
    if (now !== 'cut') return [];
    return [
      {
        name: `${nameOf(founding)} is reached again`,
        run: (next) => {
          // By its own keeper's word it stops; without one it goes on.
          const there = at(next, founding, 'cut');
          if (isBound && !inForce) there.at = 'over';
          else there.at = 'up';
          if (inForce) there.isFalse = false;
        },
      },
    ];
  });
}

// ── What people do ─────────────────────────────────────────────────────────────────────────────────────────

function rescues(state: State, without: Without): Step[] {
  const keeper = keeperOf(state);
  const steps: Step[] = [];
  for (const founding of state.foundings) {
    const { id, at: now } = founding;
    if (now !== 'down' || successorOf(state, founding) !== null) continue;
    const isBuried = keeper !== null && keeper.k === founding.keeper && keeper.inForce[id] === 0;
    if (isBuried) continue;
    const isItsImage = state.image?.id === id && state.image.g === founding.g;
    const held = isItsImage && state.image !== null ? [founding, state.image] : [founding];
    if (state.left.promotions > 0)
      for (const what of held)
        steps.push({
          name: `a survivor of ${nameOf(founding)} with version ${what.row} is promoted`,
          run: (next) => {
            spend(next, 'promotions');
            const dead = at(next, founding, 'down');
            orderLoss(next, dead, { kept: what.row, isOwn: true });
            succeed(next, dead, what, without);
          },
        });
    const { image } = state;
    const isFit = image !== null && image.id === id && image.own?.sealed === null && image.was === 0;
    const isOfChain = isFit && (image.g === founding.g || founding.after.includes(image.g));
    if (state.left.restores > 0 && isOfChain && keeper !== null)
      steps.push({
        name: `${nameOf(founding)} is replaced by an image with version ${image.row}`,
        run: (next) => {
          spend(next, 'restores');
          const dead = at(next, founding, 'down');
          orderLoss(next, dead, { kept: image.row, isOwn: true });
          succeed(next, dead, { ...image, keeper: keeper.k, closed: {}, tokens: {}, forward: null }, without);
        },
      });
  }
  if (keeper !== null && keeper.map !== null) steps.push(...losses(state, keeper, without));
  return steps;
}

function losses(state: State, keeper: Keeper, without: Without): Step[] {
  const steps: Step[] = [];
  const { map, inForce, orders, moves } = keeper;
  for (const id of IDS) {
    const theirs = reached(state, id);
    const isSilent = theirs === null || theirs.keeper !== keeper.k || without.has('silence');
    const isHeirThere = inForce[other(id)] > 0;
    const isIts = map?.id === id && inForce[id] === 0;
    const isDone = orders.some(
      (order) => order.id === id && order.g === 0 && (!isIts || order.was === map?.g),
    );
    // Typed again it says once more what is dead already: a new keeper has not heard of it.
    const mayBe = inForce[id] > 0 ? state.left.losses > 0 && isSilent : isIts;
    if (!mayBe || !isHeirThere || isDone) continue;
    steps.push({
      name: `${id} is lost`,
      run: (next) => {
        if (inForce[id] > 0) spend(next, 'losses');
        const now = keeperIn(next);
        const dead = { id, g: now.inForce[id] > 0 ? now.inForce[id] : (now.map?.g ?? 0) };
        orderLoss(next, dead, { kept: keptAtSource(next, dead) });
        lose(next, now, id, without);
      },
    });
  }
  const heir = map === null ? null : other(map.id);
  if (map === null || heir === null) return steps;
  const isDue = isGrave(keeper, map) && !moves.some(isOpen) && inForce[heir] > 0 && !isWaiting(keeper, heir);
  const isReplacing = isWaiting(keeper, map.id);
  if (!isDue || isReplacing) return steps;
  const { image } = state;
  const rows = image !== null && image.own?.sealed === null && image.row > 0 ? [0, image.row] : [0];
  for (const row of rows)
    steps.push({
      name: `what ${nameOf(map)} had is brought to ${heir}, as of version ${row}`,
      run: (next) => {
        orderLoss(next, map, { kept: 0 });
        planCopy(next, keeperIn(next), { id: heir, g: inForce[heir] }, row);
      },
    });
  return steps;
}

// ── A keeper in the place of another ───────────────────────────────────────────────────────────────────────

function rebuilding(state: State, without: Without): Step[] {
  const steps: Step[] = [];
  const { keepers, left } = state;
  const first = keepers[0] as Keeper;
  if (!first.isUp && keepers.length === 1) {
    steps.push({ name: 'another keeper begins', run: (next) => next.keepers.push(anew(next, without)) });
    return steps;
  }
  const keeper = keeperOf(state);
  if (keeper === null || keepers.length === 1) return steps;
  const { k } = keeper;
  if (without.has('ownKeeper'))
    for (const founding of state.foundings)
      if (founding.at === 'up' && founding.keeper !== k && !founding.isFalse)
        steps.push({
          name: `${nameOf(founding)} hears another keeper that knows no such founding`,
          run: (next) => {
            at(next, founding, 'up').at = 'over';
            next.ghost.broken ??= `${nameOf(founding)} stops, and no keeper of its own has said so`;
          },
        });
  if (left.rebuilders > 0)
    steps.push({
      name: 'somebody types rescue keeper',
      run: (next) => {
        spend(next, 'rebuilders');
        next.rebuilders.push({ k, told: { A: null, B: null } });
      },
    });
  state.rebuilders.forEach(({ told }, index) => {
    for (const id of IDS) {
      const founding = reached(state, id);
      if (told[id] !== null || founding === null) continue;
      steps.push({
        name: `${nameOf(founding)} comes to keeper ${k}, and tells rescue ${index + 1} what it has`,
        run: (next) => {
          const there = at(next, founding, 'up');
          there.keeper = k;
          const rebuilder = next.rebuilders[index];
          if (rebuilder !== undefined) rebuilder.told[id] = structuredClone(there);
        },
      });
    }
    if (keeper.map !== null && !without.has('oneMap')) return;
    if (told.A === null && told.B === null) return;
    for (const words of wordsOf(state, told)) {
      const after = rebuilt(structuredClone(state), keeper, told, words, without);
      if (after === null || after.map === null) continue;
      steps.push({
        name: `rescue ${index + 1} tells keeper ${k}: ${nameOf(after.map)}, lost ${words.lost.join() || 'none'}, ${words.yields ?? 'nobody'} yields`,
        run: (next) => install(next, { index, words }, without),
      });
    }
  });
  return steps;
}

/**
 * Whose word is possible: of those that do not answer that they are lost, and of either that it yields. A file may be forgotten; where
 * no answer names that cluster the command cannot know of it, which is said in docs/operating.md.
 */
function wordsOf(state: State, told: Answers): Words[] {
  const silent = IDS.filter((id) => told[id] === null);
  if (silent.length === 0)
    return [
      { yields: null, lost: [] },
      { yields: 'A', lost: [] },
      { yields: 'B', lost: [] },
    ];
  const isGone = silent.every((id) => reached(state, id) === null);
  const isForgotten = silent.every((id) => isNamed(told, id));
  return [
    ...(isGone ? [{ yields: null, lost: silent }] : []),
    ...(isForgotten ? [{ yields: null, lost: [] }] : []),
  ];
}

function install(
  state: State,
  { index, words }: { readonly index: number; readonly words: Words },
  without: Without,
): void {
  const told = state.rebuilders[index]?.told;
  const keeper = keeperIn(state);
  if (told === undefined) return;
  const after = rebuilt(state, keeper, told, words, without);
  if (after === null || after.map === null) return;
  const both = [told.A, told.B].filter((each) => each?.own != null);
  if (words.yields !== null && both.length > 1 && after.map.id !== words.yields) {
    const yielding = reached(state, words.yields);
    if (yielding !== null) orderLoss(state, yielding, { kept: 0 });
    // By the operator's word the older one may stay.
    state.ghost.highestEpoch = after.map.epoch;
    if (!without.has('yieldsFirst')) yieldAll(state, words.yields, after.map);
  }
  for (const id of words.lost) {
    const dead = state.foundings.filter((each) => each.id === id).at(-1);
    if (dead !== undefined) orderLoss(state, dead, { kept: keptAtSource(state, dead) });
  }
  state.keepers[state.keepers.findIndex(({ isUp }) => isUp)] = after;
  // Whoever has told counts from now on, whatever was said of it before.
  for (const each of state.foundings) if (told[each.id] !== null && each.at === 'up') each.isFalse = false;
}

/** With empty homes, or with what is left of the one before: that may lag behind it. */
function anew(state: State, without: Without): Keeper {
  const before = state.keepers.at(-1) as Keeper;
  const survivor = state.keeperImage;
  const k = before.k + 1;
  if (without.has('keeperForgets') && survivor !== null) {
    for (const each of state.foundings) each.keeper = k; // who follows the map that it publishes
    return { ...structuredClone(survivor), k, isUp: true };
  }
  const nothing = { map: null, inForce: { A: 0, B: 0 }, moves: [], orders: [] };
  return { k, isUp: true, ...nothing, lastMid: survivor?.lastMid ?? 0 };
}
