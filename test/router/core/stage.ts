/**
 * A script's router, for its golden traces: each line is one event, or sets up what later ones name. Nodes, requests and calls go
 * by short names: `a1`, `r2`, `#3`.
 */
import { checkRouter } from '../../../router/core/invariants.ts';
import { createRouter, step } from '../../../router/core/step.ts';
import type { Effect, Event, Limits, Router } from '../../../router/core/types.ts';
import { present } from '../../../src/base/assert.ts';
import { RETURN_CODES } from '../../../src/base/errors.ts';
import { type MapEntry, RangeMap } from '../../../src/keyspace/rangemap.ts';
import type { Hint, KnownCluster } from '../../../src/protocol/admin/admin.ts';
import * as replies from '../../../src/protocol/arakoon/replies.ts';
import { failure } from '../../../src/protocol/arakoon/replies.ts';
import {
  type Consistency,
  decodeRequest,
  encodeRequest,
  type Request,
} from '../../../src/protocol/arakoon/requests.ts';
import { runReply } from '../../../src/protocol/arakoon/run.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import type { Stage } from '../../support/traces.ts';
import { Books } from '../books.ts';

type Command = (...words: string[]) => void;
type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'nowMs'> : never) : never;

const START_MS = 1000;
const CONSISTENT: Consistency = { kind: 'consistent' };
const STALE: Consistency = { kind: 'noGuarantees' };
const VERSION = { major: 1, minor: 9, patch: 22, text: 'a router in a test' };

