/** `nursery import --from-arakoon`: all rows of an Arakoon cluster come over while it serves, and are compared when its clients have stopped. */
import { FatalError } from '../base/errors.ts';
import { DEADLINE_MS } from '../client/call.ts';
import { readTarget, withClient } from './connections.ts';
import { Display } from './output.ts';
import { sayWhoIsAwaited } from './report.ts';
import type { Step } from './way-over/differences.ts';
import { compareAll, type Pass, runPass, type Survey, survey, type Target } from './way-over/passes.ts';
import { ArakoonSource, type Entries } from './way-over/source.ts';
import { type ImportState, lockState, readState, refuseDone, writeState } from './way-over/state-file.ts';

/** Between two lines of progress (ms). */
const LINE_EVERY_MS = 1000;

type Options = {
  readonly config: string;
  readonly json: boolean;
  /** HOST:PORT of the source's client ports, with commas between. */
  readonly fromArakoon: string;
  /** The source's cluster id. */
  readonly clusterId: string;
  /** File of the state; default: named after the cluster, in the working directory. */
  readonly state: string | null;
  /** The source's clients have stopped: compare key by key when a pass has changed nothing. */
  readonly final: boolean;
};

/**
 * Goes on where it was; ends when a pass has changed nothing, and says what to do next.
 *
 * @throws NurseryError REFUSED where something exceeds our limits, the target of an import that begins holds keys, or, at the end,
 *   both differ; BAD_INPUT for a state that is of another import; WRONG_CLUSTER where the source is of another cluster id, UNREACHABLE or TIMEOUT
 *   where nobody answers there; and those of both clusters
 * @throws FatalError HOME_IN_USE where the same import runs; USAGE where it is done
 */
export async function runImportFromArakoon(options: Options): Promise<void> {
  if (options.clusterId === '')
    throw new FatalError('USAGE', '--cluster-id takes the cluster id of the source');
  const from = options.clusterId;
  const into = readTarget(options.config).front.cluster;
  const path = options.state ?? `${from}.import.json`;
  const lock = lockState(path);
  try {
    await importLocked(options, { from, into, path });
  } finally {
    lock.release();
  }
}

type Import = {
  readonly from: string;
  readonly into: string;
  /** File of the state. */
  readonly path: string;
};

async function importLocked(options: Options, { from, into, path }: Import): Promise<void> {
  const begun = readState(path, from, into);
  refuseDone(path, begun);
  const source = new ArakoonSource(from, options.fromArakoon);
  const shown = new Shown(options.json);
  const connected = sayWhoIsAwaited(`cluster ${into}; at most ${DEADLINE_MS / 1000} s`);
  try {
    await withClient(options.config, async (client) => {
      connected();
      const target: Target = client;
      let state = begun;
      if (state === null) {
        const { keys, bytes } = await survey(source, target, shown.looks('look'));
        shown.event({ event: 'surveyed', keys, bytes }, `${keys} keys, ${bytes} bytes; all of them fit`);
        state = { version: 1, from, into, pass: 1, upTo: null, keys: 0, changed: 0, isDone: false };
        writeState(path, state);
      }
      await untilQuiet(source, target, state, path, shown);
      if (options.final) await conclude(source, target, path, shown, { from, into });
      else shown.event({ event: 'quiet', next: 'final' }, NEXT);
    });
  } finally {
    connected();
    source.close();
    shown.close();
  }
}

const NEXT =
  "the last pass changed nothing. Now stop the source's clients, and type the same with --final: it compares key by key. Until then nothing has to be decided";

/**
 * Passes until one of them changes nothing. The file is read again before each write of it: where it says by now that the import
 * is done, by whomever, nothing is taken back.
 *
 * @throws FatalError USAGE where it is done
 */
export async function untilQuiet(
  source: Entries,
  target: Target,
  begun: ImportState,
  path: string,
  shown: Pick<Shown, 'event' | 'progress'>,
): Promise<void> {
  const save = (now: ImportState): void => {
    refuseDone(path, readState(path, now.from, now.into));
    writeState(path, now);
  };
  for (let state = begun; ; ) {
    refuseDone(path, readState(path, begun.from, begun.into));
    const isWhole = state.upTo === null;
    const done: Pass = await runPass(source, target, state, (now) => {
      save(now);
      const { pass, keys, changed } = now;
      shown.progress(
        { event: 'progress', pass, keys, changed },
        `pass ${pass}: ${keys} keys, ${changed} changed`,
      );
    });
    const { pass, keys, changed } = done;
    shown.event({ event: 'pass', ...done }, `pass ${pass} is done: ${keys} keys, ${changed} changed`);
    state = { ...begun, pass: pass + 1, upTo: null, keys: 0, changed: 0 };
    save(state);
    // What was looked at before it was broken off may have changed since.
    if (changed === 0 && isWhole) return;
  }
}

async function conclude(
  source: ArakoonSource,
  target: Target,
  path: string,
  shown: Shown,
  { from, into }: { readonly from: string; readonly into: string },
): Promise<void> {
  const { keys, bytes }: Survey = await compareAll(source, target, shown.looks('comparison'));
  const state = readState(path, from, into);
  if (state !== null) writeState(path, { ...state, isDone: true });
  shown.event(
    { event: 'same', keys, bytes },
    `the same: ${keys} keys, ${bytes} bytes, key by key. Let the clients in at ${into}: with their first update there is no way back to ${from} without losing it`,
  );
}

/** Events as lines, or as objects for scripts. */
class Shown {
  readonly #display = new Display();
  readonly #json: boolean;
  #saidMs = 0;

  constructor(json: boolean) {
    this.#json = json;
  }

  event(json: object, line: string): void {
    this.#display.line(this.#json ? JSON.stringify(json) : line);
  }

  /** The same, now and then. */
  progress(json: object, line: string): void {
    if (performance.now() - this.#saidMs < LINE_EVERY_MS) return;
    this.#saidMs = performance.now();
    this.#display.progress(this.#json ? JSON.stringify(json) : line);
  }

  /** Progress of what only looks. */
  looks(what: string): (step: Step) => void {
    let keys = 0;
    return (step) => {
      keys += step.keys;
      this.progress({ event: what, keys }, `${what}: ${keys} keys`);
    };
  }

  close(): void {
    this.#display.end();
  }
}
