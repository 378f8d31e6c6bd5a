/** What the node of a keeper notes, for people, of those who introduce themselves to it. */
import type { Claim, KnownLife, Standing, Verdict } from '../../src/identity/founding.ts';
import type { Notes } from '../serve/notes.ts';
import { placeOf } from './announcement.ts';

/** How long a refusal is shown (ms). */
export const REFUSAL_SHOWN_MS = 60_000;

/** Notes on whom this keeper has refused, and on whoever speaks from two places. */
export class Callers {
  readonly #notes: Notes;

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  /** This keeper has refused a founding that somebody at `remote` introduced. */
  noteRefusal(
    asked: { readonly cluster: string; readonly founding: string },
    remote: string,
    said: Standing,
  ): void {
    if (!isRefusal(said.verdict) || (asked.founding === '' && said.verdict === 'taken')) return;
    const text = `refused founding ${asked.founding} of cluster ${asked.cluster}, which a connection from ${remote} introduced: ${said.why}`;
    this.#notes.set(`refused ${asked.cluster} ${asked.founding}`, text, REFUSAL_SHOWN_MS);
  }

  /** This keeper was told an address of a node that it knows elsewhere, or has heard from both: its life runs twice. */
  noteClaim({ cluster, node }: { readonly cluster: string; readonly node: string }, said: Standing): void {
    const claim = said.presences.find((presence) => presence.node === node)?.claim ?? null;
    const known = said.members.find((life) => life.node === node);
    if (claim === null || known === undefined) return;
    this.#notes.set(`twice ${cluster} ${node}`, twinOf(cluster, known, claim), REFUSAL_SHOWN_MS);
  }
}

/** Whether a keeper that says so has refused a founding. */
function isRefusal(verdict: Verdict): boolean {
  return verdict === 'taken' || verdict === 'unfit' || verdict === 'dead' || verdict === 'foreign';
}

/** What a keeper says of a life that has spoken from two places. */
function twinOf(cluster: string, known: KnownLife, claim: Claim): string {
  const { node } = known;
  return claim.refused
    ? `node ${node} of cluster ${cluster} runs twice in one life: at ${placeOf(known)}, and from a copy of its home at ${placeOf(claim)}, which is refused`
    : `node ${node} of cluster ${cluster}, known at ${placeOf(known)}, claims to be at ${placeOf(claim)}: that counts once the former place has been silent for long enough`;
}
