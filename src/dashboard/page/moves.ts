/** Moves of ranges: how far they are, what they wait for and since when; and what an operator may do about them. */
import type { Document, Failed, ShownMove } from '../document.ts';
import { type Asked, act } from './ask.ts';
import { byId, type Item, List, make, setAttribute, setHidden, setText } from './dom.ts';
import { printSince } from './verdict.ts';
import { printAge, printable, printBytes, printCount, printRange, printSeconds, printTime } from './words.ts';

/** Over how long a rate is taken (ms). */
const RATE_MS = 10_000;

/** How long the outcome of an action stays (ms). */
const SAID_MS = 30_000;

type Seen = { readonly atMs: number; readonly keys: number };
type Shown = ShownMove & {
  readonly rate: number | null;
  readonly takesActions: boolean;
  readonly atMs: number;
};

/** What a dry run has shown, to be begun. */
type Planned = {
  readonly from: string;
  readonly to: string;
  readonly target: string;
  readonly expected: string;
};
type DryMove = {
  readonly source: string;
  readonly target: string;
  readonly lo: string;
  readonly hi: string | null;
  readonly sourceKeys: number | null;
  readonly targetKeys: number | null;
  readonly keys: number | null;
  readonly bytes: number | null;
  readonly seconds: number | null;
};

/** The whole section. */
export class MovesView {
  readonly #open: List<Shown>;
  readonly #ended: List<ShownMove>;
  readonly #failed: List<Failed>;
  readonly #targets: List<string>;
  /** How far each open one was, by its number: what its rate is taken from. */
  readonly #seen = new Map<number, Seen[]>();
  #planned: Planned | null = null;

  constructor() {
    this.#open = new List(
      byId('open'),
      ({ mid }) => String(mid),
      (move) => this.#moveItem(move),
    );
    this.#ended = new List(byId('ended'), ({ mid }) => String(mid), endedItem);
    this.#failed = new List(byId('failed'), ({ what, atMs }) => `${what} ${atMs}`, failedItem);
    this.#targets = new List(
      byId('target'),
      (cluster) => cluster,
      (cluster) => {
        const element = make('option', '', printable(cluster));
        element.value = cluster;
        return { element, update: () => undefined };
      },
    );
    byId('dry-run').addEventListener('click', () => void this.#dryRun());
    byId('begin').addEventListener('click', () => void this.#begin());
    for (const id of ['from', 'to', 'target']) byId(id).addEventListener('input', () => this.#forget());
  }

  show(shown: Document): void {
    const { moves, takesActions, clusters, failed, atMs } = shown;
    setHidden(byId('acting'), !takesActions || moves === null);
    this.#failed.show(failed);
    const open = moves?.open ?? [];
    setText(byId('moves-words'), wordsOf(moves));
    this.#open.show(open.map((move) => ({ ...move, rate: this.#rateOf(move, atMs), takesActions, atMs })));
    for (const mid of this.#seen.keys()) if (!open.some((move) => move.mid === mid)) this.#seen.delete(mid);
    setHidden(byId('past'), (moves?.ended ?? []).length === 0);
    this.#ended.show(moves?.ended ?? []);
    this.#targets.show(
      clusters.filter(({ isKeeper, isElsewhere }) => !isKeeper && !isElsewhere).map(({ cluster }) => cluster),
    );
  }

  /** Keys a second; null where nothing moves. */
  #rateOf({ mid, keysCopied }: ShownMove, atMs: number): number | null {
    const seen = (this.#seen.get(mid) ?? []).filter((each) => atMs - each.atMs <= RATE_MS);
    if (seen.at(-1)?.atMs !== atMs) seen.push({ atMs, keys: keysCopied });
    this.#seen.set(mid, seen);
    const [first] = seen;
    if (first === undefined || first.atMs === atMs || keysCopied <= first.keys) return null;
    return ((keysCopied - first.keys) * 1000) / (atMs - first.atMs);
  }

  #moveItem({ mid }: Shown): Item<Shown> {
    const title = make('p', 'move-title');
    const bar = make('progress');
    bar.setAttribute('aria-label', `keys of move ${mid} that are copied`);
    const words = make('p', 'move-words');
    const waiting = make('p', 'waiting');
    const buttons = (['pause', 'continue', 'resume', 'abort'] as const).map((action) => {
      const button = make('button', '', action);
      button.type = 'button';
      button.setAttribute('aria-label', `${action} move ${mid}`);
      button.addEventListener('click', () => void this.#wish({ action, mid }));
      return { action, button };
    });
    const actions = make('p', 'actions', ...buttons.map(({ button }) => button));
    return {
      element: make('li', 'move', title, bar, words, waiting, actions),
      update: (move) => {
        setText(
          title,
          `${mid}: ${printRange(move)} ${printable(move.source)} → ${printable(move.target)}, ${printable(move.stage)}`,
        );
        if (move.keysTotal > 0) {
          setAttribute(bar, 'max', String(Math.max(move.keysTotal, move.keysCopied)));
          setAttribute(bar, 'value', String(move.keysCopied));
        } else bar.removeAttribute('value');
        setText(words, progressOf(move));
        setText(waiting, waitsOf(move));
        setHidden(waiting, waiting.textContent === '');
        setHidden(actions, !move.takesActions);
        for (const { action, button } of buttons) setHidden(button, !isOffered(action, move));
      },
    };
  }

  async #wish(asked: Asked & { readonly mid: number }): Promise<void> {
    const what = `${asked.action} move ${asked.mid}`;
    if (asked.action === 'abort' && !confirm(`Abort move ${asked.mid}? What it has copied is dropped.`))
      return;
    await this.#ask(asked, what, (answer) => {
      const { heeded, outcome, why } = answer as { heeded?: string; outcome?: string; why?: string };
      if (heeded === 'nobody') return `${what}: wanted, and no migrator works on it`;
      if (heeded !== undefined) return `${what}: ${heeded}`;
      if (outcome !== undefined)
        return `move ${asked.mid} is ${outcome}${why === '' || why === undefined ? '' : ` (${why})`}`;
      return `${what}: under way`;
    });
  }

  async #dryRun(): Promise<void> {
    this.#forget();
    const [from, to, target] = ['from', 'to', 'target'].map((id) => byId<HTMLInputElement>(id).value) as [
      string,
      string,
      string,
    ];
    await this.#ask({ action: 'dryRun', from, to, target }, 'the dry run', (answer) => {
      const { moves, expected } = answer as { readonly moves: readonly DryMove[]; readonly expected: string };
      byId('planned').replaceChildren(...moves.map((move) => make('li', '', describe(move))));
      if (moves.length === 0) return `nothing would be moved: it is at ${target} already`;
      this.#planned = { from, to, target, expected };
      setHidden(byId('begin'), false);
      return `${moves.length} ${moves.length === 1 ? 'move' : 'moves'} would be begun; nothing has been yet`;
    });
  }

  async #begin(): Promise<void> {
    if (this.#planned === null) return;
    const planned = this.#planned;
    this.#forget();
    await this.#ask({ action: 'start', ...planned }, 'the move', (answer) => {
      const { started } = answer as { readonly started: readonly number[] };
      return `begun: ${started.join(', ')}; a migrator carries it out. Where none runs: resume`;
    });
  }

  #forget(): void {
    this.#planned = null;
    setHidden(byId('begin'), true);
    byId('planned').replaceChildren();
  }

  async #ask(asked: Asked, what: string, words: (answer: object) => string): Promise<void> {
    setText(byId('said'), `${what}: asking …`);
    const { answer, why } = await act(asked);
    const text = printable(answer === null ? `${what}: ${why}` : words(answer));
    setText(byId('said'), text);
    setTimeout(() => {
      if (byId('said').textContent === text) setText(byId('said'), '');
    }, SAID_MS);
    if (answer === null && why.includes('token')) byId<HTMLDetailsElement>('start').open = true;
  }
}

