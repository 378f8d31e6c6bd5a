/** What a node does with each request of a client, a router or a migrator. */

import { present, unreachable } from '../../src/base/assert.ts';
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import { answerMarginMs, PATIENCE_MS, whyTooLong } from '../../src/base/limits.ts';
import type { Link } from '../../src/link/link.ts';
import { type Asker, SHORT_BYTES } from '../../src/process/budget.ts';
import { type AdminQuery, decodeAnswer, encodeAnswer } from '../../src/protocol/admin/admin.ts';
import { asFollower } from '../../src/protocol/arakoon/batch.ts';
import {
  decodeInt64,
  failure,
  failureOf,
  OK,
  okBool,
  okBytes,
  okOptionalBytes,
  okStatistics,
  okTxid,
  okVersion,
  TOO_LONG,
} from '../../src/protocol/arakoon/replies.ts';
import {
  dispatch,
  type Handlers,
  hasShortReply,
  isBy,
  type KindsWith,
  rowOf,
} from '../../src/protocol/arakoon/request-table.ts';
import {
  type Consistency,
  decodeRequest,
  type Request,
  updateOf,
} from '../../src/protocol/arakoon/requests.ts';
import { runReply } from '../../src/protocol/arakoon/run.ts';
import { type Answer, returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import { VERSION } from '../../src/version.ts';
import type { Respond } from '../driver/proposals.ts';
import { ABANDONED, type Scheduler } from '../driver/scheduler.ts';
import { mapAnswer } from '../machine/queries.ts';
import { REPLY_MAX } from '../machine/reads.ts';
import { expectProgressPossible, shortage } from '../paxos/step.ts';
import { isStoreDamage } from '../store/failures.ts';
import { keysIn } from '../store/range-counts.ts';
import type { Work } from '../store/types.ts';
import { Databases } from './database.ts';
import { dropMaster } from './drop-master.ts';
import { functionRefusal } from './function-refusals.ts';
import { Images, isOfImages } from './images.ts';
import { answerOfNode } from './own-answers.ts';
import { PausableView } from './pausable-view.ts';
import { QUERIES, standingRefusal } from './query-facts.ts';
import { refuse } from './refusals.ts';
import type { RequestContext } from './request-context.ts';
import { claimIn, introductionIn, keyIn, whyNot } from './request-parts.ts';
import { OVERLOADED, withRoom } from './room.ts';
import { stateWord } from './state-words.ts';
import { nodeStatus, statisticsFields } from './status.ts';
import { Upkeep } from './upkeep.ts';
import { Waits } from './waits.ts';

/** By them a cluster comes to another keeper, which alone can say that it is in force. */
const OF_RESCUES: ReadonlySet<string> = new Set(['adopt', 'yieldRange']);

/** To a read whose time was over before its turn came, or before it ended: nobody would hear what it found. */
const TOO_LATE: Answer = failure(
  'GOING_DOWN',
  'overloaded: the read had no turn in the time that there was for it; not executed, send it again',
);
/** What a read under way may take (bytes): the longest reply, the value that makes it too long, and what is not collected yet. */
const READ_BYTES = REPLY_MAX + REPLY_MAX / 2;
/** What an answer to one of our own processes may take (bytes): a page, and its rows before they are encoded. */
const PAGE_BYTES = 16 * 1024 * 1024;
/** One request, and whoever asks it. */
type Call = {
  readonly respond: Respond;
  readonly link: Link | null;
  readonly asker: Asker;
  /** Until when an update may begin. */
  readonly untilMs: number;
};

/** Answers requests; one for each node. */
export class Requests {
  readonly #context: RequestContext;
  readonly #images: Images;
  readonly #databases: Databases;
  readonly #upkeep: Upkeep;
  readonly #waits: Waits;

  /** What they are answered with. */
  get context(): RequestContext {
    return this.#context;
  }

  constructor(context: RequestContext) {
    this.#context = context;
    this.#images = new Images(context.nowMs);
    this.#databases = new Databases(context);
    this.#upkeep = new Upkeep(context);
    this.#waits = new Waits(context.nowMs);
  }

  /**
   * Answers one whole request frame of `asker`; `link` is where it came by, null for Arakoon's TCP. `leftMs`: how long the
   * other end waits; an update that could not be answered before that any more is not begun, and a read not gone on with,
   * whatever it waited for.
   */
  handle(frame: Buffer, hear: Respond, link: Link | null, asker: Asker, leftMs = PATIENCE_MS): void {
    const { nowMs, recording } = this.#context;
    const untilMs = nowMs() + leftMs - 2 * answerMarginMs(leftMs);
    let respond = hear;
    try {
      const request = decodeRequest(frame);
      respond = recording.timed(request.kind, frame, hear, keyIn(request));
      if (link === null && rowOf(request.kind).linksOnly === true) {
        respond(failure('NOT_SUPPORTED', `${request.kind} is served over links only`));
        return;
      }
      const update = updateOf(request, frame);
      const noted = this.#noting(request, respond, link);
      if (update !== null) this.#update(request, update, noted, untilMs);
      else this.#read(request, { respond: noted, link, asker: this.#inTime(asker, leftMs), untilMs });
    } catch (error) {
      respond(this.#answerOf(error));
    }
  }

  /** The same asker, for whom all is over once an answer would come too late. */
  #inTime(asker: Asker, leftMs: number): Asker {
    const { nowMs } = this.#context;
    const untilMs = nowMs() + leftMs - answerMarginMs(leftMs);
    const { replies, isShort } = asker;
    return {
      replies,
      isShort,
      isOver: () => asker.isOver() || nowMs() >= untilMs,
      // A read may wait more than once: short at first, then for more room.
      get waitMs() {
        return Math.max(0, Math.min(asker.waitMs, untilMs - nowMs()));
      },
    };
  }

  /** Where somebody introduces a cluster that this keeper refuses, or runs twice, people want to know who it was. */
  #noting(request: Request, respond: Respond, link: Link | null): Respond {
    const claim = claimIn(request);
    const asked = introductionIn(request);
    if ((asked === null && claim === null) || link === null) return respond;
    return (answer) => {
      if (returnCodeOf(answer.bytes) === RETURN_CODES.OK) {
        const said = decodeAnswer(answer.bytes);
        const { callers } = this.#context.introduction;
        if (said.kind === 'standing' && asked !== null) callers.noteRefusal(asked, link.remote, said);
        if (said.kind === 'standing' && claim !== null) callers.noteClaim(claim, said);
      }
      respond(answer);
    };
  }

  /** The answer for what was thrown. @throws what is our own bug */
  #answerOf(error: unknown): Answer {
    if (error instanceof NurseryError) return failureOf(error);
    if (!isStoreDamage(error)) throw error;
    this.#context.driver.storeFailed(error);
    return failure('GOING_DOWN', 'the store of this node cannot be read; not executed, ask another node');
  }

  #update(request: Request, update: Uint8Array, respond: Respond, untilMs: number): void {
    const { driver, slowDowns, share } = this.#context;
    share.short();
    const refusal = this.#refusal(request, update);
    if (refusal !== null) respond(refusal);
    else if (request.kind === 'setNurseryConfig')
      driver.propose(update, (answer) => respond(plainOk(answer)), untilMs);
    else driver.propose(update, this.#waits.heard(request, slowDowns.slowed(request, respond)), untilMs);
  }

  /** What this node refuses of a run by itself is refused for good, and holds up nothing behind it. */
  #run(frames: readonly Uint8Array[], respond: Respond, untilMs: number): void {
    const { driver, slowDowns, share, recording } = this.#context;
    share.short();
    const answers: (Answer | null)[] = frames.map(() => null);
    const updates: Uint8Array[] = [];
    const responds: Respond[] = [];
    let missing = frames.length;
    const answer = (index: number, given: Answer): void => {
      answers[index] = given;
      missing -= 1;
      if (missing === 0) respond(runReply(answers.map((each) => present(each, 'answer'))));
    };
    for (const [index, frame] of frames.entries()) {
      try {
        const request = decodeRequest(frame);
        const hear: Respond = (given) => answer(index, given);
        const timed = recording.timed(request.kind, frame, hear, keyIn(request));
        const update = updateInRun(request, frame);
        const refusal = this.#refusal(request, update);
        if (refusal !== null) {
          timed(refusal);
          continue;
        }
        updates.push(updates.length === 0 ? update : asFollower(update));
        responds.push(this.#waits.heard(request, slowDowns.slowed(request, timed)));
      } catch (error) {
        answer(index, this.#answerOf(error));
      }
    }
    if (frames.length === 0) respond(failure('BAD_INPUT', 'a run of no updates'));
    else if (updates.length > 0) driver.proposeRun(updates, responds, untilMs);
  }

  /** Why this node takes no such update at all; null where it does. */
  #refusal(request: Request, update: Uint8Array): Answer | null {
    const { readOnly, valueBytesMax, updateBytesMax, node, introduction } = this.#context;
    // Who waits for a keeper that is lost hears of the one in its place.
    if (introduction.refusal !== null && !isOfRescue(request)) return introduction.refusal;
    if (readOnly) return failure('READ_ONLY', node);
    const long =
      ('value' in request ? whyTooLong('value', request.value.length, valueBytesMax) : null) ??
      whyTooLong('update', update.length, updateBytesMax);
    if (long !== null) return failure('BAD_INPUT', long);
    const why = whyNot(request);
    if (why !== null) return failure('BAD_INPUT', why);
    return functionRefusal(request, update, this.#context.driver.machine);
  }

  #read(request: Request, call: Call): void {
    if (isBy(request, 'node')) dispatch(this.#answers, request, call);
    else if (isBy(request, 'image')) this.#dataRead(request, call.respond, call.asker);
    else if (isBy(request, 'nobody')) call.respond(refuse(request));
  }

  /** What the node answers by itself. */
  readonly #answers: Handlers<KindsWith<{ readonly by: 'node' }>, [Call], void> = {
    ping: ({ cluster }, { respond }) => {
      const { clusterId } = this.#context;
      if (cluster === clusterId) respond(okBytes(Buffer.from(VERSION.text)));
      else respond(failure('UNKNOWN_FAILURE', `this is cluster ${clusterId}, not ${cluster}`));
    },
    version: (_, { respond }) => respond(okVersion(VERSION)),
    whoMaster: (_, { respond }) => {
      // Nobody is who serves nothing before its keeper has spoken: a router would send requests there, and call itself healthy.
      const { introduction, driver } = this.#context;
      const master = introduction.refusal === null ? driver.master() : null;
      respond(okOptionalBytes(master === null ? null : Buffer.from(master)));
    },
    expectProgressPossible: (_, { respond }) =>
      respond(okBool(expectProgressPossible(this.#context.driver.replica, this.#context.nowMs()))),
    currentState: (_, { respond }) =>
      respond(okBytes(Buffer.from(stateWord(this.#context.driver.replica, this.#context.nowMs())))),
    statistics: (_, { respond }) => respond(okStatistics(statisticsFields(this.#context))),
    getTxid: (_, { respond }) => respond(okTxid(this.#context.store.slot)),
    dropMaster: (_, { respond }) => dropMaster(this.#context, respond),
    flushStore: (_, { respond }) => this.#upkeep.flush(respond),
    collapse: ({ keep }, { respond }) => this.#upkeep.collapse(keep, respond),
    copyDbToHead: ({ keep }, { respond }) => this.#upkeep.copyToHead(keep, respond),
    optimizeDb: (_, { respond }) => this.#upkeep.compact('optimize_db', respond),
    defragDb: (_, { respond }) => this.#upkeep.compact('defrag_db', respond),
    getDb: (_, { respond, link, asker }) => {
      if (link === null) this.#databases.send(respond, asker.isOver);
      else respond(failure('NOT_SUPPORTED', 'get_db is served over TCP only; nursery backup does the same'));
    },
    adminQuery: ({ query }, { respond, link, asker }) => this.#admit(query, respond, link, asker),
    run: ({ requests }, { respond, untilMs }) => this.#run(requests, respond, untilMs),
  };

  /**
   * A read begins where there is room for the longest reply; else it may be short, and is given up where it turns out
   * not to be, to begin anew when its turn has come.
   */
  #dataRead(request: Request, respond: Respond, asker: Asker): void {
    const { replies } = asker;
    if (hasShortReply(request.kind) || asker.isShort) {
      this.#readWithin(request, asker.isShort ? SHORT_BYTES : REPLY_MAX, respond, asker);
      return;
    }
    const readAll = (given: Respond): void =>
      this.#guarded(given, () => this.#readWithin(request, REPLY_MAX, given, asker));
    if (replies.hasRoom(READ_BYTES)) {
      withRoom(READ_BYTES, asker, respond, readAll);
    } else if (replies.isExhausted) {
      replies.waitShort(asker, (isGranted) => {
        if (isGranted) this.#guarded(respond, () => this.#dataRead(request, respond, asker));
        else respond(OVERLOADED);
      });
    } else {
      const longer = (answer: Answer): void => {
        if (answer === TOO_LONG) withRoom(READ_BYTES, asker, respond, readAll);
        else respond(answer);
      };
      this.#readWithin(request, SHORT_BYTES, longer, asker);
    }
  }

  #guarded(respond: Respond, work: () => void): void {
    try {
      work();
    } catch (error) {
      respond(this.#answerOf(error));
    }
  }

  #readWithin(request: Request, bytesMax: number, respond: Respond, asker: Asker): void {
    const refusal = this.#unreadable('consistency' in request ? request.consistency : { kind: 'consistent' });
    if (refusal !== null) {
      respond(refusal);
      return;
    }
    const { store, driver, reads } = this.#context;
    const view = new PausableView(store);
    this.#finish(driver.machine.read(request, view, bytesMax), view, respond, asker, reads);
  }

  /** Why a read of this consistency cannot be served here now; null where it can. */
  #unreadable(consistency: Consistency): Answer | null {
    const { driver, store, introduction } = this.#context;
    if (introduction.refusal !== null) return introduction.refusal;
    // Where nobody can say whose store is right, people need to look at both.
    if (consistency.kind === 'noGuarantees' && driver.standing === 'doubtful') return null;
    if (driver.refusal !== null) return driver.refusal;
    switch (consistency.kind) {
      case 'noGuarantees': {
        const short = shortage(driver.replica, this.#context.nowMs());
        return short === null ? null : failure('GOING_DOWN', `${short}; not executed, ask another node`);
      }
      case 'atLeast':
        return store.slot >= consistency.slot
          ? null
          : failure(
              'INCONSISTENT_READ',
              `slot ${consistency.slot} is not applied here yet, only ${store.slot}`,
            );
      case 'consistent':
        return driver.mayRead() ? null : failure('NOT_MASTER', driver.master() ?? 'None');
      default:
        return unreachable(consistency);
    }
  }

  /** Maps, pages and records are made room for; a router's map never waits, for all of its clients do with it. */
  #admit(query: AdminQuery, respond: Respond, link: Link | null, asker: Asker): void {
    const isShort = QUERIES[query.kind].isShort;
    const mayWait = !isShort && (asker.replies.hasRoom(PAGE_BYTES) || link?.peer.role !== 'router');
    if (!mayWait) {
      this.#query(query, respond, link, asker);
      return;
    }
    withRoom(PAGE_BYTES, asker, respond, (given) =>
      this.#guarded(given, () => this.#query(query, given, link, asker)),
    );
  }

  #query(query: AdminQuery, respond: Respond, link: Link | null, asker: Asker): void {
    const { driver, store, scheduler, watchers, slowDowns, seals } = this.#context;
    switch (query.kind) {
      case 'nodeStatus':
        this.#status(respond, asker);
        return;
      case 'nodeFacts':
      case 'promote':
      case 'listBuckets':
        answerOfNode(this.#context, query, (answer) => respond({ bytes: encodeAnswer(answer), hint: null }));
        return;
      case 'watchMap':
        if (link !== null) watchers.add(link, driver.machine.mapVersion);
        respond(mapAnswer(driver.machine.keeperMap(), query.sinceVersion));
        return;
      case 'slowDown':
        if (query.delayMs > 0) slowDowns.set(query.mid, query.delayMs, driver.machine);
        respond(this.#waits.told({ bytes: encodeAnswer({ kind: 'ok' }), hint: null }));
        return;
      default: {
        const refusal = QUERIES[query.kind].decides
          ? this.#unreadable({ kind: 'consistent' })
          : (standingRefusal(query, this.#context.introduction) ?? driver.refusal);
        if (refusal !== null) {
          respond(refusal);
          return;
        }
        if (query.kind === 'getMapSince' && link !== null) watchers.remind(link);
        const view = new PausableView(store);
        const sealAge = query.kind === 'rangeStatus' ? seals.ageOf(query.mid, this.#context.nowMs()) : null;
        const result = isOfImages(query)
          ? this.#images.answer(query, store, driver.machine)
          : driver.machine.query(query, view.slot, view, sealAge);
        const isPage = query.kind === 'readPage';
        const hear: Respond = isPage ? (answer) => respond(this.#waits.told(answer)) : respond;
        this.#finish(result, view, hear, asker, scheduler);
      }
    }
  }

  /** The master says how many keys there are, elsewhere 0. A store that counts nothing, as in a simulation, is counted here. */
  #status(respond: Respond, asker: Asker): void {
    const answer = (keys: number): void => {
      const status = { ...nodeStatus(this.#context), keys };
      respond({ bytes: encodeAnswer({ kind: 'nodeStatus', ...status }), hint: null });
    };
    const { driver, counts } = this.#context;
    if (!driver.mayRead()) answer(0);
    else if (counts !== undefined) answer(keysIn(counts(), driver.machine.owned()));
    else
      this.#readWithin(
        { kind: 'getKeyCount' },
        REPLY_MAX,
        ({ bytes }) => answer(returnCodeOf(bytes) === RETURN_CODES.OK ? decodeInt64(bytes) : 0),
        asker,
      );
  }

  #finish(
    result: Answer | Work<Answer>,
    view: PausableView,
    respond: Respond,
    asker: Asker,
    scheduler: Scheduler,
  ): void {
    if ('bytes' in result) {
      this.#context.share.short();
      respond(result);
      return;
    }
    let isLong = false;
    scheduler.run(
      result,
      (answer) => {
        view.close();
        if (!isLong && answer !== TOO_LONG) this.#context.share.short();
        respond(answer);
      },
      (error) => {
        view.close();
        // Where the connection is gone nobody hears it.
        respond(error === ABANDONED ? TOO_LATE : this.#answerOf(error));
      },
      () => {
        isLong = true;
        view.pin();
      },
      asker.isOver,
    );
  }
}

/** @throws NurseryError where no run holds such a request */
function updateInRun(request: Request, frame: Uint8Array): Uint8Array {
  const isOwn = request.kind === 'adminCommand' || request.kind === 'setNurseryConfig';
  const update = isOwn ? null : updateOf(request, frame);
  if (update === null) throw new NurseryError('BAD_INPUT', `a run holds no ${request.kind}`);
  return update;
}

/** Arakoon's clients know no administrative answers: what succeeded is a bare OK to them. */
function plainOk(answer: Answer): Answer {
  if (returnCodeOf(answer.bytes) !== RETURN_CODES.OK) return answer;
  const said = decodeAnswer(answer.bytes);
  return said.kind === 'refused' ? failure('BAD_INPUT', said.why) : OK;
}

function isOfRescue(request: Request): boolean {
  return request.kind === 'adminCommand' && OF_RESCUES.has(request.command.kind);
}
