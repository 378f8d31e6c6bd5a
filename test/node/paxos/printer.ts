/**
 * Texts of what happens to members of a cluster and of what they ask for, and the words of scripts read back.
 *
 * Nodes are `a`, `b`; the lives of a home `a0`, `a1`; ballots `3@a`, `3@a1` of a later life, `-` for none; values `v7`, `noop`,
 * `admit b1 3@a`, `add d0`, `remove d`; a list of members `[a0 b0]`, with `over d0` for lives that have ended.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Effect, Event } from '../../../node/paxos/contract.ts';
import type { AcceptedEntry, Message } from '../../../node/paxos/messages.ts';
import { masterOf, mayPropose, type Replica, readableUntilMs, statusOf } from '../../../node/paxos/step.ts';
import type { Ballot, LogRecord, Member, MembersState, NodeName, Value } from '../../../node/paxos/values.ts';
import { present } from '../../../src/base/assert.ts';
import { ballotOf, batch, lifeOf } from '../../sim/paxos/hand.ts';

export function printValue(value: Value): string {
  switch (value.kind) {
    case 'batch':
      return printBatch(value.bytes);
    case 'admit':
      return `admit ${printLife(value.incarnation)} ${printBallot(value.ballot)}`;
    case 'addMember':
      return `add ${printLife(value.incarnation)}`;
    case 'removeMember':
      return `remove ${value.node}`;
    default:
      return value.kind;
  }
}

/** What the schedules' clients send is a number, what unit tests do a word. */
function printBatch(bytes: Uint8Array): string {
  const isNumber = bytes.length === 4 && bytes[3] === 0;
  return isNumber
    ? `v${new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)}`
    : Buffer.from(bytes).toString();
}

/** The value of `v7`, `noop`, `admit b1 3@a`, `add d0`, `remove d`. */
export function parseValue([kind = '', name = '', ballot = '']: readonly string[]): Value {
  if (/^v\d+$/.test(kind)) return batch(Number(kind.slice(1)));
  if (kind === 'noop') return { kind };
  if (kind === 'admit') return { kind, ...parseLife(name), ballot: parseBallot(ballot) };
  if (kind === 'add') return { kind: 'addMember', ...parseLife(name) };
  if (kind === 'remove') return { kind: 'removeMember', node: name };
  throw new Error(`${kind} is no value`);
}

export function printBallot({ round, node }: Ballot): string {
  if (node === '') return '-';
  const [name, life] = node.split('.');
  const home = printLife(present(life, 'life in a ballot'));
  return `${round}@${home === `${name}0` ? name : home}`;
}

export function parseBallot(text: string): Ballot {
  const [, round, node = '', home] = /^(\d+)@([a-z]+)(\d*)$/.exec(text) ?? [];
  if (round === undefined) throw new Error(`${text} is no ballot`);
  return ballotOf(Number(round), node, Number(home ?? 0));
}

/** As schedules (`a1-----…`) and unit tests (`aaaa…`, which is the first life of `a`) name them. */
function printLife(incarnation: string): string {
  return incarnation.replaceAll('-', '').replace(/^(.)\1+$/, '$10');
}

function parseLife(text: string): Member {
  const [, node = '', home] = /^([a-z]+)(\d+)$/.exec(text) ?? [];
  if (home === undefined) throw new Error(`${text} is no life`);
  return { node, incarnation: lifeOf(node, Number(home)) };
}

function printMembers({ members, superseded }: MembersState): string {
  const over = superseded.map(({ node, incarnation }) =>
    incarnation === '' ? `${node} left` : printLife(incarnation),
  );
  const list = members.map(({ incarnation }) => printLife(incarnation)).join(' ');
  return `[${list}]${over.length === 0 ? '' : ` over ${over.join(', ')}`}`;
}