function wordsOf(moves: Document['moves']): string {
  if (moves === null) return 'Nothing is known of moves: there is no keeper, or it does not answer.';
  const { open, more } = moves;
  if (open.length === 0) return 'No range is moving.';
  return `${open.length + more} under way${more > 0 ? `, of which ${open.length} are shown` : ''}.`;
}

function progressOf({
  keysCopied,
  keysTotal,
  bytesCopied,
  rate,
  pauseMs,
  pauseAtLeast,
  startedAtMs,
  wish,
  pace,
  dirtyRows,
  atMs,
}: Shown): string {
  const share = keysTotal > 0 ? ` of ${printCount(keysTotal)}` : '';
  const left =
    rate === null || keysTotal <= keysCopied
      ? []
      : [`${printAge((1000 * (keysTotal - keysCopied)) / rate)} left`];
  return [
    `${printCount(keysCopied)}${share} keys, ${printBytes(bytesCopied)}`,
    ...(rate === null ? [] : [`${printCount(rate)} keys/s`]),
    ...left,
    ...(pace === '' ? [] : [printable(pace)]),
    ...(dirtyRows > 0 ? [`${printCount(dirtyRows)} rows changed meanwhile`] : []),
    `pause ${pauseAtLeast ? 'at least ' : ''}${pauseMs} ms`,
    ...(startedAtMs > 0 ? [`begun ${printAge(atMs - startedAtMs)} ago`] : []),
    ...(wish === 'run' ? [] : [`${wish} is wanted`]),
  ].join(' · ');
}

function waitsOf({ still, waitingFor }: Shown): string {
  if (still !== null) {
    const waited = waitingFor === '' ? '' : `; when last heard of it waited for ${printable(waitingFor)}`;
    return `no migrator works on it ${printSince(still)}${waited}`;
  }
  return waitingFor === '' ? '' : `waits for ${printable(waitingFor)}`;
}

function isOffered(
  action: 'pause' | 'continue' | 'resume' | 'abort',
  { wish, phase, still }: Shown,
): boolean {
  if (action === 'resume') return still !== null;
  if (action === 'abort') return wish !== 'abort' && phase === 'active';
  return phase === 'active' && (action === 'pause' ? wish === 'run' : wish === 'pause');
}

function describe(move: DryMove): string {
  const { source, target, sourceKeys, targetKeys, keys: brought, bytes, seconds, ...range } = move;
  const brings =
    brought === null || bytes === null ? '' : `, brings ${printCount(brought)} keys, ${printBytes(bytes)}`;
  const time = seconds === null ? '' : `, in about ${printSeconds(seconds)}`;
  const keys = (count: number | null): string =>
    count === null ? 'does not answer' : `${printCount(count)} keys now`;
  return `${printRange(range)} ${printable(source)} (${keys(sourceKeys)}) → ${printable(target)} (${keys(targetKeys)})${brings}${time}`;
}

function endedItem(move: ShownMove): Item<ShownMove> {
  const { mid, source, target, phase, why, keysCopied, pauseMs } = move;
  const reason = why === '' ? '' : `: ${printable(why)}`;
  const words = `${mid}: ${printRange(move)} ${printable(source)} → ${printable(target)}, ${phase}${reason}, ${printCount(keysCopied)} keys, pause ${pauseMs} ms`;
  return { element: make('li', '', words), update: () => undefined };
}

function failedItem({ what, why, atMs }: Failed): Item<Failed> {
  return {
    element: make('li', '', `${printTime(atMs)} ${what} failed: ${printable(why)}`),
    update: () => undefined,
  };
}
