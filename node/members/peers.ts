/** Links between the members of one cluster: each node dials every other and sends over the links it dialled. */
import { NurseryError } from '../../src/base/errors.ts';
import type { Hello } from '../../src/link/frames.ts';
import { CLOSE, TOPIC } from '../../src/link/frames.ts';
import type { Link, LinkHandlers, LinkResult } from '../../src/link/link.ts';
import { LinkLog } from '../../src/link/link-log.ts';
import { PersistentLink } from '../../src/link/persistent.ts';
import type { Logger } from '../../src/process/log.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import { bool, decode, encode, struct, text } from '../../src/wire/codec.ts';
import type { Word } from '../identity/contract.ts';
import { type Message, messageCodec } from '../paxos/messages.ts';
import type { Incarnation, NodeName } from '../paxos/values.ts';
import { decodeFinding, encodeFinding, type Finding } from '../scrub/findings.ts';
import { Acquaintances } from './acquaintances.ts';

/** Longest wait for a link's hello (ms). */
const DIAL_TIMEOUT_MS = 2000;

const wordCodec = struct({ founding: text, serves: bool, refused: text });

/** Where a member is to be reached by the others. */
export type PeerAddress = { readonly name: NodeName; readonly host: string; readonly port: number };

export type PeersOptions = {
  readonly peers: readonly PeerAddress[];
  readonly logger: Logger;
  hello(): Hello;
  /** A peer says that this life runs elsewhere, or has forgotten something: this process must not go on. */
  disowned(why: string): void;
  nowMs(): number;
};

/** Who hears what peers say. */
export type Hearers = {
  received(from: NodeName, incarnation: Incarnation, message: Message): void;
  /** What a peer found in its store (scrub/findings.ts). */
  scrubbed(from: NodeName, incarnation: Incarnation, finding: Finding): void;
  /** A peer by name is of another founding of the cluster: it is never heard. */
  foreign(node: NodeName, founding: string, replaces: readonly string[]): void;
  /** What a peer heard of the keeper. */
  spoke(word: Word): void;
};

/** One node's side of its cluster's links. */
export class Peers {
  readonly #links = new Map<NodeName, PersistentLink>();
  readonly #logs: LinkLog[] = [];
  /** Links that peers dialled: the way to one that this node's configuration does not name, or cannot reach. */
  readonly #dialledByPeers = new Map<NodeName, Link>();
  readonly #options: PeersOptions;
  readonly #acquaintances: Acquaintances;
  /** What was sent last: several get the same, one after the other. */
  #latest: { readonly message: Message; readonly body: Buffer } | null = null;