/** The record of `promise 2@b`, `accept 1 2@b v7`, `learn 1 v7`, `chosen 1`, `supersede b1`. */
export function parseRecord([kind, ...words]: readonly string[]): LogRecord {
  const [first = '', second = '', ...rest] = words;
  switch (kind) {
    case 'promise':
      return { kind, ballot: parseBallot(first) };
    case 'accept':
      return {
        kind,
        slot: Number(first),
        ballot: parseBallot(second),
        value: parseValue(rest),
        chosen: 0,
      };
    case 'learn':
      return { kind, slot: Number(first), value: parseValue([second, ...rest]), chosen: 0 };
    case 'chosen':
      return { kind, chosen: Number(first) };
    case 'supersede':
      return { kind, ...parseLife(first) };
    default:
      throw new Error(`${kind} is no record of a log`);
  }
}

function printRecord(record: LogRecord): string {
  switch (record.kind) {
    case 'incarnation':
      return `incarnation ${printLife(record.incarnation)}`;
    case 'founded':
      return `founded ${printMembers(record.state)}`;
    case 'promise':
      return `promise ${printBallot(record.ballot)}`;
    case 'accept':
      return `accept ${record.slot} ${printBallot(record.ballot)} ${printValue(record.value)} chosen=${record.chosen}`;
    case 'learn':
      return `learn ${record.slot} ${printValue(record.value)} chosen=${record.chosen}`;
    case 'supersede':
      return `supersede ${record.node}: ${printLife(record.incarnation)}`;
    case 'snapshot':
      return `snapshot ${record.slot} ${printMembers(record.members)}`;
    case 'snapshotOnly':
      return `snapshot ${record.slot}`;
    case 'retired':
      return `retired for ${record.by}${record.parted === null ? '' : `, and parted at ${record.parted.at}`}`;
    default:
      return `chosen ${record.chosen}`;
  }
}

/** A process begins to count challenges at some multiple of so many: the count alone is printed. */
const CHALLENGES = 2 ** 20;

type Field = readonly [name: string, value: unknown];
/** Fields that stand without their names, by the look of their values. */
const PLAIN: ReadonlySet<string> = new Set(['ballot', 'slot', 'value']);

/** `name=value` for each field, but for the founding where it is the one that is `known`. */
function printMessage({ kind, ...fields }: Message, known: string): string {
  const texts = Object.entries(fields)
    .filter(([name, value]) => name !== 'cluster' || value !== known)
    .map((field) => printField(field));
  return [kind, ...texts].join(' ');
}

function printField([name, value]: Field): string {
  const text = printAny(name, value);
  if (value === true) return name;
  if (value === false) return `no-${name}`;
  return PLAIN.has(name) ? text : `${name}=${text}`;
}

function printAny(name: string, value: unknown): string {
  switch (name) {
    case 'ballot':
    case 'promised':
      return printBallot(value as Ballot);
    case 'value':
      return printValue(value as Value);
    case 'cluster':
    case 'incarnation':
    case 'asker':
      return printLife(value as string) || '-';
    case 'accepted':
      return `{${(value as AcceptedEntry[]).map((entry) => `${entry.slot} ${printBallot(entry.ballot)} ${printValue(entry.value)}`).join(', ')}}`;
    case 'entries':
      return `{${(value as AcceptedEntry[]).map((entry) => `${entry.slot} ${printValue(entry.value)}`).join(', ')}}`;
    case 'challenge':
    case 'echo':
      return String((value as number) % CHALLENGES);
    case 'founded':
      return value === null ? '-' : printMembers((value as { state: MembersState }).state);
    default:
      return value === null || value === '' ? '-' : String(value);
  }
}

/** Remembers which list of members each node was last heard to have, so that only changes are printed. */
export class Printer {
  readonly #founding: string;
  readonly #members = new Map<NodeName, string>();

  /** @param founding the cluster that need not be named */
  constructor(founding: string) {
    this.#founding = founding;
  }

