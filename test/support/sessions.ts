/**
 * Recorded sessions: what goes over ports, message by message, as texts in test/golden/sessions. As in golden traces, lines
 * without an indent are the script, and below each, indented, stands what came of it; `TRACES=write` writes that anew.
 *
 *     NAME = tcp PORT BYTES             a connection of Arakoon's protocol, and what is sent first on it
 *     NAME = link PORT ROLE BYTES       a link, and the message with which it begins (body of a hello)
 *     NAME = http PORT BYTES            one request; all that comes until the connection is closed
 *     NAME WHAT: BYTES                  a request, and its reply
 *     NAME tell WHAT [hear WHAT]: BYTES a message between members, and the first one of a kind that comes then
 *     NAME hear map|KIND                what is pushed to who watches the map; what a member says by itself
 *     NAME ping                         what keeps a link alive
 *     NAME closes                       the other end closes it, after having sent what is shown
 *     NAME leaves                       this end closes it
 */
import { readFileSync } from 'node:fs';
import { decodeAnswer, encodeAnswer } from '../../src/protocol/admin/admin.ts';
import { decodeStatistics } from '../../src/protocol/arakoon/replies.ts';
import { scanReply } from '../../src/protocol/arakoon/reply-shapes.ts';
import type { Field } from '../../src/protocol/arakoon/statistics.ts';
import { type Masked, printBytes, readBytes } from './bytes-as-text.ts';
import { LINK_TYPE, type LinkMessage, RawConnection, RawLink } from './raw-connections.ts';
import { settle } from './traces.ts';

/** What stands for the types of answers on a link. */
const ANSWERS: { readonly [type: number]: string } = { 3: 'response', 4: 'hinted', 11: 'withheld' };
/** Topics of posts. */
const PAXOS = 1;
const MAP = 2;
/** Numbers of the messages between members: their first byte. */
const MEMBER_MESSAGES: { readonly [kind: string]: number } = {
  ask: 1,
  report: 2,
  joined: 3,
  canvass: 10,
  favour: 11,
  prepare: 12,
  promise: 13,
  nack: 14,
  accept: 20,
  accepted: 21,
  heartbeat: 30,
  granted: 31,
  release: 32,
  adopted: 33,
  over: 34,
  fetch: 40,
  entries: 41,
};
/** What a member may not heed yet, since it has forgotten what it granted, or does not want to be master now, is told again. */
const TOLD_AGAIN = ['prepare', 'favour'];
const AGAIN_MS = 1500;
const AGAIN_MAX = 10;
/** Lines that are shown where a script cannot go on. */
const BEFORE_FAILURE = 10;
/** Bytes before the message of a failure. */
const FAILURE_BYTES = 8;

// ── What differs from run to run ─────────────────────────────────────────────────────────────────────────────

/** What of a message of this name is not compared. */
function maskedIn(name: string, bytes: Buffer): Masked {
  // A number drawn by chance.
  if (name === 'report') return [[bytes.length - 8, 8]];
  // What is chosen, which one may learn while another heartbeat is on its way, and a time.
  if (name === 'heartbeat') return [[bytes.length - 16, 16]];
  // The number of a process is drawn when it starts; what it remembered stands behind it.
  if (name === 'hello') return found(bytes, /(?<= )[0-9a-f]{16}(?= \d+ \d+)/);
  // Which segments of its log a node has dropped, and which keys are counted, is a matter of when its store was flushed.
  if (name === 'nodeStatus') return asOfFlushIn(bytes);
  if (name === 'http') return found(bytes, /(?<=\r\nDate: )[^\r]*/);
  return [];
}

function asOfFlushIn(bytes: Buffer): Masked {
  const answer = decodeAnswer(bytes);
  if (answer.kind !== 'nodeStatus') return [];
  const { firstLogSlot, keys } = answer;
  const others = [
    { ...answer, firstLogSlot: firstLogSlot ^ 1 },
    { ...answer, keys: keys ^ 1 },
  ];
  // Numbers of eight bytes, the lowest first: another one begins to differ where they stand.
  return others.map((other) => [encodeAnswer(other).findIndex((byte, at) => byte !== bytes[at]), 8]);
}

function found(bytes: Buffer, pattern: RegExp): Masked {
  const match = pattern.exec(bytes.toString('latin1'));
  return match === null ? [] : [[match.index, match[0].length]];
}

