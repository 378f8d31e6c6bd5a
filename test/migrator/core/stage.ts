/**
 * A script's migration, for the golden traces: coordinators that move the keys from `k` on (`k`, `l`, `m`) from A to B, on the
 * state machines of both and of the keeper. A call is answered at once, in the order of calls, where the script lets it.
 */
import type { Effect, Event } from '../../../migrator/core/calls.ts';
import type { Settings } from '../../../migrator/core/settings.ts';
import { stageOf } from '../../../migrator/core/step.ts';
import { present } from '../../../src/base/assert.ts';
import type { AdminAnswer, Progress } from '../../../src/protocol/admin/admin.ts';
import type { Stage } from '../../support/traces.ts';
import { MID, Rig, type Send } from './rig.ts';

type Command = (...words: string[]) => void;

/** A stage for one script; what its lines may say stands at each command. */
export function createStage(): Stage {
  let lines: string[] = [];
  let isQuiet = false;
  let settings: Partial<Settings> = {};
  const rigs = new Map<string, Rig>();
  let current = '';
  const silent = new Set<string>();
  const instead = new Map<string, AdminAnswer>();
  const always = new Map<string, AdminAnswer>();
  const told = new Map<string, string>();
  const rig = (): Rig => present(rigs.get(current), 'coordinator: start comes first');

  /** The coordinator that is meant, at the time that the others are at. */
  function choose(name: string): void {
    const nowMs = Math.max(0, ...[...rigs.values()].map((each) => each.nowMs));
    current = name;
    const known = rigs.get(name);
    if (known !== undefined) known.nowMs = Math.max(known.nowMs, nowMs);
  }

  function create(claimAtOnce: boolean): void {
    const nowMs = Math.max(0, ...[...rigs.values()].map((each) => each.nowMs));
    const made = new Rig({ settings, claimAtOnce }, [...rigs.values()][0] ?? null);
    const name = current;
    made.nowMs = nowMs;
    made.onStep = (event, effects) => note(name, made, event, effects);
    made.intercept = (asked, { to }) => {
      const answer = instead.get(asked) ?? always.get(asked);
      instead.delete(asked);
      return answer ?? (silent.has(to) ? 'silence' : null);
    };
    rigs.set(name, made);
  }

  function note(name: string, { sends }: Rig, event: Event, effects: readonly Effect[]): void {
    const printed = effects.flatMap((effect) => print(name, effect));
    if (isQuiet || (event.kind === 'tick' && printed.length === 0)) return;
    lines.push(`@${event.nowMs} ${printEvent(name, sends, event)}`, ...printed.map((line) => `  ${line}`));
  }

  function print(name: string, effect: Effect): string[] {
    switch (effect.kind) {
      case 'send':
        return [`send #${effect.call} ${printSend(effect)}`];
      case 'wake':
        return [`wake @${Math.round(effect.atMs)}`];
      case 'progress': {
        const text = printProgress(effect.progress);
        if (told.get(name) === text) return ['tell the same'];
        told.set(name, text);
        return [`tell ${text}`];
      }
      case 'findRoom':
        return [`find room at ${effect.migration.target}`];
      case 'finished': {
        const { outcome, why, receipt } = effect.result;
        return [`finished: ${outcome}${why === '' ? '' : `, ${why}`}; receipt ${printAny(receipt)}`];
      }
      default:
        return [`failed: ${effect.code}, ${effect.message}`];
    }
  }

  const commands: Readonly<Record<string, Command>> = {
    /** `settings pageBytes=1 sealRowsWanted=0`: of the coordinators that start from now on. */
    settings(...options) {
      const pairs = options.map((option) => option.split('='));
      settings = Object.fromEntries(pairs.map(([name = '', value]) => [name, Number(value)]));
    },
    /** It planned the migration itself. */
    start() {
      create(true);
      rig().step({ kind: 'start', nowMs: rig().nowMs });
    },
    /** It found the migration, and another one may be at work. */
    found() {
      create(false);
      rig().step({ kind: 'start', nowMs: rig().nowMs });
    },
    /** `until seal`: calls are answered until it has made this one. */
    until(wanted = '') {
      const before = rig().count(wanted);
      rig().settle(() => rig().count(wanted) > before);
      if (rig().count(wanted) === before) throw new Error(`it waits, and has not asked for ${wanted}`);
    },
    /** Calls are answered until it waits for time to pass. */
    go() {
      rig().settle();
    },
    /** `run 300`: time passes (ms). */
    run(forMs) {
      rig().run(Number(forMs));
    },
    /** `silent source`: it does not answer from now on. */
    silent(party = '') {
      silent.add(party);
    },
    speaks(party = '') {
      silent.delete(party);
    },
    /** `unanswered seal closed`: no answer will come to the last such call. */
    unanswered(name = '', ...why) {
      rig().unanswered(rig().lastOf(name), why.join(' '));
    },
    /** `instead beginExport refused no room`: what the next such call is answered, and does not do. */
    instead(name = '', kind, ...words) {
      instead.set(name, insteadOf(kind, words));
    },
    /** `always mayBegin busy cleaning up`: what all such calls are answered from now on. */
    always(name = '', kind, ...words) {
      always.set(name, insteadOf(kind, words));
    },
    /** `late seal`: the last such call comes to its cluster once more. */
    late(name = '') {
      const send = rig().lastOf(name);
      lines.push(`${send.to} answers ${printAnswer(rig().answerOf(send))}`);
    },
    /** `set k new`, at the source */
    set(key = '', value = '') {
      rig().source.set(key, value);
    },
    delete(key = '') {
      rig().source.delete(key);
    },
    /** `wish abort asked for`: what an operator tells the keeper. */
    wish(wished, ...why) {
      const wish = wished as 'run' | 'pause' | 'abort';
      const answer = rig().keeper.command({ kind: 'wish', mid: MID, wish, why: why.join(' ') });
      lines.push(`keeper answers ${printAnswer(answer)}`);
    },
    /** `claim 1`: another coordinator claims it at the keeper, having seen this token. */
    claim(tokenSeen) {
      const answer = rig().keeper.command({ kind: 'claim', mid: MID, tokenSeen: Number(tokenSeen) });
      lines.push(`keeper answers ${printAnswer(answer)}`);
    },
    /** The source has deleted what has moved away. */
    cleaned() {
      while (rig().source.machine.cleanups.length > 0)
        rig().source.expect({ kind: 'cleanupStep', mid: MID, rowsMax: 10 }, 'ok');
    },
    /** The keeper's record, and what the clusters own. */
    show() {
      const { keeper, source, target } = rig();
      const { phase, token, wish } = present(keeper.machine.state.migrations.get(MID), 'record');
      const owned = [source, target].map(({ machine }) =>
        machine.owned().map(({ lo, hi, epoch, sealedBy }) => {
          return `${lo}..${hi ?? ''}@${epoch}${sealedBy === null ? '' : ` sealed by ${sealedBy}`}`;
        }),
      );
      const [atSource, atTarget] = owned.map((list) => (list.length === 0 ? 'nothing' : list.join(' ')));
      const name = stageOf(rig().coordinator);
      lines.push(
        `keeper: ${phase}, token ${token}, wish ${wish}; A owns ${atSource}; B owns ${atTarget}; stage: ${name}`,
      );
    },
  };

  return {
    /** `quietly` before a command: what comes of it is not printed. `c2` before it: of this coordinator, else `c1`. */
    play(line) {
      lines = [];
      const words = line.split(' ');
      isQuiet = words[0] === 'quietly';
      if (isQuiet) words.shift();
      choose(/^c\d$/.test(words[0] ?? '') ? (words.shift() as string) : 'c1');
      const [name = '', ...args] = words;
      present(commands[name], `command ${name}`)(...args);
      return lines;
    },
  };
}

