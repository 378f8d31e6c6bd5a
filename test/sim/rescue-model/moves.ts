/** Moves of the key: what coordinators send, and what clusters and keepers do with it (docs/architecture.md, "Moving a range"). */
import type { Without } from './rules.ts';
import {
  allot,
  type Coordinator,
  type Founding,
  foundingAt,
  isOpen,
  isSame,
  type Keeper,
  keeperOf,
  type Message,
  type Move,
  type Outcome,
  type State,
} from './state.ts';

/** What a coordinator does next, by the record that it believes and what it hears of both ends; null: nothing. */
export function nextMessage(state: State, { k, token, believed }: Coordinator): Message | null {
  const keeper = keeperOf(state);
  const now = keeper?.k === k ? keeper.moves.find(({ mid }) => mid === believed.mid) : undefined;
  const record = now !== undefined && now.token === token ? now : believed;
  if (!isOpen(record)) return null;
  const { mid, from, to, rescue } = record;
  // Who is silent, or another founding, says nothing.
  const source = heard(state, record.from, k);
  const target = heard(state, record.to, k);
  const send = (kind: Message['kind'], more: Partial<Message> = {}): Message => {
    const isForTarget = kind === 'activate' || kind === 'abandon';
    const isForKeeper = ['publish', 'recordAbort', 'settle', 'finish'].includes(kind);
    const end = isForTarget ? to : from;
    const address = isForKeeper ? { to: 'K' as const, g: 0 } : { to: end.id, g: end.g };
    return { ...address, k, kind, mid, token, peer: null, row: 0, epoch: 0, ...more };
  };
  const at = (end: Founding | null): Outcome | null => end?.closed[mid] ?? null;
  const sealed = source?.own?.sealed?.mid === mid;
  if (rescue !== null && !rescue.isThere) {
    if (rescue.isCopy) return null; // its command drives it
    if (rescue.dead === 'from') {
      if (record.phase === 'published') return send('finish');
      if (at(target) === 'activated') return send('publish');
      if (at(target) === 'abandoned') return send('settle');
      return target === null ? null : send('abandon');
    }
    if (source === null) return null;
    if (at(source) === 'takenBack') return send('settle');
    if (at(source) === 'unsealed') return send('recordAbort');
    if (at(source) === 'released') return record.phase === 'published' ? send('finish') : null;
    return sealed ? send('takeBack', { epoch: rescue.epoch }) : send('cancel');
  }
  if (record.phase === 'published') {
    if (source === null) return null;
    return at(source) === 'released' ? send('finish') : send('release');
  }
  if (at(target) === 'activated') return send('publish');
  if (at(target) === 'abandoned') {
    if (source === null) return null;
    return at(source) === 'unsealed' ? send('recordAbort') : send('unseal');
  }
  if (at(source) === 'unsealed') return target === null ? send('recordAbort') : send('abandon');
  if (record.isWishedAway) {
    if (sealed || source === null) return target === null ? null : send('abandon');
    return send('cancel');
  }
  if (source === null || target === null) return null;
  if (sealed) return send('activate', { row: source.row });
  return source.own === null ? null : send('seal', { peer: to });
}

function heard(state: State, place: Move['from'], k: number): Founding | null {
  const end = foundingAt(state, place);
  return end !== null && end.at === 'up' && end.keeper === k ? end : null;
}

/** A cluster applies a command. */
export function applyAt(end: Founding, message: Message, without: Without): void {
  const { kind, mid, token, k, g } = message;
  if (!without.has('addressee') && (end.keeper !== k || end.g !== g)) return;
  if (kind === 'confirm') {
    confirm(end, message);
    return;
  }
  if (end.was !== 0 && !without.has('unconfirmed')) return; // no move is with it yet
  if (token < (end.tokens[mid] ?? 0)) return;
  end.tokens[mid] = token;
  if (end.closed[mid] !== undefined) return;
  const isSealed = end.own?.sealed?.mid === mid;
  switch (kind) {
    case 'seal':
      if (end.own !== null && end.own.sealed === null && message.peer !== null)
        end.own.sealed = { mid, ...message.peer };
      return;
    case 'cancel':
      if (isSealed && !without.has('sealBinds')) return;
      unseal(end, mid);
      return;
    case 'unseal':
      unseal(end, mid);
      return;
    case 'takeBack':
      if (!isSealed || end.own === null) return;
      end.own = { epoch: without.has('newEpoch') ? end.own.epoch : message.epoch, sealed: null };
      end.closed[mid] = 'takenBack';
      return;
    case 'release':
      if (!isSealed || end.own?.sealed == null) return;
      end.forward = { id: end.own.sealed.id, g: end.own.sealed.g, epoch: mid };
      end.own = null;
      end.row = 0;
      end.closed[mid] = 'released';
      return;
    case 'abandon':
      end.closed[mid] = 'abandoned';
      return;
    case 'activate':
      if (end.own !== null) return;
      end.own = { epoch: mid, sealed: null };
      end.row = message.row;
      end.closed[mid] = 'activated';
      return;
    default:
      return;
  }
}