  event(node: NodeName, event: Event): string {
    switch (event.kind) {
      case 'start':
        return `${node} starts`;
      case 'message': {
        const { kind, ...fields } = event.message;
        const named = Object.entries(fields).filter(([name]) => PLAIN.has(name));
        return [`${event.from} → ${node}`, kind, ...named.map((field) => printField(field))].join(' ');
      }
      case 'propose':
        return `${node} proposes v${event.id}`;
      case 'synced':
        return `${node} has written #${event.record}`;
      case 'applied':
        return `${node} has applied ${event.slot}`;
      case 'tick':
        return `${node} ticks`;
      case 'snapshotInstalled':
        return `${node} has a copy of slot ${event.slot}`;
      case 'snapshotFailed':
        return `${node} got no copy from ${event.from}`;
      case 'foreign':
        return `${node} meets ${event.from} of ${printLife(event.founding)}`;
      default:
        return `${node} ${event.kind}`;
    }
  }

  /** One line each; the same message to several in one. */
  effects(node: NodeName, effects: readonly Effect[]): string[] {
    const lines: string[] = [];
    for (let index = 0; index < effects.length; index += 1) {
      const effect = effects[index] as Effect;
      if (effect.kind !== 'send') {
        lines.push(this.#effect(node, effect));
        continue;
      }
      const { message, after } = effect;
      const to = [effect.to];
      for (let next = effects[index + 1]; next?.kind === 'send'; next = effects[index + 1]) {
        if (next.after !== after || !isDeepStrictEqual(next.message, message)) break;
        to.push(next.to);
        index += 1;
      }
      const wait = after === 0 ? '' : `, once #${after} is written`;
      lines.push(`send ${to.join(', ')}: ${printMessage(message, this.#founding)}${wait}`);
    }
    return lines;
  }

  #effect(node: NodeName, effect: Exclude<Effect, { kind: 'send' }>): string {
    switch (effect.kind) {
      case 'persist':
        return `write #${effect.record} ${printRecord(effect.entry)}`;
      case 'apply': {
        const proposal = effect.proposal === null ? '' : ' (own proposal)';
        return `apply ${effect.slot} ${printValue(effect.value)}${proposal}${this.#changed(node, effect.members)}`;
      }
      case 'lost':
      case 'refused':
        return `${effect.kind} ${effect.proposals.map((id) => `v${id}`).join(' ')}`;
      case 'found':
        return `found${this.#changed(node, effect.state)}`;
      case 'serveLog':
        return `serve ${effect.to} slots ${effect.from} to ${effect.upTo} request=${effect.request}`;
      case 'installSnapshot':
        return `copy the store of ${effect.from}`;
      case 'log': {
        const facts = Object.entries(effect.facts).map(([name, value]) => ` ${name}=${tidy(String(value))}`);
        return `say (${effect.level}) ${effect.what}${facts.join('')}`;
      }
      case 'promoted':
        return `promoted at ${effect.slot}${this.#changed(node, effect.members)}`;
      default:
        return `stop ${effect.exit}: ${tidy(effect.why)}`;
    }
  }

  #changed(node: NodeName, members: MembersState): string {
    const text = printMembers(members);
    if (this.#members.get(node) === text) return '';
    this.#members.set(node, text);
    return ` members=${text}`;
  }
}

/** Lives in words for people, without what fills them up to their length. */
function tidy(text: string): string {
  return text.replaceAll(/-{2,}/g, '').replaceAll(/([a-z])\1{8,}/g, '$10');
}

/** What a node says of itself. */
export function printState(replica: Replica, nowMs: number): string {
  const { role, chosen, waitsFor, members } = statusOf(replica, nowMs);
  const untilMs = readableUntilMs(replica);
  const reads =
    untilMs > nowMs
      ? `reads until ${untilMs === Number.POSITIVE_INFINITY ? 'ever' : `@${untilMs}`}`
      : 'reads nothing';
  const list = members.map(({ node, seen, applied }) => `${node}${seen ? '' : ' (not seen)'} ${applied}`);
  return [
    `${role}, master ${masterOf(replica, nowMs) ?? 'unknown'}, promised ${printBallot(replica.promised)}`,
    `chosen ${chosen}, applied ${list.join(' ')}`,
    `${reads}, may propose: ${mayPropose(replica, nowMs)}`,
    ...(waitsFor === null ? [] : [`waits: ${waitsFor}`]),
  ].join('; ');
}