function insteadOf(kind: string | undefined, words: readonly string[]): AdminAnswer {
  switch (kind) {
    case 'refused':
    case 'busy':
      return { kind, why: words.join(' ') };
    case 'closed':
      return { kind, outcome: null };
    case 'mismatch':
      return { kind, mine: { sum: 1n, count: 1, bytes: 1 } };
    case 'gap':
      return { kind, seq: Number(words[0]), cursor: null, asOf: 0 };
    case 'behind':
      return { kind, dirtyRows: Number(words[0]), dirtyBytes: 0 };
    default:
      throw new Error(`nobody answers ${kind}`);
  }
}

function printEvent(name: string, sends: readonly Send[], event: Event): string {
  switch (event.kind) {
    case 'answer': {
      const send = present(
        sends.find(({ call }) => call === event.call),
        'call',
      );
      return `${send.to} answers #${event.call} of ${name}: ${printAnswer(event.answer)}`;
    }
    case 'unanswered':
      return `#${event.call} of ${name} has no answer: ${event.why}`;
    case 'room':
      return `${name} hears of room: ${event.why ?? 'there is some'}`;
    case 'start':
      return `${name} starts`;
    default:
      return `${name} ticks`;
  }
}

function printSend({ to, request }: Send): string {
  const asked = request.kind === 'command' ? request.command : request.query;
  const node = request.kind === 'query' && request.node === 'any' ? ' (any node)' : '';
  const about = { ...asked, ...('progress' in asked ? { progress: printProgress(asked.progress) } : {}) };
  return `to ${to}${node}: ${printKind(about)}`;
}

