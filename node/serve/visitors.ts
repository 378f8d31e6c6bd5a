/** Whose links a node holds, for people: routers, migrators and nodes of other clusters say who they are in their hello. */
import type { Role } from '../../src/link/frames.ts';
import type { Link } from '../../src/link/link.ts';
import type { Visitor } from '../../src/protocol/admin/node-facts.ts';

/** Of whom people want to know; clients are counted elsewhere. */
const LISTED: ReadonlySet<Role> = new Set(['router', 'migrator']);
/** Visitors that are listed at most. */
const VISITORS_MAX = 1000;

/** The links that are open, oldest first. */
export class Visitors {
  readonly #wallMs: () => number;
  readonly #links = new Map<Link, Visitor>();

  /** @param wallMs the wall clock (ms since 1970) */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  opened(link: Link): void {
    const { role, node } = link.peer;
    if (!LISTED.has(role) || this.#links.size >= VISITORS_MAX) return;
    this.#links.set(link, { role, node, remote: link.remote, sinceMs: this.#wallMs() });
  }

  closed(link: Link): void {
    this.#links.delete(link);
  }

  get all(): Visitor[] {
    return [...this.#links.values()];
  }
}