/** Of statistics only what there is; the figures are of one run. */
function namesOf(fields: readonly Field[]): string {
  return fields
    .map((field) =>
      field.kind === 'list' ? `${field.name} (${namesOf(field.value)})` : `${field.name} ${field.kind}`,
    )
    .join(', ');
}

/** Questions whose answers may say behind everything how long requests waited lately: a matter of this run, of eight bytes. */
const SAYING_WAITED = ['beginImport', 'page', 'readPage', 'readDirty', 'slowDown'];
/** Of answers that do; what members say of pages of their store is none. */
const WAITED_TAGS = [1, 7, 17];

function withoutWaits(name: string, bytes: Buffer): Buffer {
  const [question = ''] = name.split(' ');
  if (!SAYING_WAITED.includes(question)) return bytes;
  if (bytes.readUInt32LE(0) !== 0 || !WAITED_TAGS.includes(bytes[4] ?? 0)) return bytes;
  const answer = decodeAnswer(bytes);
  return 'waitedMs' in answer ? bytes.subarray(0, -8) : bytes;
}

function shown(name: string, bytes: Buffer): string {
  if (name === 'statistics') return namesOf(decodeStatistics(bytes));
  return printBytes(withoutWaits(name, bytes), maskedIn(name, bytes));
}

// ── Playing ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Plays a session of the folder at these ports, and compares, or writes, what comes of it. */
export async function playSession(name: string, ports: { readonly [name: string]: number }): Promise<void> {
  const path = `test/golden/sessions/${name}.txt`;
  const golden = readFileSync(path, 'utf8');
  const player = new Player(ports);
  const lines: string[] = [];
  try {
    for (const line of golden.split('\n').filter((each) => !each.startsWith(' '))) {
      lines.push(line);
      if (line === '' || line.startsWith('#')) continue;
      try {
        lines.push(...(await player.play(line)).map((each) => `  ${each}`.trimEnd()));
      } catch (error) {
        const before = lines.slice(-BEFORE_FAILURE).join('\n');
        const failure = new Error(`${path}: ${String(error)}, at the end of:\n${before}`);
        failure.stack = ''; // would show the same text once more
        throw failure;
      }
    }
  } finally {
    player.close();
  }
  settle(path, golden, lines.join('\n'));
}

class Player {
  readonly #ports: { readonly [name: string]: number };
  readonly #connections = new Map<string, RawConnection>();

  constructor(ports: { readonly [name: string]: number }) {
    this.#ports = ports;
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
  }

  /** Carries out one line of the script; what came of it. */
  async play(line: string): Promise<string[]> {
    const [, opened, way, port, bytes] = /^(\w+) = (tcp|http|link) (\S+) (.*)$/.exec(line) ?? [];
    if (opened !== undefined && port !== undefined && bytes !== undefined) {
      const number = this.#ports[port];
      if (number === undefined) throw new Error(`there is no port ${port}`);
      return way === 'link' ? this.#link(opened, number, bytes) : this.#tcp(opened, number, way, bytes);
    }
    const [, name = '', what = '', , body] = /^(\w+) ([^:]+)(: (.*))?$/.exec(line) ?? [];
    const connection = this.#connections.get(name);
    if (connection === undefined) throw new Error(`there is no connection ${name}`);
    if (what === 'leaves') {
      connection.close();
      return [];
    }
    if (connection instanceof RawLink) return onLink(connection, what, readBytes(body ?? ''));
    if (what === 'closes') return [`closed ${printBytes(await connection.rest())}`.trimEnd()];
    return [await answerOf(connection, what, readBytes(body ?? ''))];
  }

  async #tcp(name: string, port: number, way: string | undefined, text: string): Promise<string[]> {
    const connection = await RawConnection.open(port);
    this.#connections.set(name, connection);
    connection.send(readBytes(text));
    if (way !== 'http') return [];
    return [shown('http', await connection.rest())];
  }

  async #link(name: string, port: number, text: string): Promise<string[]> {
    const [, role = '', bytes = ''] = /^(\w+) (.*)$/.exec(text) ?? [];
    const { link, answer } = await RawLink.dial(port, role);
    this.#connections.set(name, link);
    const lines = [`http ${shown('http', answer ?? Buffer.alloc(0))}`];
    link.message(LINK_TYPE.hello, 0, readBytes(bytes));
    const hello = await link.hear('a hello', ({ type }) => type === LINK_TYPE.hello);
    if (hello !== null) lines.push(`hello ${shown('hello', hello.body)}`);
    return hello === null ? [...lines, farewellOf(link)] : lines;
  }
}

