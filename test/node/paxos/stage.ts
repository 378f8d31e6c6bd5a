/**
 * A script's cluster, for the golden traces of consensus: several members that exchange messages, on the cluster of the
 * schedules that are written by hand (test/sim/paxos/hand.ts). Its disks write at once, its clocks tick every 10 ms.
 */

import type { Effect, Event, ReplicaConfig } from '../../../node/paxos/contract.ts';
import { nextMembers } from '../../../node/paxos/members-state.ts';
import type { Message } from '../../../node/paxos/messages.ts';
import type { NodeName, Value } from '../../../node/paxos/values.ts';
import { present } from '../../../src/base/assert.ts';
import { Hand, lifeOf } from '../../sim/paxos/hand.ts';
import type { Stage } from '../../support/traces.ts';
import { Printer, parseBallot, parseRecord, parseValue, printState } from './printer.ts';

type Command = (...words: string[]) => void;
type Sent = {
  readonly from: NodeName;
  readonly to: NodeName;
  readonly life: string;
  readonly message: Message;
};
type Cut = { readonly kind: string; readonly from: string; readonly to: string };

/** `until` waits no longer than this (ms). */
const UNTIL_MAX_MS = 60_000;
const STEP_MS = 10;
/** Worth a line only where something came of them. */
const PASSING: ReadonlySet<Event['kind']> = new Set(['tick', 'synced', 'applied']);

