/**
 * What is under way at nodes for clients. A long reply is asked for only once there is room for it: until then a node is
 * asked for a short one, and where it has none the read waits in turn. Nothing goes on for a client that is gone.
 */

import { FRAME_MAX } from '../src/base/limits.ts';
import type { LinkResult } from '../src/link/link.ts';
import type { Asker } from '../src/process/budget.ts';
import type { Answer } from '../src/protocol/arakoon/values.ts';

const OVERLOADED = 'overloaded: no room for the reply; send it again';
const GONE = 'nobody waits for the answer any more';

/** A request of a client. */
type Asked = {
  readonly asker: Asker;
  readonly respond: (answer: Answer) => void;
  /** Bytes set aside for its long replies, of which there may be several parts. */
  reservedBytes: number;
};

/** A read under way at a node. */
type Call = { readonly asked: Asked; readonly cancel: () => void };

/** How a read is asked, and what it comes to. */
export type Question = {
  /** The client's request that it belongs to. */
  readonly request: number;
  readonly call: number;
  /**
   * Sends it to a node, for a short reply alone where `withheld` is given. Returns what cancels it. Neither `done` nor
   * `withheld` is called before it has returned.
   */
  ask(done: (result: LinkResult) => void, withheld?: () => void): () => void;
  done(result: LinkResult): void;
  /** It is not asked any more, and why. */
  abandoned(why: string): void;
};

/** Requests of clients until they are answered, and the reads under way for them. */
export class Calls {
  readonly #asked = new Map<number, Asked>();
  readonly #calls = new Map<number, Call & { readonly abandoned: (why: string) => void }>();
  readonly #defer: (run: () => void) => void;
  #lastRequest = 0;
  #isSweepDue = false;

  /** @param defer calls what it is given after the present turn of the event loop */
  constructor(defer: (run: () => void) => void) {
    this.#defer = defer;
  }

  /** Takes in a request; returns its number. */
  add(respond: (answer: Answer) => void, asker: Asker): number {
    this.#lastRequest += 1;
    this.#asked.set(this.#lastRequest, { respond, asker, reservedBytes: 0 });
    return this.#lastRequest;
  }

  answer(request: number, answer: Answer): void {
    const asked = this.#asked.get(request);
    if (asked === undefined) return;
    this.#asked.delete(request);
    asked.respond(answer);
    if (asked.reservedBytes > 0) asked.asker.replies.release(asked.reservedBytes);
  }

  /** Asks a node on behalf of a client. */
  ask(question: Question): void {
    const { request, call } = question;
    const asked = this.#asked.get(request);
    if (asked === undefined || asked.asker.isOver()) {
      question.abandoned(GONE);
      return;
    }
    const { replies } = asked.asker;
    const done = (result: LinkResult): void => {
      this.#calls.delete(call);
      const hasNoRoom = result.kind === 'reply' && asked.reservedBytes === 0 && replies.isExhausted;
      if (hasNoRoom) replies.waitShort(asked.asker, (isGranted) => this.#again(question, isGranted));
      else question.done(result);
    };
    const withheld = (): void => {
      this.#calls.delete(call);
      replies.wait(FRAME_MAX, asked.asker, (isGranted) => {
        const isNeeded = this.#asked.get(request) === asked && asked.reservedBytes === 0;
        if (isGranted && isNeeded) asked.reservedBytes = FRAME_MAX;
        else if (isGranted) replies.release(FRAME_MAX);
        this.#again(question, isGranted);
      });
    };
    const hasRoom = asked.reservedBytes > 0 || this.#reserve(asked);
    const cancel = hasRoom ? question.ask(done) : question.ask(done, withheld);
    this.#calls.set(call, { asked, cancel, abandoned: question.abandoned });
  }

  /** Some clients are gone: what is under way for them ends. */
  gone(): void {
    if (this.#isSweepDue) return;
    this.#isSweepDue = true;
    this.#defer(() => {
      this.#isSweepDue = false;
      for (const [call, { asked, cancel, abandoned }] of [...this.#calls]) {
        if (!asked.asker.isOver()) continue;
        this.#calls.delete(call);
        cancel();
        abandoned(GONE);
      }
    });
  }

  #reserve(asked: Asked): boolean {
    if (!asked.asker.replies.tryReserve(FRAME_MAX)) return false;
    asked.reservedBytes = FRAME_MAX;
    return true;
  }

  #again(question: Question, isGranted: boolean): void {
    if (isGranted) this.ask(question);
    else question.abandoned(OVERLOADED);
  }
}