async function onLink(link: RawLink, what: string, body: Buffer): Promise<string[]> {
  const [, told, , heard] = /^tell (\w+)( hear (\w+))?$/.exec(what) ?? [];
  if (told !== undefined) return await tell(link, told, heard ?? null, body);
  const [, pushed] = /^hear (\w+)$/.exec(what) ?? [];
  if (pushed !== undefined) {
    return [printMessage(pushed, await link.hear(what, pushed === 'map' ? isPost(MAP) : isKind(pushed)))];
  }
  if (what === 'ping') {
    link.message(LINK_TYPE.ping, 0, Buffer.alloc(0));
    return [printMessage('pong', await link.hear(what, ({ type }) => type === LINK_TYPE.pong))];
  }
  if (what === 'closes') {
    await link.hear('the end', () => false);
    return [farewellOf(link)];
  }
  const answer = await link.ask(body);
  return answer === null ? [farewellOf(link)] : [printMessage(ANSWERS[answer.type] ?? '?', answer, what)];
}

/** A post to a member. What it says of its own accord in between, such as that it would like to be master, is left out. */
async function tell(link: RawLink, told: string, heard: string | null, body: Buffer): Promise<string[]> {
  if (body[0] !== MEMBER_MESSAGES[told]) throw new Error(`the bytes are no ${told}`);
  if (heard === null) {
    link.message(LINK_TYPE.post, PAXOS, body);
    return [];
  }
  link.forget();
  if (!TOLD_AGAIN.includes(told)) {
    link.message(LINK_TYPE.post, PAXOS, body);
    const message = await link.hear(heard, isKind(heard));
    return [message === null ? farewellOf(link) : printMessage(heard, message)];
  }
  for (let times = 0; times < AGAIN_MAX; times += 1) {
    link.message(LINK_TYPE.post, PAXOS, body);
    const message = await link.hear(heard, isKind(heard), AGAIN_MS);
    if (message !== null) return [printMessage(heard, message)];
    if (link.farewell !== null) return [farewellOf(link)];
  }
  throw new Error(`no ${heard} came`);
}

/** A post of a member, of this kind. */
function isKind(kind: string): (message: LinkMessage) => boolean {
  return (message) => isPost(PAXOS)(message) && message.body[0] === MEMBER_MESSAGES[kind];
}

function isPost(topic: number): (message: LinkMessage) => boolean {
  return ({ type, id }) => type === LINK_TYPE.post && id === topic;
}

function printMessage(as: string, message: LinkMessage | null, name = as): string {
  if (message === null) throw new Error(`no ${name} came`);
  return `${as} ${shown(name, message.body)}`.trimEnd();
}

function farewellOf({ farewell }: RawLink): string {
  return farewell === null ? 'closed' : `closed ${farewell.code} ${JSON.stringify(farewell.reason)}`;
}

/** Sends a request over Arakoon's TCP and takes its reply, or all that comes until the connection is closed. */
async function answerOf(connection: RawConnection, name: string, request: Buffer): Promise<string> {
  connection.send(request);
  const reply = await connection.take(`a reply to ${name}`, (received) => replyEnd(request, received));
  return reply === null ? 'closed' : shown(name, reply);
}

/** Where the reply to a request ends; -1 where it is not whole, or only the end of the connection tells. */
function replyEnd(request: Buffer, received: Buffer): number {
  if (received.length < FAILURE_BYTES) {
    // Those of success without a result are the shortest.
    if (received.length < 4 || received.readUInt32LE(0) !== 0) return -1;
  } else if (received.readUInt32LE(0) !== 0) {
    const end = FAILURE_BYTES + received.readUInt32LE(4);
    return received.length < end ? -1 : end;
  }
  const scanned = scanReply(request.readUInt16LE(0), received, 0, received.length);
  return scanned.kind === 'complete' ? scanned.end : -1;
}