/** A stage for one script; what its lines may say stands at each command. */
export function createStage(): Stage {
  let lines: string[] = [];
  let isQuiet = false;
  let cuts: Cut[] = [];
  let printer = new Printer('');
  let begun: Hand | null = null;
  const sent: Sent[] = [];
  const hand = (): Hand => present(begun, 'cluster: the first line of a script');

  function begin(made: Hand, founding: string): void {
    begun = made;
    printer = new Printer(founding);
    made.onStep = note;
    made.hears = (from, to, kind) =>
      !cuts.some((cut) => fits(cut.kind, kind) && fits(cut.from, from) && fits(cut.to, to));
  }

  function note(node: NodeName, event: Event, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'send') continue;
      sent.push({
        from: node,
        to: effect.to,
        life: hand().replica(node).incarnation,
        message: effect.message,
      });
    }
    const printed = printer.effects(node, effects);
    if (isQuiet || (printed.length === 0 && PASSING.has(event.kind))) return;
    lines.push(`@${event.nowMs} ${printer.event(node, event)}`, ...printed.map((line) => `  ${line}`));
  }

  function until(isSo: () => boolean): void {
    const endMs = hand().nowMs + UNTIL_MAX_MS;
    while (!isSo()) {
      if (hand().nowMs >= endMs) throw new Error(`not so within ${UNTIL_MAX_MS} ms`);
      hand().run(STEP_MS);
    }
  }

  const sentBy = (from: NodeName, kind: string, to = '*'): Sent[] =>
    sent.filter((each) => each.from === from && fits(to, each.to) && each.message.kind === kind);

  const commands: Readonly<Record<string, Command>> = {
    /** `cluster a b c`, `cluster a b c of a b`, `cluster a b l learners l`: a cluster of two or three, founded; nobody is up. */
    cluster(...words) {
      const { first, of = first, learners = [] } = sections(words, ['of', 'learners']);
      begin(new Hand(first, of, learners), lifeOf(present(of[0], 'founder')));
    },
    /** `empty a b c`: all homes are empty. */
    empty(...names) {
      begin(Hand.empty(names), '');
    },
    /** `config a forced=b preferred=a,b wished=a,b bootstrap asks` */
    config(node = '', ...options) {
      hand().node(node).config = Object.assign({}, ...options.map((option) => configOf(option)));
    },
    /** `log a promise 2@b`, `… accept 1 2@b v7`, `… learn 1 v7`, `… chosen 1`, `… supersede b1`: in the log of a node that is down. */
    log(node = '', ...words) {
      hand().write(node, parseRecord(words));
    },
    /** `chosen 1 v7`: what was chosen before; whatever is applied is held against it. */
    chosen(slot, ...value) {
      const chosen = parseValue(value);
      hand().choose(Number(slot), chosen, nextMembers(hand().membersAt(Number(slot) - 1), chosen));
    },
    /** `store a 3`, `store a 3 dropped 2`: the store of a node that is down is that of slot 3; its log has let go of slot 2. */
    store(node = '', slot, _dropped, dropped = '0') {
      hand().flush(node, Number(slot), Number(dropped));
    },
    /** `lose a`, `lose a 2`: its store is gone, or an older copy is in its place. */
    lose(node = '', slot) {
      hand().lose(node, slot === undefined ? null : Number(slot));
    },
    start(...nodes) {
      hand().start(...nodes);
    },
    stop(...nodes) {
      hand().stop(...nodes);
    },
    /** `wipe b 1`: its home is emptied; life 1 begins in it. */
    wipe(node = '', home) {
      hand().wipe(node, Number(home));
    },
    /** `reborn b 2`: the same, and in that life it has joined and has its vote. */
    reborn(node = '', home) {
      const member = { node, incarnation: lifeOf(node, Number(home)) };
      hand().wipe(node, Number(home));
      hand().write(
        node,
        { kind: 'incarnation', incarnation: member.incarnation },
        { kind: 'founded', state: hand().membersAt(0), genesis: new Uint8Array(0) },
        { kind: 'supersede', ...member },
      );
    },
    /** Nothing that it writes from now on becomes durable. */
    stuck(node = '') {
      hand().node(node).isDiskStuck = true;
    },
    /** `cut c` from all others, `cut a>b`, `cut a>* accepted`: these messages are lost from now on. */
    cut(who = '', kind = '*') {
      const [from = '*', to] = who.split('>');
      cuts.push({ kind, from, to: to ?? '*' });
      if (to === undefined) cuts.push({ kind, from: '*', to: from });
    },
    heal() {
      cuts = [];
    },
    /** `copies 600`: from now on a copy of a store takes so long (ms). */
    copies(takeMs) {
      hand().copyMs = Number(takeMs);
    },
    /** `run 300`: lets time pass (ms). */
    run(forMs) {
      hand().run(Number(forMs));
    },
    /** `until a serves`, `until a applied 3`, `until a stops`, `until a sends prepare`, `until a` and a role */
    until(node = '', what, word = '') {
      const before = sentBy(node, word).length;
      if (what === 'serves') until(() => hand().reader === node);
      else if (what === 'applied') until(() => hand().appliedBy(node) >= Number(word));
      else if (what === 'stops') until(() => hand().node(node).stopped !== null);
      else if (what === 'sends') until(() => sentBy(node, word).length > before);
      else until(() => hand().roleOf(node) === what);
    },
    /** `propose a v7` */
    propose(node = '', value = '') {
      const { bytes } = parseValue([value]) as Extract<Value, { kind: 'batch' }>;
      hand().handle(node, { kind: 'propose', id: Number(value.slice(1)), bytes });
    },
    dropMaster(node = '') {
      hand().handle(node, { kind: 'dropMaster' });
    },
    slept(node = '') {
      hand().handle(node, { kind: 'slept' });
    },
    mayFound(node = '') {
      hand().handle(node, { kind: 'mayFound' });
    },
    /** `late a>b accept`, `late first a>b accept`: the last such message, or the first, comes once more. */
    late(...words) {
      const isFirst = words[0] === 'first';
      const [who = '', kind = ''] = isFirst ? words.slice(1) : words;
      const [from = '', to = ''] = who.split('>');
      const { life, message } = present(sentBy(from, kind, to).at(isFirst ? 0 : -1), `${kind} of ${who}`);
      hand().deliver(to, from, life, message);
    },
    /** `tell a>b accept 1@a 1 v8`, `tell a>b heartbeat 1@a 1`: what an earlier process sent comes now. */
    tell(who = '', kind, ballot = '', slot, ...value) {
      const [from = '', to = ''] = who.split('>');
      const about = { cluster: hand().membersAt(0).cluster, ballot: parseBallot(ballot) };
      const message: Message =
        kind === 'accept'
          ? { kind, ...about, slot: Number(slot), value: parseValue(value), chosen: 0 }
          : { kind: 'heartbeat', ...about, chosen: Number(slot), sentAtMs: 0 };
      hand().deliver(to, from, lifeOf(from), message);
    },
    /** What these nodes say of themselves. */
    show(...nodes) {
      for (const node of nodes) {
        const { replica } = hand().node(node);
        const state = replica === null ? 'is down' : printState(replica, hand().nowMs);
        lines.push(`@${hand().nowMs} ${node}: ${state}`);
      }
    },
  };

  return {
    /** `quietly` before a command: what comes of it is not printed. */
    play(line) {
      lines = [];
      const words = line.split(' ');
      isQuiet = words[0] === 'quietly';
      const [name = '', ...args] = isQuiet ? words.slice(1) : words;
      present(commands[name], `command ${name}`)(...args);
      return lines;
    },
  };
}

function fits(pattern: string, name: string): boolean {
  return pattern === '*' || pattern === name;
}

function configOf(option: string): Partial<ReplicaConfig> {
  const [name, value = ''] = option.split('=');
  switch (name) {
    case 'forced':
      return { forcedMaster: value };
    case 'preferred':
      return { preferredMasters: value.split(',') };
    case 'wished':
      return { wished: value.split(',') };
    case 'bootstrap':
      return { bootstrap: true };
    case 'asks':
      return { asksFirst: true };
    default:
      throw new Error(`there is no option ${name}`);
  }
}

/** Words up to the first title, and after each. */
function sections(
  words: readonly string[],
  titles: readonly string[],
): { readonly first: string[]; readonly of?: string[]; readonly learners?: string[] } {
  const found: Record<string, string[]> = { first: [] };
  let title = 'first';
  for (const word of words) {
    if (titles.includes(word)) title = word;
    else found[title] = [...(found[title] ?? []), word];
  }
  return found as { first: string[] };
}
