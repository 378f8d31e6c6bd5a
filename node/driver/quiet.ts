/** Until when a node may rest, since nothing is due at it. */
import { restsUntilMs } from '../paxos/rest.ts';
import type { Driver } from './driver.ts';
import type { World } from './world.ts';

/** What may have something to do. */
export type Restless = Pick<World, 'nowMs'> & {
  readonly driver: Pick<Driver, 'replica'> & { readonly machine: Pick<Driver['machine'], 'cleanups'> };
  readonly introduction: { readonly waits: string | null };
  readonly store: Pick<World['store'], 'overlayBytes'>;
};

/** Until when nothing is due for certain (ms): all is flushed, nobody waits, and consensus rests. 0 where that is not so. */
export function quietUntilMs({ driver, introduction, store, nowMs }: Restless): number {
  if (store.overlayBytes > 0 || driver.machine.cleanups.length > 0 || introduction.waits !== null) return 0;
  return restsUntilMs(driver.replica, nowMs());
}
