/**
 * What travels on a link. A WebSocket message (binary) holds one or more link messages:
 *
 *     message  := type:u8 id:u32 length:u32 byte{length}          little-endian
 *     hello    := 1, id 0, helloCodec                              first in either direction
 *     request  := 2, id, left:u32, one request as on TCP           `left`: how long its sender waits (ms)
 *     response := 3, id of the request, a whole reply as on TCP
 *     hinted   := 4, id of the request, length:u32 hintCodec, a whole reply
 *     ping     := 5, id 0, nothing            pong := 6, id 0, nothing
 *     post     := 7, id is the topic, bytes                        expects no answer
 *     cancel   := 9, id of the request, nothing                    nobody waits for its answer any more
 *     short    := 10, id, one request as on TCP                    answered by `withheld` where the reply would be long
 *     withheld := 11, id of the request, nothing
 *     part     := 8, id 0, type:u8 id:u32 total:u32 byte{…}        next piece of one message too long to go whole
 *
 * At most one message per direction is under way in parts, so a receiver holds one at a time; an answer that was cancelled
 * may end before its last part. Between its parts other messages go, above all pings. Requests never overtake one another; everything else may.
 */
import { NurseryError } from '../base/errors.ts';
import { FRAME_MAX } from '../base/limits.ts';
import { type Hint, hintCodec } from '../protocol/admin/admin.ts';
import { type Codec, type Coded, encode, malformed, Reader, struct, text, u32 } from '../wire/codec.ts';

/**
 * Version of everything that goes over links; both ends must have the same. 2: requests say how much time is
 * left. 3: hellos name foundings, commands of a move are meant for foundings, maps say whose they are. 4: a migration
 * is cancelled at its source alone, and its record says whether the target knows. 5: an order may settle a migration
 * without one of its ends. 6: functions of users; hellos of members say with which engine they run them. 7: merges. 8: free
 * space. 9: rebalancing by itself; answers to pages of a move say how long requests waited, its progress whether the copy gives
 * way; facts of nodes say how many rows are not merged.
 */
export const LINK_PROTOCOL = 9;
/** Where a link is asked for in HTTP. */
export const LINK_PATH = '/link';
/** What HTTP says to whom there is no seat for, or no time left. */
export const STATUS_FULL = 503;
/** A message up to this many bytes goes whole; a longer one goes in parts of this size. */
export const PART_BYTES = 256 * 1024;
/** Longest WebSocket message that is read (bytes): gathered messages and one part, with room to spare. */
export const PAYLOAD_MAX = 4 * PART_BYTES;
/** Longest message (bytes): the largest reply and its hint. Requests are far shorter. */
export const MESSAGE_MAX = 2 * FRAME_MAX;
/** Bytes before the body of a message. */
export const HEADER_BYTES = 9;
/** Bytes before the request in the body of one: the time that is left. */
export const LEFT_BYTES = 4;
/** Longest time that can be left (ms). */
const LEFT_MAX_MS = 0xffff_ffff;

export const TYPE = {
  hello: 1,
  request: 2,
  response: 3,
  hinted: 4,
  ping: 5,
  pong: 6,
  post: 7,
  part: 8,
  cancel: 9,
  short: 10,
  withheld: 11,
} as const;

/** What posts are about; their ids. */
export const TOPIC = { paxos: 1, map: 2, scrub: 3, standing: 4, moves: 5, auto: 6 } as const;

/**
 * Layout of a hello, of all versions, so that each can refuse another in words. What version 3 adds stands behind the
 * incarnation, parted by blanks: founding, keeper, what a member's process remembers, foundings that were
 * replaced, engine.
 */
const layoutCodec = struct({ protocol: u32, role: text, cluster: text, node: text, incarnation: text });

/** Who speaks. An operator looks at the nursery, and is let in where clients are turned away. */
export type Role = 'node' | 'router' | 'migrator' | 'operator' | 'client';

