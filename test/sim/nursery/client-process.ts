/** A client that asks, waits and thinks, through a router or straight at nodes; it never sends anything twice. */
import { RETURN_CODES } from '../../../src/base/errors.ts';
import type { LinkResult } from '../../../src/link/link.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { check } from '../base/violation.ts';
import type { Call } from './history.ts';
import { Host } from './host.ts';
import { KEYSPACE } from './keys.ts';
import type { Link } from './network.ts';
import type { Nursery } from './nursery.ts';
import { drawOperation, type Operation, set, stamped } from './operation.ts';

/** How long a client waits before it gives up (ms); a router answers earlier, whatever happens. */
const PATIENCE_MS = 12_000;

/** How many more operations a client sends at once with one. */
const BURSTS: readonly number[] = [1, 1, 2, 3, 3, 8, 16];
/** Bytes of what is sent at once where values are large: more than one batch, and several runs. */
const BULK_BYTES = 1.2 * 1024 * 1024;

export class ClientProcess extends Host {
  readonly #nursery: Nursery;
  readonly #isDirect: boolean;
  /** To every router; of a direct client to every data node. */
  readonly links: readonly Link[];
  /** Of a direct client: where it believes a key to be served. */
  #node = 0;
  #isStopped = false;
  /** Bursts of large values that it may still send: they cost time. */
  #bulkyLeft: number;

  constructor(nursery: Nursery, name: string, isDirect: boolean) {
    super(nursery.schedule, name, 0);
    this.#nursery = nursery;
    this.#isDirect = isDirect;
    this.#bulkyLeft = nursery.plan.bulky;
    const servers = isDirect ? nursery.dataNodes : nursery.routerNames;
    this.links = servers.map((server) => nursery.linkTo(this, server));
    for (let lane = 0; lane < nursery.plan.pipeline; lane += 1) this.#think();
  }

  /** Calls nothing more. */
  stop(): void {
    this.#isStopped = true;
  }

  get isConnected(): boolean {
    return this.links.every(({ isUp, address }) => isUp || !this.#nursery.isServing(address));
  }

  /** Sends `operation` now. */
  call(operation: Operation, done: (call: Call) => void, link = this.#pickLink()): void {
    const { history, random } = this.#nursery;
    const call = history.called(this.name, operation, this.schedule.nowMs, {
      stream: this.#streamOf(link),
      cluster: this.#isDirect ? this.#nursery.machine(link.address).cluster : null,
    });
    this.#nursery.trace?.(this.name, () => `calls ${operation.name} at ${link.address}`);
    let isEnded = false;
    const ended = (result: LinkResult): void => {
      if (isEnded) return;
      isEnded = true;
      const bytes = result.kind === 'reply' ? result.bytes : null;
      const isSent = result.kind === 'reply' || result.sent;
      const isLate = result.kind === 'failed' && result.why === 'timeout';
      if (isLate) this.#nursery.rare.note('client lost its patience');
      check(
        !isLate || this.#nursery.isFaulty || call.calledMs < this.#nursery.quietSinceMs,
        'deadline',
        () =>
          `${operation.name} at ${link.address} had no answer within ${PATIENCE_MS} ms, without any fault`,
      );
      history.answered(call, bytes, isSent, this.schedule.nowMs);
      this.#nursery.noteAnswer(this.name, call);
      if (bytes !== null && this.#isDirect && returnCodeOf(bytes) !== RETURN_CODES.OK) this.#node = -1;
      done(call);
    };
    if (this.#isDirect && random.chance(0.1)) this.#node = -1;
    link.request(operation.body, PATIENCE_MS, ended);
  }

  /** The connection, where updates on it take effect in the order in which they were sent. */
  #streamOf(link: Link): string | null {
    return this.#isDirect || isOrdered(link) ? link.connection : null;
  }

  #pickLink(): Link {
    const { random } = this.#nursery;
    if (!this.#isDirect || this.#node < 0) this.#node = random.below(this.links.length);
    return this.links[this.#node] as Link;
  }

  #think(): void {
    const { plan, random } = this.#nursery;
    // A refusal that came at once is not answered by a storm.
    this.local(plan.thinkMs * (0.2 + random.next() * 1.6), () => {
      if (this.#isStopped) return;
      const stamped = random.chance(this.#isDirect ? 0.25 : 0.02) ? this.#drawStamped() : null;
      const link = stamped?.link ?? this.#pickLink();
      this.call(stamped?.operation ?? this.#draw(), () => this.#think(), link);
      if (!random.chance(plan.burst)) return;
      if (this.#bulkyLeft > 0 && random.chance(0.5)) this.#burstOfBulk(this.#linkToMaster() ?? link);
      else
        for (let left = random.pick(BURSTS); left > 0; left -= 1)
          this.call(this.#draw(), () => undefined, link);
    });
  }

  get #nextId(): number {
    return this.#nursery.history.calls.length + 1;
  }

  #draw(): Operation {
    const { random } = this.#nursery;
    const { operator } = this.#nursery;
    const recent = (key: string): string | null => this.#nursery.recent(key);
    return drawOperation(random, this.#nextId, KEYSPACE, recent, operator.functionsPut);
  }

  /** A read of what a cluster's master would give as its stamp now, at any node of it; through a router as well. */
  #drawStamped(): { readonly operation: Operation; readonly link: Link } | null {
    const { random } = this.#nursery;
    const stamp = this.#nursery.stamp();
    if (stamp === null) return null;
    const { cluster, slot, key } = stamp;
    const operation = stamped(this.#nextId, random, KEYSPACE, key, slot);
    // A router reads consistently instead: slots of different clusters are never compared.
    if (!this.#isDirect) return { operation: { ...operation, isStale: false }, link: this.#pickLink() };
    const address = random.pick(this.#nursery.namesOf(cluster));
    const link = this.links.find((each) => each.address === address);
    return link === undefined ? null : { operation, link };
  }

  /** Of a direct client: to a node that is master. */
  #linkToMaster(): Link | null {
    if (!this.#isDirect) return null;
    const masters = this.links.filter(
      ({ address }) => this.#nursery.nodeAt(address)?.driver.mayRead() === true,
    );
    return masters.length === 0 ? null : this.#nursery.random.pick(masters);
  }

  /** Values that make more than one batch, or more than one run, of what is sent together. */
  #burstOfBulk(link: Link): void {
    const { random } = this.#nursery;
    this.#bulkyLeft -= 1;
    const bytes = random.pick([70, 300, 700, 700]) * 1024;
    for (let left = Math.ceil(BULK_BYTES / bytes) + 1; left > 0; left -= 1) {
      const id = this.#nextId;
      const value = `${id}${'.'.repeat(bytes)}`;
      this.call(set(id, 'set', random.pick(KEYSPACE.keys), value), () => undefined, link);
      if (random.chance(0.3)) this.call(this.#draw(), () => undefined, link);
    }
  }
}

/** Half of the connections to routers are such as Arakoon's clients have: their updates take effect in their order. */
export function isOrdered(link: Link): boolean {
  return link.id % 2 === 0;
}