  #hearers: Hearers | null = null;

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#acquaintances = new Acquaintances(options.nowMs);
  }

  /** Dials them. Until then what is sent is lost, and nobody is heard. */
  start(hearers: Hearers): void {
    this.#hearers = hearers;
    const { peers, logger, hello } = this.#options;
    for (const { name, host, port } of peers) {
      const log = new LinkLog({
        logger,
        facts: { peer: name, address: `${host} port ${port}` },
        up: 'link to peer is up',
        down: 'link to peer is down',
      });
      this.#logs.push(log);
      const link = new PersistentLink({
        host,
        port,
        hello,
        handlers: this.handlers,
        timeoutMs: DIAL_TIMEOUT_MS,
        onUp: () => log.up(),
        onDown: (why: string) => log.down(why),
      });
      this.#links.set(name, link);
    }
  }

  /** Of the links that this node dials: Paxos messages come as posts, whoever dialled. */
  readonly handlers: LinkHandlers = {
    request: (_link, _body, respond) =>
      respond(failure('NOT_SUPPORTED', 'peers ask each other on the messaging port')),
    post: (link, topic, body) => this.receive(link, topic, body),
    closed: () => undefined,
    met: (peer) => this.met(peer),
    ...this.#acquainted(),
  };

  /** Of all links between members: no life is talked to twice. */
  #acquainted(): Pick<LinkHandlers, 'refuse' | 'opened' | 'turnedAway'> {
    return {
      refuse: (peer) => this.#refuse(peer),
      opened: (link) => {
        const { node, memory } = link.peer;
        if (memory !== undefined) this.#acquaintances.talks(node, memory, link);
      },
      turnedAway: (close, why) => {
        if (close === CLOSE.notThatLife) this.#options.disowned(why);
      },
    };
  }

  /** A post that came in on a link. A frame that cannot be read closes the link: the peer runs something else. */
  receive(link: Link, topic: number, body: Buffer): void {
    const { node, incarnation } = link.peer;
    if (this.#links.get(node)?.link !== link) this.#dialledByPeers.set(node, link);
    try {
      if (topic === TOPIC.paxos) {
        const message = decode(messageCodec, body);
        this.#acquaintances.heard(node, incarnation, link.peer.memory?.process ?? '', message);
        this.#hearers?.received(node, incarnation, message);
      }
      if (topic === TOPIC.scrub) this.#hearers?.scrubbed(node, incarnation, decodeFinding(body));
      else if (topic === TOPIC.standing) this.#hearers?.spoke(decode(wordCodec, body));
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      this.#options.logger.error({ peer: node, reason: error.message }, 'unreadable message; link closed');
      link.close(error.message);
    }
  }

  /** Sends if there is a link with room; a message that is dropped is one that the network could have lost. */
  send(to: NodeName, message: Message): void {
    const link = this.#links.get(to)?.link ?? this.#dialledByPeers.get(to);
    if (link === undefined) return;
    if (this.#latest?.message !== message) this.#latest = { message, body: encode(messageCodec, message) };
    link.post(TOPIC.paxos, this.#latest.body);
  }

  /** A link that a peer dialled is gone. */
  lost(link: Link): void {
    if (this.#dialledByPeers.get(link.peer.node) === link) this.#dialledByPeers.delete(link.peer.node);
  }

  /** What a peer's build runs functions with; null where there is no link to it. */
  engineOf(node: NodeName): string | null {
    const link = this.#links.get(node)?.link ?? this.#dialledByPeers.get(node);
    return link?.peer.engine ?? null;
  }

  /** Tells what this node found in its store: a peer, or all of them. Lost as easily as a message. */
  tell(finding: Finding, to: NodeName | null): void {
    const body = encodeFinding(finding);
    for (const [name, link] of this.#links) {
      if (to === null || to === name) link.post(TOPIC.scrub, body);
    }
  }

  /** Tells all peers what this node heard of the keeper. */
  speak(word: Word): void {
    const body = encode(wordCodec, word);
    for (const link of this.#links.values()) link.post(TOPIC.standing, body);
  }

  /** What all links between members do, beside what is particular to those that were dialled here. */
  get common(): Pick<LinkHandlers, 'refuse' | 'opened' | 'turnedAway'> {
    return this.#acquainted();
  }

  #refuse({ node, incarnation, memory }: Hello): { readonly close: number; readonly why: string } | null {
    const doubt = memory === undefined ? null : this.#acquaintances.meet(node, incarnation, memory);
    if (doubt === null) return null;
    if (doubt.forEver) this.#options.logger.error({ peer: node, incarnation }, doubt.why);
    return { close: doubt.forEver ? CLOSE.notThatLife : CLOSE.refused, why: doubt.why };
  }

  /** A member of the cluster, by its name, has said who it is. */
  met(peer: Hello): void {
    const mine = this.#options.hello();
    if (peer.role !== 'node' || peer.node === mine.node || peer.cluster !== mine.cluster) return;
    const isOther =
      mine.founding !== undefined && peer.founding !== undefined && peer.founding !== mine.founding;
    if (isOther) this.#hearers?.foreign(peer.node, peer.founding as string, peer.replaces ?? []);
  }

  /** This node says something else of itself from now on: all links are opened anew. */
  again(why: string): void {
    for (const link of this.#links.values()) link.again(why);
  }

  /** A request to a peer's node (not to its state machine): snapshots. */
  request(to: NodeName, body: Uint8Array, deadlineMs: number): Promise<LinkResult> {
    const link = this.#links.get(to);
    return new Promise((resolve) => {
      if (link === undefined) resolve({ kind: 'failed', why: 'closed', sent: false });
      else link.request(body, deadlineMs, resolve);
    });
  }

  close(): void {
    for (const log of this.#logs) log.close();
    for (const link of this.#links.values()) link.close();
  }
}