/** A stage for one script; what its lines may say stands at each command. */
export function createStage(): Stage {
  let lines: string[] = [];
  let isQuiet = false;
  let nowMs = START_MS;
  let router: Router = create({});
  let books = new Books(router);
  /** What the keeper says of clusters; another list where anything of it has changed. */
  let clusters: KnownCluster[] = [];
  /** Names of nodes, by the number that the router gave each link. */
  const peers = new Map<number, string>();
  /** What was asked, by the name and number of the request. */
  const asked = new Map<number, Request>();

  function create(limits: Partial<Limits>): Router {
    return createRouter({ name: 'R', clusterId: 'nursery', version: VERSION, nowMs, limits });
  }

  function happens(event: Happening): void {
    const timed = { ...event, nowMs } as Event;
    books.before(timed);
    const effects = step(router, timed);
    checkRouter(router);
    books.after(effects);
    for (const effect of effects) {
      if (effect.kind === 'connect') peers.set(effect.peer, effect.node);
      if (!isQuiet) lines.push(print(effect));
    }
  }

  function print(effect: Effect): string {
    switch (effect.kind) {
      case 'answer':
        return `answer r${effect.request} ${printAnswer(effect.answer.bytes, asked.get(effect.request))}`;
      case 'send': {
        const reader = effect.request === null ? '' : `, read for r${effect.request}`;
        const body = printRequest(decodeRequest(effect.body));
        return `send #${effect.call} to ${peers.get(effect.peer)}: ${body}, within ${effect.deadlineMs} ms${reader}`;
      }
      case 'connect': {
        const { cluster, founding, node, ips, port } = effect;
        const of = founding === '' ? '' : ` of founding ${founding}`;
        return `connect to ${node}, ${ips.join(' ')}:${port}, of cluster ${cluster}${of}`;
      }
      case 'disconnect':
        return `disconnect from ${peers.get(effect.peer)}`;
      default:
        return `wake @${effect.atMs}`;
    }
  }

  /** The link to the node that is there now. */
  function peerOf(name: string): number {
    return present([...peers].findLast(([, node]) => node === name)?.[0], `link to ${name}`);
  }

  const commands: Readonly<Record<string, Command>> = {
    /** `router heldMax=1 queuedBytes=100`: with these limits. */
    router(...options) {
      router = create(
        Object.fromEntries(options.map((option) => [named(option)[0], Number(named(option)[1])])),
      );
      books = new Books(router);
    },
    /** `nodes A a1 a2`, `nodes A a1 founding=f1`: what the keeper's next map says of a cluster. */
    nodes(cluster = '', ...words) {
      const names = words.filter((word) => !word.includes('='));
      const founding = words.find((word) => word.startsWith('founding='));
      const nodes = names.map((name) => ({ name, ips: ['10.0.0.1'], port: 4000 + Number(name.slice(1)) }));
      const known = { cluster, nodes, ...(founding === undefined ? {} : { founding: named(founding)[1] }) };
      clusters = [...clusters.filter((each) => each.cluster !== cluster), known];
    },
    /** `map 1 ..k:A k..:B@2`: what the keeper says; epochs are 1 unless said otherwise. `changed` before what alone is other than before. */
    map(version, ...words) {
      const at = words.indexOf('changed');
      const entries = words.slice(0, at < 0 ? words.length : at).map(entryOf);
      const changed = at < 0 ? null : words.slice(at + 1).map(entryOf);
      happens({ kind: 'map', map: { map: RangeMap.of(Number(version), entries), clusters }, changed });
    },
    up(...names) {
      for (const name of names) happens({ kind: 'up', peer: peerOf(name) });
    },
    down(name = '') {
      happens({ kind: 'down', peer: peerOf(name) });
    },
    /** `ask r1 set a`, `ask r2 set b on 7` (a connection), `ask r3 get a within 500`: the client waits so long (ms). */
    ask(name = '', ...words) {
      const number = Number(name.slice(1));
      const { about, origin, leftMs } = optionsOf(words);
      const request = requestOf(about);
      asked.set(number, request);
      happens({
        kind: 'request',
        request: number,
        origin: Number(origin),
        leftMs: leftMs === '' ? null : Number(leftMs),
        body: encodeRequest(request),
      });
    },
    /** `reply 3 ok`, `… value v`, `… keys a b`, `… values v -`, `… count 5`, `… master a2`, `… NOT_MASTER a2`, `… run OK NOT_MASTER:a2` */
    reply(call, ...words) {
      const { bytes, hint } = answerOf(words);
      happens({ kind: 'reply', call: Number(call), bytes, hint });
    },
    /** `lost 3 closed sent`, `lost 3 overloaded` */
    lost(call, why, sent) {
      const isSent = sent === 'sent';
      happens({
        kind: 'lost',
        call: Number(call),
        why: why as 'closed' | 'timeout' | 'overloaded',
        sent: isSent,
      });
    },
    abandoned(call, ...why) {
      happens({ kind: 'abandoned', call: Number(call), why: why.join(' ') });
    },
    keeper(...why) {
      happens({ kind: 'keeper', why: why.length === 0 ? null : why.join(' ') });
    },
    /** Time passes (ms). */
    wait(forMs) {
      nowMs += Number(forMs);
    },
    timer() {
      happens({ kind: 'timer' });
    },
    /** What the router remembers. */
    show() {
      const { held, heldBytes, queuedBytes, lanes, inFlight, moving, effective, counters } = router;
      const masters = [...router.clusters.values()].map(
        ({ id, master, waiting }) =>
          `${id}: ${master?.name ?? '-'}${waiting.length === 0 ? '' : `, ${waiting.length} wait`}`,
      );
      const moves = moving.map(
        ({ range, mid, owner, held: waiting }) =>
          `${printRange(range.lo, range.hi)} by ${mid}, ${owner === null ? `${waiting.length} wait` : `seen at ${owner}`}`,
      );
      const counted = Object.entries(counters).filter(([, count]) => count > 0);
      lines.push(
        `@${nowMs} routes ${effective.entries.map(printEntry).join(' ')}; ${moves.length === 0 ? 'nothing moves' : `moving ${moves.join('; ')}`}`,
        `  masters ${masters.join('; ')}; in flight ${inFlight.size}; held ${held} of ${heldBytes} bytes; lanes ${lanes.size} with ${queuedBytes} bytes`,
        `  counted ${counted.map(([name, count]) => `${name} ${count}`).join(', ')}`,
      );
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

function named(option: string): [name: string, value: string] {
  const [name = '', value = ''] = option.split('=');
  return [name, value];
}

/** What is asked, on which connection, and how long the client waits; '' where that is not said. */
function optionsOf(words: readonly string[]): {
  readonly about: string[];
  readonly origin: string;
  readonly leftMs: string;
} {
  const after = (title: string): string => words[words.indexOf(title) + 1] ?? '';
  const ends = ['on', 'within'].map((title) => words.indexOf(title)).filter((at) => at >= 0);
  return {
    about: words.slice(0, Math.min(words.length, ...ends)),
    origin: words.includes('on') ? after('on') : '',
    leftMs: words.includes('within') ? after('within') : '',
  };
}

/** `..k:A`, `k..:B@2`, `c..k:A@2#f1` with a founding. */
function entryOf(text: string): MapEntry {
  const [, lo = '', hi = '', owner = '', epoch = '1', founding] =
    /^(\w*)\.\.(\w*):(\w+)(?:@(\d+))?(?:#(\w+))?$/.exec(text) ?? [];
  if (owner === '') throw new Error(`${text} is no entry of a map`);
  const entry = { lo, hi: hi === '' ? null : hi, owner, epoch: Number(epoch) };
  return founding === undefined ? entry : { ...entry, founding };
}

function printEntry({ lo, hi, owner, epoch, founding }: MapEntry): string {
  return `${printRange(lo, hi)}:${owner}@${epoch}${founding === undefined ? '' : `#${founding}`}`;
}

function printRange(lo: string, hi: string | null): string {
  return `${lo}..${hi ?? ''}`;
}

/** `set a`, `set a 100000` (bytes), `get a`, `get a stale`, `nop`, `keys a z`, `keys a z 3` (at most), `reversed z a`, `multiget a z`, `options a z`, `count`, `prefix a` (its deletion), `state` */
function requestOf([kind, ...words]: readonly string[]): Request {
  const [first = '', second] = words;
  const consistency = words.includes('stale') ? STALE : CONSISTENT;
  const keys = words.filter((word) => word !== 'stale');
  const [from = null, to = null] = keys.map((word) => (word === '-' ? null : word));
  const range = {
    consistency,
    first: from,
    firstIncluded: true,
    last: to,
    lastIncluded: false,
    max: Number(keys[2] ?? -1),
  };
  switch (kind) {
    case 'set':
      return { kind, key: first, value: Buffer.alloc(Number(second ?? 1), 'v') };
    case 'get':
      return { kind, consistency, key: first };
    case 'delete':
      return { kind, key: first };
    case 'nop':
      return { kind };
    case 'keys':
      return { kind: 'range', ...range };
    case 'reversed':
      return { kind: 'revRangeEntries', ...range };
    case 'multiget':
      return { kind: 'multiGet', consistency, keys };
    case 'options':
      return { kind: 'multiGetOption', consistency, keys };
    case 'count':
      return { kind: 'getKeyCount' };
    case 'prefix':
      return { kind: 'deletePrefix', prefix: first };
    case 'state':
      return { kind: 'currentState' };
    default:
      throw new Error(`there is no request ${kind}`);
  }
}

function printRequest(request: Request): string {
  const stale = 'consistency' in request && request.consistency.kind === 'noGuarantees' ? ' stale' : '';
  switch (request.kind) {
    case 'set':
      return `set ${request.key}${request.value.length === 1 ? '' : ` of ${request.value.length} bytes`}`;
    case 'get':
    case 'exists':
    case 'delete':
      return `${request.kind} ${request.key === '' ? '""' : request.key}${stale}`;
    case 'range':
    case 'revRangeEntries': {
      const { first, firstIncluded, last, lastIncluded, max } = request;
      const bounds = `${firstIncluded ? '[' : '('}${keyText(first)}, ${keyText(last)}${lastIncluded ? ']' : ')'}`;
      return `${request.kind} ${bounds}${max < 0 ? '' : ` at most ${max}`}${stale}`;
    }
    case 'multiGet':
    case 'multiGetOption':
      return `${request.kind} ${request.keys.join(' ')}${stale}`;
    case 'run':
      return `run of ${request.requests.map((body) => printRequest(decodeRequest(body))).join(', ')}`;
    default:
      return request.kind;
  }
}

/** A key as it is printed: `a+` is the successor of `a`. */
function keyText(key: string | null): string {
  return key === null ? '' : key.replaceAll('\0', '+');
}

/** A reply of a node; a refusal is its code, what it says, and a hint: `OUT_OF_RANGE a hint k..:B@3 confirmed`. */
function answerOf([kind = '', ...words]: readonly string[]): Answer {
  switch (kind) {
    case 'ok':
      return replies.OK;
    case 'yes':
      return replies.okBool(true);
    case 'value':
      return replies.okBytes(Buffer.from(words[0] ?? ''));
    case 'keys':
      return replies.okKeys(words);
    case 'entries':
      return replies.okRevEntries(words.map((word) => [word, Buffer.from('v')]));
    case 'values':
      return replies.okMultiGetOptions(words.map((word) => (word === '-' ? null : Buffer.from(word))));
    case 'count':
      return replies.okInt64(Number(words[0]));
    case 'master':
      return replies.okOptionalText(words[0] === 'None' ? null : (words[0] ?? ''));
    case 'run':
      return runReply(words.map((word) => answerOf(word.split(':'))));
    default: {
      const at = words.indexOf('hint');
      const hint: Hint | null =
        at < 0 ? null : { entry: entryOf(words[at + 1] ?? ''), confirmed: words[at + 2] === 'confirmed' };
      const message = words.slice(0, at < 0 ? words.length : at).join(' ');
      return failure(kind as Exclude<keyof typeof RETURN_CODES, 'OK'>, message, hint);
    }
  }
}

function printAnswer(bytes: Uint8Array, request: Request | undefined): string {
  const code = replies.returnCodeOf(bytes);
  const name = Object.entries(RETURN_CODES).find(([, each]) => each === code)?.[0] ?? String(code);
  if (code !== RETURN_CODES.OK) return `${name} "${Buffer.from(bytes).toString('utf8', 8)}"`;
  switch (request?.kind) {
    case 'get':
    case 'currentState':
      return `OK ${replies.decodeText(bytes)}`;
    case 'range':
      return `OK ${replies.decodeKeys(bytes).join(' ')}`;
    case 'revRangeEntries':
      return `OK ${replies
        .decodeRevEntries(bytes)
        .map(([key]) => key)
        .join(' ')}`;
    case 'multiGet':
      return `OK ${replies.decodeMultiGet(bytes).join(' ')}`;
    case 'multiGetOption':
      return `OK ${replies
        .decodeMultiGetOptions(bytes)
        .map((value) => value ?? '-')
        .join(' ')}`;
    case 'getKeyCount':
      return `OK ${replies.decodeInt64(bytes)}`;
    default:
      return bytes.length === 4 ? 'OK' : `OK and ${bytes.length - 4} bytes`;
  }
}