function unseal(end: Founding, mid: number): void {
  if (end.own?.sealed?.mid === mid) end.own.sealed = null;
  end.closed[mid] = 'unsealed';
}

/** What is its own from now on, and nothing of what was before. */
function confirm(end: Founding, { epoch }: Message): void {
  if (end.was === 0) return;
  end.was = 0;
  end.closed = {};
  end.tokens = {};
  if (epoch > 0) end.own = { epoch, sealed: null };
  else {
    end.own = null;
    end.row = 0;
  }
}

/** The keeper applies what a coordinator says of a move. */
export function applyAtKeeper(keeper: Keeper, { kind, mid, token }: Message): void {
  const record = keeper.moves.find((each) => each.mid === mid);
  if (record === undefined || token < record.token || !isOpen(record)) return;
  const { rescue, from, to, phase } = record;
  if (kind === 'publish' && phase === 'active') {
    record.phase = 'published';
    keeper.map = { id: to.id, g: to.g, epoch: mid };
  } else if (kind === 'finish' && phase === 'published') record.phase = 'done';
  else if (kind === 'recordAbort' && phase === 'active') record.phase = 'aborted';
  else if (kind === 'settle' && rescue !== null && !rescue.isThere) {
    if (rescue.dead === 'to') keeper.map = { id: from.id, g: from.g, epoch: rescue.epoch };
    else if (phase === 'published') return;
    record.phase = 'lost';
  }
}

/** The owner gives the key to the other cluster. */
export function plan(state: State, keeper: Keeper, to: Move['to']): void {
  const { map } = keeper;
  if (map === null) return;
  const mid = allot(state, keeper);
  const from = { id: map.id, g: map.g };
  keeper.moves.push({ mid, from, to, phase: 'active', token: 0, isWishedAway: false, rescue: null });
}

/** Another coordinator takes a move over. */
export function claim(state: State, keeper: Keeper, mid: number): void {
  const record = keeper.moves.find((each) => each.mid === mid);
  if (record === undefined) return;
  record.token += 1;
  state.coordinators.push({ k: keeper.k, token: record.token, believed: structuredClone(record) });
}

/** Whether somebody holds its newest token. */
export function isClaimed({ coordinators }: State, { k }: Keeper, { mid, token }: Move): boolean {
  return coordinators.some((each) => each.k === k && each.believed.mid === mid && each.token === token);
}

export function isKnown({ messages }: State, message: Message): boolean {
  const text = JSON.stringify(message);
  return messages.some((each) => JSON.stringify(each) === text);
}

/** An end of the move; null where it has none of that founding. */
export function endOf({ from, to }: Move, place: Move['from']): 'from' | 'to' | null {
  return isSame(from, place) ? 'from' : isSame(to, place) ? 'to' : null;
}

/** Forgets messages and coordinators that can do nothing any more, whatever comes: fewer states are the same then. */
export function forget(state: State, without: Without): void {
  if (without.has('addressee')) return; // any of them may do something, anywhere
  const keeper = keeperOf(state);
  state.messages = state.messages.filter(({ to, g, k, mid, token, kind }) => {
    if (to === 'K') {
      const record = keeper?.k === k ? keeper.moves.find((each) => each.mid === mid) : undefined;
      return record !== undefined && isOpen(record) && token >= record.token;
    }
    const end = state.foundings.find((each) => each.id === to && each.g === g);
    if (end === undefined || end.at === 'over' || end.keeper > k) return false;
    if (kind === 'confirm') return end.was !== 0;
    return end.closed[mid] === undefined && token >= (end.tokens[mid] ?? 0);
  });
  state.coordinators = state.coordinators.filter(({ k, token, believed: { mid, from, to } }) => {
    const record = keeper?.k === k ? keeper.moves.find((each) => each.mid === mid) : undefined;
    if (record !== undefined && isOpen(record) && token === record.token) return true;
    return [from, to].some((place) => {
      const end = foundingAt(state, place);
      const isOpenThere = end !== null && end.at !== 'over' && end.keeper === k;
      return isOpenThere && end.closed[mid] === undefined && token >= (end.tokens[mid] ?? 0);
    });
  });
}
