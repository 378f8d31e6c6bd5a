/**
 * How often a migrator tells the keeper that it lives, and after which time without that it is taken for dead. One that waits
 * before anybody is the worse for it beats slower, since each beat is a slot of the keeper; that it waits stands in its record.
 */
import type { Progress } from '../../src/protocol/admin/admin.ts';
import type { Settings } from './settings.ts';

/** Stage on record of a migration whose migrator went down in order: nobody works on it, and anybody may at once. */
export const GIVEN_UP = 'given up';

/** Stages from the check that precedes the seal to the activation: whoever takes over then must do so soon. */
const URGENT: ReadonlySet<string> = new Set(['sealing', 'sealed']);

/** Stages before the check that precedes the seal: nobody waits for the migration. */
const UNHURRIED: ReadonlySet<string> = new Set(['preparing', 'copying', 'catching up', 'merging', 'paused']);

/** Whether whoever wrote this into the record waits, and so beats slower. */
export function beatsSlower({ stage, waitingFor }: Progress): boolean {
  return waitingFor !== '' && UNHURRIED.has(stage);
}

/** Between two beats (ms): slower only once the record says so, for until then others expect the next one soon. */
export function beatMs(settings: Settings, noted: Progress, now: Progress): number {
  if (isUrgent(now)) return settings.sealedHeartbeatMs;
  const isSlow = beatsSlower(noted) && beatsSlower(now);
  return isSlow ? settings.heartbeatMs * settings.waitingBeats : settings.heartbeatMs;
}

/** Whether clients of the range wait, or are about to. */
export function isUrgent({ stage }: Progress): boolean {
  return URGENT.has(stage);
}

/** How long the heartbeat of a record with this progress stands still before the migration may be claimed (ms). */
export function claimAfterMs(settings: Settings, noted: Progress): number {
  if (noted.stage === GIVEN_UP) return 0;
  return beatsSlower(noted) ? settings.claimAfterMs * settings.waitingBeats : settings.claimAfterMs;
}
