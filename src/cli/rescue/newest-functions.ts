/** Which functions of users a new keeper goes on with in the place of one that is lost. Pure. */
import type { FunctionSet } from '../../protocol/admin/functions.ts';
import type { Told } from './rebuild.ts';

/**
 * The cluster that has come furthest with the functions of its keeper; null where none has any. Each has all that its keeper had at some
 * version, and a new keeper goes on counting where the one before was: so the highest version is the newest, and nothing has to be
 * put together from several.
 */
export function newestFunctions(told: readonly Told[]): Told | null {
  // Without a keeper they are a cluster's own.
  const from = told.filter(
    ({ belongings: { functions } }) => functions.keeper !== '' && functions.version > 0,
  );
  const highest = Math.max(...from.map(({ belongings }) => belongings.functions.version));
  return from.find(({ belongings }) => belongings.functions.version === highest) ?? null;
}

/**
 * Why the new keeper cannot go on with what that node has; null where it can. Every node answers what functions it has, and one that was
 * master when its cluster told may lag by now, as where it lost its store: a keeper would be behind its own cluster, and what clients call
 * there would be nowhere else.
 */
export function whyNotNewest({ belongings }: Told, node: string, { version }: FunctionSet): string | null {
  const told = belongings.functions.version;
  return version === told
    ? null
    : `${node} has functions at version ${version}, not ${told}: type the same again`;
}