function printAnswer(answer: AdminAnswer): string {
  if (answer.kind === 'migrations') return `migrations ${answer.migrations.map(printRecord).join(', ')}`;
  if (answer.kind === 'claimed')
    return `claimed token=${answer.token} floor=${answer.floor} ${printRecord(answer.record)}`;
  if (answer.kind === 'rangeStatus') {
    const there = Object.entries(answer).filter(([, value]) => value !== null && value !== false);
    return printKind(Object.fromEntries(there) as { kind: string });
  }
  return printKind(answer);
}

function printRecord(record: Extract<AdminAnswer, { kind: 'claimed' }>['record']): string {
  const { phase, token, heartbeat, wish, why } = record;
  return `(${phase} token=${token} heartbeat=${heartbeat} wish=${wish}${why === '' ? '' : ` why=${why}`})`;
}

/** The kind and each field; the migration itself goes without saying. */
function printKind({ kind, ...fields }: { readonly kind: string }): string {
  const texts = Object.entries(fields)
    .filter(([name]) => name !== 'mid')
    .map(([name, value]) => `${name}=${printAny(value)}`);
  return [kind, ...texts].join(' ');
}

function printAny(value: unknown): string {
  if (value === null || value === '') return '-';
  if (typeof value !== 'object') return keyText(String(value));
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  if (Array.isArray(value))
    return `[${value.map((each) => (isRow(each) ? printRow(each) : printAny(each))).join(' ')}]`;
  // The sum of a digest is that of hashes: its first digits say whether two differ.
  if ('sum' in value && 'count' in value)
    return `${value.count} rows ${String(value.sum).slice(0, SUM_DIGITS) || '0'}…`;
  const texts = Object.entries(value).map(([name, each]) => `${name}=${printAny(each)}`);
  return `(${texts.join(' ')})`;
}

const SUM_DIGITS = 4;

type Row = { readonly key: string; readonly value: Uint8Array | null };

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && 'key' in value && 'value' in value;
}

function printRow({ key, value }: Row): string {
  return value === null ? `${keyText(key)} gone` : `${keyText(key)}:${Buffer.from(value).toString('latin1')}`;
}

/** A key as it is printed: `a+` is the successor of `a`. */
function keyText(key: string): string {
  return key.replaceAll('\0', '+');
}

function printProgress(progress: Progress): string {
  const { stage, waitingFor, keysCopied, rounds, dirtyRows, pauseMs, pauseAtLeast } = progress;
  const waits = waitingFor === '' ? '' : `, waiting for ${waitingFor}`;
  const pause = `${pauseAtLeast ? 'at least ' : ''}${pauseMs} ms`;
  return `"${stage}${waits}; ${keysCopied} keys, ${rounds} rounds, ${dirtyRows} dirty, pause ${pause}"`;
}
