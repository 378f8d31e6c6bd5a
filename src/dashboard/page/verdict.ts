/** How it is, in a word and a colour; and what is wrong, since when, with what to type. */
import type { Document, ShownFinding, Since } from '../document.ts';
import { byId, commandOf, type Item, List, make, setAttribute, setHidden, setText, within } from './dom.ts';
import { printAge, printable } from './words.ts';

const SIGNS = { healthy: '✓', atRisk: '!', notServing: '✕', unknown: '?' } as const;
const SEVERITIES = { notServing: 'not serving', atRisk: 'at risk', note: 'note' } as const;

/** Both parts, at the top of the page. */
export class VerdictView {
  readonly #findings: List<ShownFinding>;

  constructor() {
    const list = within(byId('findings'), 'ul');
    this.#findings = new List(
      list,
      ({ kind, subject, what }) => `${kind} ${subject} ${stable(what)}`,
      findingItem,
    );
  }

  show({ verdict, findings }: Document): void {
    showState(verdict.state, verdict.words);
    setHidden(byId('findings'), findings.length === 0);
    this.#findings.show(findings);
  }

  /** Nobody answers the page, so that nobody knows. */
  showSilence(words: string): void {
    showState('unknown', words);
  }
}

function showState(state: keyof typeof SIGNS, words: string): void {
  setAttribute(byId('verdict'), 'data-state', state);
  setText(byId('verdict-sign'), SIGNS[state]);
  setText(byId('verdict-words'), printable(words));
  const title = `${SIGNS[state]} ${printable(words).slice(0, 80)}`;
  if (document.title !== title) document.title = title;
}

/** Numbers in it may change with each look; it is the same finding. */
function stable(what: string): string {
  return what.replace(/\d+/g, '');
}

function findingItem({ severity, command }: ShownFinding): Item<ShownFinding> {
  const what = make('p', 'what');
  const since = make('p', 'since');
  const todo = make('p', 'todo');
  const typed = make('p', 'typed');
  const element = make(
    'li',
    'finding',
    make('span', 'severity', SEVERITIES[severity]),
    what,
    since,
    todo,
    typed,
  );
  setAttribute(element, 'data-severity', severity);
  let shown: string | null = null;
  if (command === null) setHidden(typed, true);
  return {
    element,
    update: (finding) => {
      setText(what, printable(finding.what));
      setText(since, finding.since === null ? '' : printSince(finding.since));
      setText(todo, finding.todo === null ? '' : printable(finding.todo));
      if (finding.command === shown) return;
      shown = finding.command;
      setHidden(typed, shown === null);
      typed.replaceChildren(...(shown === null ? [] : ['type ', commandOf(printable(shown))]));
    },
  };
}

export function printSince({ sinceMs, ageMs, by }: Since): string {
  const at = new Date(sinceMs).toISOString().slice(0, 19).replace('T', ' ');
  return `for ${printAge(ageMs)}, since ${at} UTC by the clock of ${printable(by)}`;
}
