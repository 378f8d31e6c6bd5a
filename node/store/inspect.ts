/** Reads the file of a store that no process has open, and changes nothing in it. */
import { existsSync } from 'node:fs';
import { FatalError } from '../../src/base/errors.ts';
import { checkStoreFile } from './check-file.ts';
import { dataFile, openEnvironment, openRunTables } from './environment.ts';
import { storeFailure } from './failures.ts';
import type { StorePlace } from './install.ts';
import { LmdbView } from './lmdb-view.ts';
import { readMeta } from './meta-rows.ts';
import { OverlaySnapshot } from './overlay.ts';
import { hasRuns, loadRuns } from './runs.ts';
import type { View } from './types.ts';

/**
 * Runs `body` with the image in the file of `place`, and the slot that it is of. Whoever calls has the home for itself.
 *
 * @throws FatalError as `LmdbStore.open`; HOME_UNUSABLE where there is no store
 */
export async function withStore<T>(
  place: StorePlace,
  body: (view: View, slot: number) => Promise<T>,
): Promise<T> {
  const { dir } = place;
  if (!existsSync(dataFile(dir))) {
    throw new FatalError(
      'HOME_UNUSABLE',
      `there is no store in ${dir}: node ${place.node} was never started here`,
    );
  }
  checkStoreFile(dir);
  try {
    const environment = openEnvironment(dir);
    try {
      const slot = readMeta(place, environment);
      const runs = hasRuns(dir, environment) ? [loadRuns(dir, environment, openRunTables(environment))] : [];
      const base = new LmdbView(dir, environment);
      const nothing = (): void => undefined;
      return await body(new OverlaySnapshot(slot, runs, base, nothing, nothing), slot);
    } finally {
      await environment.close();
    }
  } catch (error) {
    throw storeFailure(dir, error);
  }
}
