/** The page of the dashboard: asks every two seconds, shows what it is told, and says how old that is. */
import type { Document } from '../document.ts';
import { askDocument, keepToken } from './ask.ts';
import { ChartsView } from './charts.ts';
import { ClustersView } from './clusters.ts';
import { byId, setText } from './dom.ts';
import { History } from './history.ts';
import { MovesView } from './moves.ts';
import { SpaceView } from './space.ts';
import { VerdictView } from './verdict.ts';
import { printAge, printable, printTime } from './words.ts';

/** Between the end of one poll and the next (ms); and while nobody looks at the page. */
const POLL_MS = 2000;
const HIDDEN_MS = 10_000;
/** Older than this, what is shown says so (ms). */
const STALE_MS = 6000;

const history = new History();
const verdict = new VerdictView();
const space = new SpaceView();
const charts = new ChartsView(history);
const moves = new MovesView();
const clusters = new ClustersView();

/** When the last answer came (monotonic, ms), and by the clock on the wall; null before the first. */
let heardMs: number | null = null;
let heardAt = '';
let last: Document | null = null;
let wake = (): void => undefined;

function show(told: Document): void {
  last = told;
  heardMs = performance.now();
  heardAt = printTime(Date.now());
  const { kind, name, version } = told.process;
  setText(byId('whose'), `${name === kind ? '' : `${kind} `}${printable(name)}, version ${version}`);
  verdict.show(told);
  space.show(told, Date.now() / 1000);
  moves.show(told);
  clusters.show(told);
  history.add(told.answered, Date.now() / 1000);
  charts.show();
}

/** The process may be starting anew: what is known stays on the page, and is said to be old. */
function showSilence(why: string): void {
  const whose = last === null ? 'the process of this page' : `${last.process.kind} ${last.process.name}`;
  // The same words each time: they are read aloud when they change.
  const since = last === null ? '' : ` since ${heardAt}; below is what it said then`;
  verdict.showSilence(`${whose} does not answer (${why})${since}. It is asked again and again`);
  history.miss(Date.now() / 1000);
  charts.show();
}

function showAge(): void {
  const ageMs = heardMs === null ? null : performance.now() - heardMs;
  const isStale = ageMs === null || ageMs >= STALE_MS;
  document.body.classList.toggle('stale', isStale && last !== null);
  setText(byId('fresh'), ageMs === null ? '' : ageMs < 1000 ? 'just now' : `${printAge(ageMs)} ago`);
}

async function poll(): Promise<never> {
  for (;;) {
    const { answer, why } = await askDocument();
    if (answer === null) showSilence(why);
    else show(answer);
    showAge();
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, document.hidden ? HIDDEN_MS : POLL_MS);
    });
  }
}

keepToken();
setInterval(showAge, 1000);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) wake();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => space.draw());
void poll();
