/**
 * The replicated state machine of a cluster: evaluates chosen batches, and answers reads from what was applied.
 *
 * Pure: a function of the image, the machine's state and the entry alone, so that every replica that applies the same
 * slots holds the same rows.
 */
import { invariant } from '../../src/base/assert.ts';
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import type { Binding } from '../../src/identity/founding.ts';
import { type Range, WHOLE } from '../../src/keyspace/range.ts';
import type { MapEntry } from '../../src/keyspace/rangemap.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type AdminQuery,
  encodeAnswer,
  type KeeperMap,
  type Migration,
  type NotedBackup,
  type Owned,
  type SealAge,
} from '../../src/protocol/admin/admin.ts';
import type { AutoWish } from '../../src/protocol/admin/auto.ts';
import { BatchReader } from '../../src/protocol/arakoon/batch.ts';
import { keyOfSet, valueOfSet } from '../../src/protocol/arakoon/quick.ts';
import { failure, OK } from '../../src/protocol/arakoon/replies.ts';
import type { Request } from '../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../src/protocol/arakoon/updates.ts';
import { type Answer, returnCodeOf } from '../../src/protocol/arakoon/values.ts';
import { bool, decode, encode, struct } from '../../src/wire/codec.ts';
import type { Changes, StoreKey, View, Work } from '../store/types.ts';
import { assume } from './assume.ts';
import { bind, checkAddress } from './binding.ts';
import { cleanupStep } from './cleanup.ts';
import { Draft } from './draft.ts';
import { beginExport, cancel, release, seal, setBase, settle, trim, unseal } from './export.ts';
import type { FunctionRunner } from './function-call.ts';
import { putFunction, removeFunction, takeFunctions, useEngine } from './functions.ts';
import { checkHeader } from './headers.ts';
import { abandon, activate, beginImport, page } from './import.ts';
import { applyKeeper, keeperMapOf } from './keeper.ts';
import { decodePaced } from './long-decode.ts';
import { merge } from './merge.ts';
import { Ownership } from './ownership.ts';
import { answerQuery } from './queries.ts';
import { answerRead, isDataRead, REPLY_MAX } from './reads.ts';
import { strangersWhy } from './registry.ts';
import { adopt, confirm, takeBack, yieldRange } from './rescue.ts';
import { INITIAL_STATE, inForce, loadState, type SystemState, storeState } from './system-state.ts';
import { execute } from './updates.ts';

/** What one slot does. */
export type Applied = {
  /** Rows to be committed as the image of the slot. */
  readonly changes: Changes;
  /** One for each update of the batch, in order. */
  readonly answers: Answer[];
  /** Makes the machine answer from the new image. To be called right after `changes` were committed. */
  commit(): void;
};

/** To an update whose predecessor in its run was refused for its range. */
const HELD_BACK: Answer = failure('OUT_OF_RANGE', 'an update before it was refused');

const genesisCodec = struct({ nursery: bool });

/** What can be answered from one look-up is answered at once; the rest is work, begun already. */
type Result = Answer | Work<Answer>;

/** What the log asks every replica to take the digest of, at one agreed slot: `rowsMax` rows from `from` on. */
export type ScrubOrder = { readonly slot: number; readonly from: StoreKey; readonly rowsMax: number };

/** One per store; holds nothing that the store's image does not. */
export class Machine {
  readonly runner: FunctionRunner;
  #view: View;
  #state: SystemState;
  #ownership: Ownership;
  #scrub: ScrubOrder | null = null;

  /**
   * @param view the store's present image; read whenever a slot is applied
   * @param runner calls functions of users
   */
  constructor(view: View, runner: FunctionRunner) {
    this.#view = view;
    this.runner = runner;
    this.#state = loadState(view);
    this.#ownership = new Ownership(inForce(this.#state));
  }

  /** How the cluster begins, as bytes that its founder replicates. With a nursery, a cluster owns nothing at first. */
  static genesis(options: { readonly nursery: boolean }): Uint8Array {
    return encode(genesisCodec, { nursery: options.nursery });
  }

  /** The rows of slot 0. */
  static found(genesis: Uint8Array): Changes {
    const { nursery } = decode(genesisCodec, genesis);
    const rows = new Map<StoreKey, Uint8Array | null>();
    const owned: Owned[] = nursery ? [] : [{ ...WHOLE, epoch: 0, sealedBy: null }];
    storeState(INITIAL_STATE, { ...INITIAL_STATE, owned }, (key, value) => rows.set(key, value));
    return rows;
  }

