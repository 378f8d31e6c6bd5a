/** Clusters and their nodes; and who else is connected to the keeper. */
import type { Document, ShownCluster, ShownNode, Visitor } from '../document.ts';
import { byId, type Item, List, make, setAttribute, setText, within } from './dom.ts';
import { printAge, printable, printCount } from './words.ts';

const COLUMNS = ['node', 'role', 'lag, slots', 'disk', 'applied', 'version'] as const;
/** Left out where there is little room. */
const MINOR: ReadonlySet<string> = new Set(['applied', 'version']);

/** Kinds of conditions that are said in a column of their own, or are the master's word on another node. */
const SAID: ReadonlySet<string> = new Set(['full', 'unseen', 'behind', 'absent', 'sealed', 'still']);

type Shown = ShownCluster & { readonly atMs: number };

/** Both sections. */
export class ClustersView {
  readonly #clusters: List<Shown>;
  readonly #visitors: List<Visitor>;

  constructor() {
    const nameOf = ({ cluster, isElsewhere }: Shown): string => `${cluster} ${isElsewhere}`;
    this.#clusters = new List(within(byId('clusters'), '.cards'), nameOf, clusterItem);
    this.#visitors = new List(
      within(byId('visitors'), 'ul'),
      ({ role, node, from }) => `${role} ${node} ${from}`,
      () => {
        const element = make('li');
        const update = ({ role, node, from, ageMs }: Visitor): void =>
          setText(
            element,
            `${role} ${printable(node)} from ${printable(from)}, connected for ${printAge(ageMs)}`,
          );
        return { element, update };
      },
    );
  }

  show({ clusters, visitors, atMs }: Document): void {
    const inOrder = [...clusters].sort((one, other) => {
      return Number(one.isKeeper) - Number(other.isKeeper) || (one.cluster < other.cluster ? -1 : 1);
    });
    this.#clusters.show(inOrder.map((each) => ({ ...each, atMs })));
    byId('visitors').hidden = visitors.length === 0;
    this.#visitors.show(visitors);
  }
}

function clusterItem({ cluster, isKeeper, isElsewhere }: Shown): Item<Shown> {
  const words = make('p', 'faint');
  const table = make('table');
  const head = make('tr');
  for (const column of COLUMNS) {
    const cell = make('th', MINOR.has(column) ? 'minor' : '', column);
    cell.scope = 'col';
    head.append(cell);
  }
  const body = make('tbody');
  table.append(make('thead', '', head), body);
  const rows = new List<ShownNode>(body, ({ name }) => name, nodeItem);
  const notes = make('ul', 'notes');
  const said = new List<string>(notes, (text) => text.replace(/\d+/g, ''), noteItem);
  const kind = isElsewhere ? 'at other addresses than the keeper knows' : isKeeper ? 'keeper' : '';
  const title = make('h3', '', printable(cluster), ...(kind === '' ? [] : [make('small', '', ` ${kind}`)]));
  return {
    element: make('article', 'card', title, words, table, notes),
    update: (shown) => {
      setText(words, copiesOf(shown));
      rows.show(shown.nodes);
      said.show(shown.nodes.flatMap(notesOf));
    },
  };
}

/** What a node has seen that ought not to be, as far as no column says it. */
function notesOf({ name, conditions }: ShownNode): string[] {
  return conditions
    .filter(({ kind }) => !SAID.has(kind))
    .map(({ detail }) => printable(`${name}: ${detail}`));
}

function noteItem(): Item<string> {
  const element = make('li');
  return { element, update: (text) => setText(element, text) };
}

/** What can be lost, and how old the last backup is. */
function copiesOf({ copies, backupMs, nodes, isElsewhere, atMs }: Shown): string {
  const owns = nodes.some(({ status }) => (status?.ranges ?? 0) > 0);
  const backup = backupMs === null ? 'no backup was noted' : `backup ${printAge(atMs - backupMs)} ago`;
  const said = owns ? ` · ${backup}` : '';
  if (isElsewhere) return '';
  if (copies === null) return `no master${said}`;
  const { members, fit, mayFail } = copies;
  const more = mayFail < 0 ? 'too few to go on' : mayFail === 0 ? 'none may fail' : `${mayFail} may fail`;
  return `${members} ${members === 1 ? 'copy' : 'copies'}, ${fit} up to date; ${more}${said}`;
}

function nodeItem({ name }: ShownNode): Item<ShownNode> {
  const head = make('th', '', printable(name));
  head.scope = 'row';
  const cells = COLUMNS.slice(1).map((column) => make('td', MINOR.has(column) ? 'minor' : ''));
  const reason = make('td', 'reason');
  reason.colSpan = COLUMNS.length - 1;
  const label = make('small');
  head.append(label);
  const element = make('tr', '', head, ...cells);
  return {
    element,
    update: (node) => {
      const { status, conditions, version, why } = node;
      setAttribute(element, 'data-state', stateOf(node));
      setText(label, status === null || status.label === '' ? '' : ` ${printable(status.label)}`);
      if (status === null) {
        setText(reason, `does not answer: ${printable(why)}`);
        if (reason.parentElement === null) element.replaceChildren(head, reason);
        return;
      }
      if (reason.parentElement !== null) element.replaceChildren(head, ...cells);
      const isFull = conditions.some(({ kind }) => kind === 'full');
      const texts = [
        status.isMaster ? '● master' : printable(status.role),
        status.lag === null ? '–' : printCount(status.lag),
        isFull ? 'full' : 'ok',
        String(status.applied),
        printable(version ?? ''),
      ];
      for (const [at, text] of texts.entries()) setText(cells[at] as HTMLElement, text);
    },
  };
}

/** Whether a row stands out. */
function stateOf({ status, conditions }: ShownNode): 'silent' | 'unwell' | 'master' | 'well' {
  if (status === null) return 'silent';
  if (conditions.some(({ kind }) => ['full', 'store', 'waits', 'refuses', 'noMaster'].includes(kind)))
    return 'unwell';
  return status.isMaster ? 'master' : 'well';
}