/** Says the role in the request for a link, ahead of any hello: who has no seat need not be greeted. */
export const ROLE_HEADER = 'nursery-role';
/** Names the link there, so that both ends can speak of its requests. */
export const NAME_HEADER = 'nursery-link';

/**
 * How an end introduces itself. `cluster` is the cluster id that it is of (a node) or wants (the others); ''
 * fits any. `incarnation` is '' where there is none. `founding` is that of the cluster (a node), or the one that is wanted;
 * missing: there is none yet, or any will do. `keeper`: founding of the keeper that a node's cluster is bound to.
 */
export type Hello = Omit<Coded<typeof layoutCodec>, 'role'> & {
  readonly role: Role;
  readonly founding?: string;
  readonly keeper?: string;
  readonly memory?: Memory;
  /** What a member's build runs functions of users with. */
  readonly engine?: string;
  /** Foundings of the cluster that this one took the place of by a rescue: whoever is of one of them must not go on. */
  readonly replaces?: readonly string[];
};

/**
 * A member's process: its number, drawn at its start, and what its disk remembered then: the highest ballot that it had
 * promised, and the highest slot.
 */
export type Memory = {
  readonly process: string;
  readonly round: number;
  readonly proposer: string;
  readonly slot: number;
};

/** Foundings that a hello names as replaced: the last ones. */
const REPLACED_MAX = 20;

/** Both directions of a hello. */
export const helloCodec: Codec<Hello> = {
  write: (writer, { founding = '', keeper = '', memory, replaces = [], engine = '', ...hello }) => {
    const words = [hello.incarnation, founding, keeper];
    if (memory === undefined) words.push('', '', '', '');
    else {
      const { process, round, slot, proposer } = memory;
      words.push(process, String(round), String(slot), encodeURIComponent(proposer));
    }
    words.push(replaces.slice(-REPLACED_MAX).join(), engine);
    layoutCodec.write(writer, { ...hello, incarnation: words.join(' ').trimEnd() });
  },
  read: (reader) => {
    const hello = layoutCodec.read(reader);
    const [incarnation = '', founding = '', keeper = '', ...rest] = hello.incarnation.split(' ');
    const replaces = (rest[4] ?? '').split(',').filter((each) => each !== '');
    return {
      ...hello,
      role: hello.role as Role,
      incarnation,
      ...(founding === '' ? {} : { founding }),
      ...(keeper === '' ? {} : { keeper }),
      ...memoryIn(rest),
      ...(replaces.length === 0 ? {} : { replaces }),
      ...(rest[5] === undefined || rest[5] === '' ? {} : { engine: rest[5] }),
    };
  },
};

/** A field of a hello, which is missing where it would be empty. */
export function named<K extends 'founding' | 'keeper'>(name: K, value = ''): { [key in K]?: string } {
  return value === '' ? {} : ({ [name]: value } as { [key in K]: string });
}

function memoryIn([process, round, slot, proposer = '']: readonly string[]): { readonly memory?: Memory } {
  if (process === undefined || process === '' || round === undefined || slot === undefined) return {};
  const numbers = [Number(round), Number(slot)];
  if (!numbers.every(Number.isSafeInteger)) throw malformed(`a hello with ballot ${round}, slot ${slot}`);
  try {
    const name = decodeURIComponent(proposer);
    return { memory: { process, round: numbers[0] as number, slot: numbers[1] as number, proposer: name } };
  } catch {
    throw malformed('a hello with a proposer that is no text');
  }
}

/** Codes with which a WebSocket is closed, and what they mean to the other end. */
export const CLOSE = {
  normal: 1000,
  goingDown: 4000,
  wrongCluster: 4001,
  wrongProtocol: 4002,
  refused: 4003,
  broken: 4004,
  dead: 4005,
  /** Going down; every request that was read has been answered before this. */
  answered: 4006,
  otherFounding: 4007,
  /** The life that the caller names runs elsewhere too, or has forgotten what it once said. */
  notThatLife: 4008,
} as const;