  /**
   * Evaluates one chosen batch. Each update is atomic by itself; one that fails leaves the others alone. Nothing is
   * visible before the result is committed, and one slot is applied at a time.
   *
   * The changes hold views into `batch`, which must not be written to any more.
   */
  *apply(slot: number, batch: Uint8Array): Work<Applied> {
    const draft = new Draft(this.#view, slot, this.#state, this.#ownership, this.runner);
    const answers: Answer[] = [];
    const reader = new BatchReader(batch);
    const { bytes } = reader;
    while (reader.next()) {
      const { begin, end } = reader;
      if (reader.isFollower && isOutOfRange(answers.at(-1))) {
        answers.push(HELD_BACK);
        continue;
      }
      if (applySet(draft, bytes, begin, end)) answers.push(OK);
      else answers.push(yield* applyUpdate(draft, bytes.subarray(begin, end)));
      // While a range is exported, writing a row means taking its digest.
      const isDue = draft.state.exports.size > 0 ? draft.pace.digest(end - begin) : draft.pace.row();
      if (isDue) yield;
    }
    invariant(reader.isWhole, 'the value of a slot is a batch', () => ({
      slot,
      bytes: batch.length,
      readTo: reader.end,
    }));
    yield* settle(draft);
    const changes = draft.finish();
    return { changes, answers, commit: () => this.#adopt(draft) };
  }

  /**
   * Answers a client's read from `view`, which is the present image or a snapshot of it. Mastership and freshness are
   * the caller's business, as is keeping the image while work goes on.
   *
   * @param bytesMax where the reply turns out longer than that, the answer is TOO_LONG (reads.ts)
   */
  read(request: Request, view: View, bytesMax = REPLY_MAX): Result {
    if (!isDataRead(request))
      return failure('NOT_SUPPORTED', `the state machine does not answer ${request.kind}`);
    const { runner } = this;
    const source = { state: this.#state, ownership: this.#ownership, view, bytesMax, runner };
    return begun(answerRead(source, request));
  }

  /**
   * Answers one of our own processes from `view`, the image of `slot`: the present one or a snapshot of it.
   *
   * @param sealAge what the node knows of the age of the seal that is asked about
   */
  query(query: AdminQuery, slot: number, view: View, sealAge: SealAge | null = null): Result {
    return begun(answerQuery({ state: this.#state, slot, view, sealAge }, query));
  }

  /** The seals of migrations away from here, which are neither released nor taken back. */
  get seals(): readonly { readonly mid: number; readonly sealSlot: number }[] {
    const { exports } = this.#state;
    if (exports.size === 0) return NO_SEALS;
    return [...exports].flatMap(([mid, { seal }]) =>
      seal === null ? [] : [{ mid, sealSlot: seal.sealSlot }],
    );
  }

  /** The keeper's records of migrations; another object whenever one has changed. */
  get migrations(): ReadonlyMap<number, Migration> {
    return this.#state.migrations;
  }

  /** As the keeper: what people wish of rebalancing by itself. */
  get auto(): AutoWish {
    return this.#state.auto;
  }

  /** Why this keeper begins no map, although it has none; null where it has one, or would begin one. */
  get strangersWhy(): string | null {
    return strangersWhy(this.#state);
  }

  /** Migrations for which the master should propose `cleanupStep`, in order. */
  get cleanups(): readonly number[] {
    return [...this.#state.cleanups.keys()];
  }

  /** What is to be scrubbed in the image of the last batch, where its slot says so; else an older order, or null. */
  get scrub(): ScrubOrder | null {
    return this.#scrub;
  }

  /** Rises whenever `keeperMap` changes. */
  get mapVersion(): number {
    return this.#state.map.version;
  }

  keeperMap(): KeeperMap {
    return keeperMapOf(this.#state);
  }

  /** The keeper that this cluster belongs to; null before. */
  get bound(): Binding | null {
    return this.#state.bound;
  }

  /** The founding that this one takes the place of, until the keeper has confirmed it; '' where it need not. */
  get unconfirmed(): string {
    return this.#state.unconfirmed;
  }

  /** The last backup that was noted; null where there is none. */
  get backup(): NotedBackup | null {
    return this.#state.backup;
  }

  owned(): readonly Owned[] {
    return this.#state.owned;
  }

  /** Where released ranges went. */
  forward(): readonly MapEntry[] {
    return this.#state.forward;
  }

  /** The range that migration `mid` exports from here, or null. */
  exportRange(mid: number): Range | null {
    const record = this.#state.exports.get(mid);
    return record === undefined ? null : { lo: record.lo, hi: record.hi };
  }

  /** The machine's whole state beside its rows: for the checks of the simulation. */
  get state(): SystemState {
    return this.#state;
  }

  #adopt(draft: Draft): void {
    this.#state = draft.state;
    this.#ownership = draft.ownership;
    const { scrub, slot } = draft;
    if (scrub !== null) this.#scrub = { slot, from: scrub.from, rowsMax: scrub.rowsMax };
  }
}

/** Whether the update before was refused for its range; the first of a batch has none before it. */
function isOutOfRange(answer: Answer | undefined): boolean {
  return answer !== undefined && returnCodeOf(answer.bytes) === RETURN_CODES.OUT_OF_RANGE;
}

/** Executes a plain `set` by hand, since most updates are one; false where it is not that simple, and nothing was done. */
function applySet(draft: Draft, bytes: Buffer, begin: number, end: number): boolean {
  const valueAt = valueOfSet(bytes, begin, end);
  if (valueAt < 0) return false;
  const key = keyOfSet(bytes, begin, valueAt);
  if (!draft.ownership.serves(key)) return false;
  draft.tx.putRow(key, bytes.subarray(valueAt, end));
  return true;
}

function* applyUpdate(draft: Draft, bytes: Uint8Array): Work<Answer> {
  let update: Update;
  try {
    update = yield* decodePaced(bytes, draft.pace);
  } catch (error) {
    // What cannot be understood is refused on every replica alike.
    if (!(error instanceof NurseryError)) throw error;
    return failure('BAD_INPUT', error.message);
  }
  if (update.kind !== 'admin') return yield* execute(draft, update);
  yield* settle(draft);
  return { bytes: encodeAnswer(yield* applyCommand(draft, update.command)), hint: null };
}

function* applyCommand(draft: Draft, sent: AdminCommand): Work<AdminAnswer> {
  const misdirected = checkAddress(draft, sent);
  if (misdirected !== null) return misdirected;
  const { command, peer, functions = 0 } = sent.kind === 'under' ? sent : { command: sent, peer: '' };
  if ('floor' in command) {
    const answer = checkHeader(draft, command);
    if (answer !== null) return answer;
  }
  switch (command.kind) {
    case 'bind':
      return bind(draft, command);
    case 'noteBackup':
      return noteBackup(draft, command);
    case 'confirm':
      return yield* confirm(draft, command);
    case 'adopt':
      return adopt(draft, command);
    case 'yieldRange':
      return yieldRange(draft, command);
    case 'takeBack':
      return yield* takeBack(draft, command);
    case 'assume':
      return yield* assume(draft, command);
    case 'beginImport':
      return yield* beginImport(draft, command, { peer, functions });
    case 'page':
      return yield* page(draft, command);
    case 'activate':
      return activate(draft, command, { peer, functions });
    case 'abandon':
      return abandon(draft, command);
    case 'beginExport':
      return beginExport(draft, command, peer);
    case 'setBase':
      return setBase(draft, command);
    case 'trim':
      return yield* trim(draft, command);
    case 'seal':
      return seal(draft, command);
    case 'unseal':
      return yield* unseal(draft, command);
    case 'cancel':
      return yield* cancel(draft, command);
    case 'release':
      return yield* release(draft, command);
    case 'merge':
      return merge(draft, command);
    case 'cleanupStep':
      return yield* cleanupStep(draft, command);
    case 'putFunction':
      return putFunction(draft, command);
    case 'removeFunction':
      return removeFunction(draft, command);
    case 'takeFunctions':
      return takeFunctions(draft, command);
    case 'useEngine':
      return useEngine(draft, command);
    case 'scrub':
      draft.scrub = command;
      return { kind: 'ok' };
    default:
      return applyKeeper(draft, command);
  }
}

/** Of two that come in any order, the newer one stays. */
function noteBackup(draft: Draft, { slot, takenMs }: NotedBackup): AdminAnswer {
  const { backup } = draft.state;
  if (backup === null || slot >= backup.slot) draft.update({ backup: { slot, takenMs } });
  return { kind: 'ok' };
}

const NO_SEALS: readonly never[] = [];

/** Runs work up to its first pause: most reads end before it. */
function begun(result: Result): Result {
  if ('bytes' in result) return result;
  const first = result.next();
  return first.done === true ? first.value : result;
}
