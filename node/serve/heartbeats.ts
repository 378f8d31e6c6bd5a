/**
 * Since when the heartbeat of each open migration stands still at this keeper, by this node's own clock, which has no place in
 * replicated state. For people only: who takes a migration over watches by itself.
 */
import type { Migration } from '../../src/protocol/admin/admin.ts';

/** A heartbeat that stands still for this long is worth a word (ms). A migrator that waits for something beats every three seconds. */
const STILL_MS = 5000;

type Migrations = ReadonlyMap<number, Migration>;
type Beat = { readonly token: number; readonly heartbeat: number; readonly atMs: number };
/** What goes on with it, beside a migrator, where an operator holds it up. */
type Watched = Beat & { readonly held: string };

/** Watches the records of one keeper. */
export class Heartbeats {
  #beats = new Map<number, Watched>();
  #seen: Migrations | null = null;

  /** To be called now and then with the records that there are; a map that is the same object as before has changed nothing. */
  look(migrations: Migrations, nowMs: number): void {
    if (migrations === this.#seen) return;
    this.#seen = migrations;
    const beats = new Map<number, Watched>();
    for (const record of migrations.values()) {
      const { mid, phase, token, heartbeat } = record;
      if (phase !== 'active' && phase !== 'published') continue;
      const before = this.#beats.get(mid);
      const isSame = before?.token === token && before.heartbeat === heartbeat;
      const atMs = isSame ? before.atMs : nowMs;
      beats.set(mid, { token, heartbeat, atMs, held: heldBy(record) });
    }
    this.#beats = beats;
  }

  /** What people should know: migrations that nobody seems to work on, as far as this node has watched. */
  notes(nowMs: number): string[] {
    return this.still(nowMs).map(({ mid, atMs }) => {
      const held = this.#beats.get(mid)?.held ?? '';
      const waits = `migration ${mid}: no migrator has noted progress for ${Math.floor((nowMs - atMs) / 1000)} s`;
      return held === ''
        ? `${waits}; nursery migrate --config FILE --resume goes on with it`
        : `${waits}, and an operator holds it up; nursery migrate --config FILE ${held}, and --resume, go on with it`;
    });
  }

  /** The same as numbers: each migration, and when its heartbeat was last seen to move. */
  still(nowMs: number): { readonly mid: number; readonly atMs: number }[] {
    const still = [...this.#beats].filter(([, { atMs }]) => nowMs - atMs >= STILL_MS);
    return still.map(([mid, { atMs }]) => ({ mid, atMs }));
  }
}

function heldBy({ mid, phase, wish, asked }: Migration): string {
  if (phase !== 'active' || wish === 'abort') return '';
  if (wish === 'pause') return `--continue ${mid}`;
  return asked?.rate === 0 ? `--rate BYTES --of ${mid}` : '';
}