/** `why`, cut to what the close of a WebSocket can carry. */
export function closeReason(why: string): string {
  return Buffer.from(why, 'utf8').subarray(0, 120).toString('utf8');
}

/** Why `mine` cannot talk to `theirs`, or null. Both ends check. */
export function refusal(mine: Hello, theirs: Hello): { readonly close: number; readonly why: string } | null {
  if (mine.protocol !== theirs.protocol) {
    const newer =
      theirs.protocol < mine.protocol ? 'here is the newer version' : 'there is the newer version';
    const why = `link protocol ${theirs.protocol}, here ${mine.protocol}: ${newer}; restart the older one with it`;
    return { close: CLOSE.wrongProtocol, why };
  }
  if (mine.cluster !== '' && theirs.cluster !== '' && mine.cluster !== theirs.cluster) {
    return { close: CLOSE.wrongCluster, why: `cluster id ${theirs.cluster}, here ${mine.cluster}` };
  }
  if (mine.founding !== undefined && theirs.founding !== undefined && mine.founding !== theirs.founding) {
    return { close: CLOSE.otherFounding, why: `founding ${theirs.founding}, here ${mine.founding}` };
  }
  return null;
}

/** The error for a link that the other end closed before, or instead of, its hello. */
export function refusalError(close: number, why: string): NurseryError {
  if (close === CLOSE.wrongCluster || close === CLOSE.otherFounding)
    return new NurseryError('WRONG_CLUSTER', why);
  if (close === CLOSE.wrongProtocol) return new NurseryError('NOT_SUPPORTED', why);
  if (close === CLOSE.refused) return new NurseryError('REFUSED', why);
  if (close === CLOSE.goingDown || close === CLOSE.answered) return new NurseryError('GOING_DOWN', why);
  return new NurseryError('UNREACHABLE', why);
}

/** The bytes before a request of which the sender waits for `leftMs` (ms) for the answer. */
export function encodeLeft(leftMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(LEFT_BYTES);
  bytes.writeUInt32LE(Math.max(0, Math.min(LEFT_MAX_MS, Math.floor(leftMs))), 0);
  return bytes;
}

/** The bytes of a hint before the reply that it goes with: u32 length, hint. */
export function encodeHint(hint: Hint): Buffer {
  const bytes = encode(hintCodec, hint);
  const framed = Buffer.allocUnsafe(4 + bytes.length);
  framed.writeUInt32LE(bytes.length, 0);
  bytes.copy(framed, 4);
  return framed;
}

/** Hint and reply of a hinted response. The reply is a view. */
export function decodeHinted(body: Buffer): { readonly hint: Hint; readonly bytes: Buffer } {
  const reader = new Reader(body);
  const framed = new Reader(reader.bytes());
  const hint = hintCodec.read(framed);
  framed.finish();
  return { hint, bytes: reader.raw(reader.left) };
}

const SLAB_MIN_BYTES = 4 * 1024;
const SLAB_MAX_BYTES = 128 * 1024;
const EMPTY = Buffer.alloc(0);

/**
 * Gathers messages into the slab that one WebSocket message is cut from. Bodies are copied in, so callers may
 * reuse theirs at once; what `take` returns is never written again. A slab is replaced by one twice its size
 * when it is full, up to 128 KiB, and given back when the link is idle.
 */
export class Gather {
  #slab: Buffer = EMPTY;
  #start = 0;
  #length = 0;
  #slabBytes = SLAB_MIN_BYTES;

  /** Bytes waiting to be taken. */
  get length(): number {
    return this.#length;
  }

  /** Whether a message with a body of `bodyBytes` fits what is gathered now, without a new slab. */
  fits(bodyBytes: number): boolean {
    return this.#start + this.#length + HEADER_BYTES + bodyBytes <= this.#slab.length;
  }

