/** How migrators and operators ask clusters: finds the master by asking around, and tells when there is no answer. */

import { RETURN_CODES } from '../../../src/base/errors.ts';
import type { LinkResult } from '../../../src/link/link.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
  encodeCommand,
  encodeQuery,
} from '../../../src/protocol/admin/admin.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import type { Host } from './host.ts';
import type { Link } from './network.ts';
import type { Nursery } from './nursery.ts';

export type Question =
  | { readonly kind: 'command'; readonly command: AdminCommand }
  /** To the master, to any node, or to the one of that name. */
  | { readonly kind: 'query'; readonly query: AdminQuery; readonly node: string };

/** How long an answer may take altogether (ms). */
const ANSWER_MS = 1200;
/** Before another node is asked (ms). */
const PAUSE_MS = 40;

export class Asker {
  readonly #nursery: Nursery;
  readonly #host: Host;
  readonly #links = new Map<string, Link>();
  readonly #masters = new Map<string, string>();

  /** @param clusters whom it may ask */
  constructor(nursery: Nursery, host: Host, clusters: Iterable<string> = nursery.watch.clusters.keys()) {
    this.#nursery = nursery;
    this.#host = host;
    for (const id of clusters) {
      for (const name of nursery.namesOf(id)) this.#links.set(name, nursery.linkTo(host, name));
    }
  }

  /** `done` is called once: with an answer, or why there is none. */
  ask(cluster: string, question: Question, done: (answer: AdminAnswer | string) => void): void {
    if (!this.#nursery.namesOf(cluster).some((name) => this.#links.has(name))) {
      this.#host.local(PAUSE_MS, () => done('nobody knows where it is reached'));
      return;
    }
    const body = question.kind === 'command' ? encodeCommand(question.command) : encodeQuery(question.query);
    const untilMs = this.#host.nowMs() + ANSWER_MS;
    const to = question.kind === 'command' ? 'master' : question.node;
    this.#attempt(cluster, body, to, untilMs, done);
  }

  #attempt(
    cluster: string,
    body: Buffer,
    to: string,
    untilMs: number,
    done: (answer: AdminAnswer | string) => void,
  ): void {
    const leftMs = untilMs - this.#host.nowMs();
    if (leftMs <= 0) {
      done('no answer in time');
      return;
    }
    const { random } = this.#nursery;
    const toMaster = to === 'master';
    const believed = toMaster ? this.#masters.get(cluster) : undefined;
    const name = this.#links.has(to) ? to : (believed ?? random.pick(this.#nursery.namesOf(cluster)));
    const again = (): void => {
      this.#masters.delete(cluster);
      this.#host.local(PAUSE_MS * (0.5 + random.next()), () =>
        this.#attempt(cluster, body, to, untilMs, done),
      );
    };
    const ended = (result: LinkResult): void => {
      if (result.kind === 'failed') {
        if (result.sent) done(`the link to ${name} was lost`);
        else again();
        return;
      }
      const code = returnCodeOf(result.bytes);
      if (code === RETURN_CODES.OK) {
        if (toMaster) this.#masters.set(cluster, name);
        done(decodeAnswer(result.bytes));
      } else if (code === RETURN_CODES.NOT_MASTER || code === RETURN_CODES.GOING_DOWN) {
        const named = result.bytes.subarray(8).toString('latin1');
        again();
        if (this.#links.has(named) && named !== name) this.#masters.set(cluster, named);
      } else done(`return code ${code}: ${result.bytes.subarray(8)}`);
    };
    (this.#links.get(name) as Link).request(body, leftMs, ended);
    if (random.chance(this.#nursery.network.weather.repeatShare)) this.#double(cluster, body);
  }

  /** The same once more, at any time later: a retry that overtook, or a request that a dead migrator left behind. */
  #double(cluster: string, body: Buffer): void {
    const { random, schedule } = this.#nursery;
    schedule.after(random.next() * 3000, () => {
      const node = this.#nursery.nodeAt(random.pick(this.#nursery.namesOf(cluster)));
      if (node === null || node.driver.master() !== node.name) return;
      this.#nursery.rare.note('late copy of a request');
      node.run(() => node.request(body, () => undefined, this.#links.get(node.name) as Link));
    });
  }
}