  /** Appends a message of one or two pieces. Where it does not fit, nothing may be waiting. */
  put(type: number, id: number, first: Uint8Array, second: Uint8Array | null): void {
    const bodyBytes = first.length + (second === null ? 0 : second.length);
    if (!this.fits(bodyBytes)) this.#renew(HEADER_BYTES + bodyBytes);
    const slab = this.#slab;
    let at = this.#start + this.#length;
    slab[at] = type;
    slab.writeUInt32LE(id, at + 1);
    slab.writeUInt32LE(bodyBytes, at + 5);
    at += HEADER_BYTES;
    slab.set(first, at);
    if (second !== null) slab.set(second, at + first.length);
    this.#length += HEADER_BYTES + bodyBytes;
  }

  /** What was gathered, as one piece. */
  take(): Buffer {
    const piece = this.#slab.subarray(this.#start, this.#start + this.#length);
    this.#start += this.#length;
    this.#length = 0;
    return piece;
  }

  /** Gives the slab back, unless it is small or something is waiting. */
  rest(): void {
    if (this.#length > 0 || this.#slab.length <= SLAB_MIN_BYTES) return;
    this.#slab = EMPTY;
    this.#start = 0;
    this.#slabBytes = SLAB_MIN_BYTES;
  }

  #renew(bytes: number): void {
    this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, bytes));
    this.#slabBytes = Math.min(this.#slabBytes * 2, SLAB_MAX_BYTES);
    this.#start = 0;
  }
}

/** Puts the parts of one long message together again. */
export class Assembly {
  #type = 0;
  #id = 0;
  #buffer: Buffer = EMPTY;
  #total = 0;
  #received = 0;
  #isDiscarded = false;

  /** Whether `part` begins a message, rather than going on with the one under way. */
  isFirst(part: Buffer): boolean {
    if (this.#total === 0) return true;
    return this.#isDiscarded && (part.length < HEADER_BYTES || part.readUInt32LE(1) !== this.#id);
  }

  get type(): number {
    return this.#type;
  }

  get id(): number {
    return this.#id;
  }

  /** Whether the message under way is the answer to this request. */
  isAnswer(id: number): boolean {
    return this.#total > 0 && this.#id === id && (this.#type === TYPE.response || this.#type === TYPE.hinted);
  }

  /** Throws away what came, and what comes yet, of the message under way, if any of it does; another may follow at once. */
  discard(): void {
    this.#isDiscarded = true;
    this.#buffer = EMPTY;
  }

  /**
   * Takes the next part. Returns the whole body with the last one, null before, and where it was discarded. Memory grows with what has
   * come, not with what was announced.
   *
   * @throws NurseryError MALFORMED for a part that does not belong to the message under way, or one too long
   */
  add(part: Buffer): Buffer | null {
    const reader = new Reader(part);
    const type = reader.u8();
    const id = reader.u32();
    const total = reader.u32();
    const piece = reader.raw(reader.left);
    if (this.#isDiscarded && (type !== this.#type || id !== this.#id || total !== this.#total)) this.#end();
    if (this.#total === 0) {
      if (total === 0 || total > MESSAGE_MAX)
        throw malformed(`message of ${total} bytes, at most ${MESSAGE_MAX} are taken`);
      this.#type = type;
      this.#id = id;
      this.#total = total;
    } else if (type !== this.#type || id !== this.#id || total !== this.#total) {
      throw malformed('a part of another message than the one under way');
    }
    const received = this.#received + piece.length;
    if (received > total || piece.length === 0) throw malformed('parts do not add up to the message');
    if (!this.#isDiscarded && received > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(total, Math.max(received, 2 * this.#buffer.length, 4 * PART_BYTES)),
      );
      this.#buffer.copy(larger, 0, 0, this.#received);
      this.#buffer = larger;
    }
    if (!this.#isDiscarded) piece.copy(this.#buffer, this.#received);
    this.#received = received;
    if (received < total) return null;
    const whole = this.#isDiscarded ? null : this.#buffer.subarray(0, total);
    this.#end();
    return whole;
  }

  #end(): void {
    this.#buffer = EMPTY;
    this.#total = 0;
    this.#received = 0;
    this.#isDiscarded = false;
  }
}
