/** Functions of users as replicated state: who may change them, and how a cluster comes to have those of its keeper. */
import { sha256Of } from '../../src/keyspace/digest.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import {
  FUNCTIONS_MAX,
  type FunctionEntry,
  type FunctionNote,
  type FunctionSet,
  type FunctionsPage,
  type FunctionsStatus,
  REMOVED,
  whyNoName,
  whyNoSource,
} from '../../src/protocol/admin/functions.ts';
import type { Work } from '../store/types.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { isKeeper } from './registry.ts';
import { type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;
type FunctionsPlace = Pick<SystemState, 'bound' | 'functionsVersion'>;

/** Sources of one page of functions (bytes); the last one may go beyond it. */
const PAGE_BYTES = 1024 * 1024;

/** Keeps a function: at the keeper, or at a cluster without one. Only bytes are stored: whoever proposes it has tried them. */
export function putFunction(draft: Draft, { name, source }: Of<'putFunction'>): AdminAnswer {
  const why = whyNotHere(draft.state) ?? whyNoName(name) ?? whyNoSource(source);
  if (why !== null) return refused(why);
  const { functions } = draft.state;
  if (!functions.has(name) && functions.size >= FUNCTIONS_MAX) {
    return refused(`there are ${FUNCTIONS_MAX} functions, the most there may be: remove one first`);
  }
  return { kind: 'changed', version: change(draft, name, source) };
}

/** Drops a function. Clusters hear of it by what the keeper has from then on. */
export function removeFunction(draft: Draft, { name }: Of<'removeFunction'>): AdminAnswer {
  const why = whyNotHere(draft.state);
  if (why !== null) return refused(why);
  if (!draft.state.functions.has(name)) return { kind: 'none' };
  return { kind: 'changed', version: change(draft, name, null) };
}

/**
 * Brings this cluster on to what its keeper has: proposed by its own master. What comes late or twice does nothing, so that
 * functions never go back. What the keeper has no more goes, whenever it was removed. Only what the cluster had of its own before it
 * came to any keeper stays, until its keeper has one of that name.
 */
export function takeFunctions(draft: Draft, page: Of<'takeFunctions'>): AdminAnswer {
  const { bound, functionsVersion, functions: before } = draft.state;
  if (bound === null || bound.keeper.founding !== page.keeper || isKeeper(draft.state)) {
    return refused(`functions of keeper ${page.keeper} are not for this cluster`);
  }
  const isFirst = functionsVersion.keeper !== page.keeper;
  if (page.from !== (isFirst ? 0 : functionsVersion.version)) {
    return { kind: 'busy', why: `functions are at version ${functionsVersion.version} here` };
  }
  const names = new Set(page.names ?? before.keys());
  const isOwn = functionsVersion.keeper === '';
  const stay = [...before].flatMap(([name, { version, source }]): [string, FunctionEntry][] => {
    if (names.has(name)) return [[name, { version, source }]];
    if (isOwn) return [[name, { version: version - functionsVersion.version - 1, source }]];
    return version < 0 ? [[name, { version, source }]] : [];
  });
  const come = page.functions.map(({ name, ...entry }): [string, FunctionEntry] => [name, entry]);
  const all = [...new Map([...stay, ...come])].filter(([, { source }]) => source !== REMOVED);
  draft.update({
    functions: new Map(all.sort(([a], [b]) => (a < b ? -1 : 1))),
    functionsVersion: { keeper: page.keeper, version: page.version },
  });
  return { kind: 'changed', version: page.version };
}

/** The engine that runs every function from the next slot's on: proposed by the master, once every member has it. */
export function useEngine(draft: Draft, { engine }: Of<'useEngine'>): AdminAnswer {
  if (engine !== draft.state.engine) draft.update({ engine });
  return { kind: 'ok' };
}

/**
 * Functions that came after `version`, up to some length. A keeper without a map tells clusters nothing: it takes the place of a lost
 * one, and a survivor of that may lack what its clusters have, and will tell it (`installFunctions`).
 */
export function functionsAbove(state: SystemState, version: number): FunctionsPage {
  const { functionsVersion, functions } = state;
  if (isKeeper(state) && state.map.isEmpty && version >= 0)
    return { keeper: keeperOf(state), names: [], version, functions: [] };
  const above = [...functions]
    .map(([name, entry]) => ({ name, ...entry }))
    .filter((each) => each.version > version)
    .sort((a, b) => a.version - b.version);
  let bytes = 0;
  const cut = above.findIndex(({ source }) => {
    const isFull = bytes >= PAGE_BYTES;
    bytes += source.length;
    return isFull;
  });
  const page = { keeper: keeperOf(state), names: [...functions.keys()] };
  if (cut < 0) return { ...page, version: functionsVersion.version, functions: above };
  const some = above.slice(0, cut);
  return { ...page, version: some.at(-1)?.version ?? version, functions: some };
}

/** Functions for people, without their sources. */
export function* functionsStatus(state: SystemState): Work<FunctionsStatus> {
  const functions: FunctionNote[] = [];
  for (const [name, { version, source }] of state.functions) {
    functions.push({ name, version, bytes: source.length, sha256: sha256Of(source) });
    yield;
  }
  const { version } = state.functionsVersion;
  return { keeper: keeperOf(state), version, engine: state.engine, functions };
}

/** The keeper whose functions this cluster has; '' where they are its own. */
function keeperOf(state: SystemState): string {
  return isKeeper(state) ? (state.bound?.mine ?? '') : state.functionsVersion.keeper;
}

/** How far this cluster has come with the functions of the keeper that it belongs to; 0 where it has none of them, or no keeper. */
export function versionInNursery({ bound, functionsVersion }: FunctionsPlace): number {
  if (bound === null) return 0;
  const isOwn = bound.mine === bound.keeper.founding || functionsVersion.keeper === bound.keeper.founding;
  return isOwn ? functionsVersion.version : 0;
}

/** Why a move must wait: what clients call at the source may not be here yet; null where it is. */
export function functionsInTheWay(state: FunctionsPlace, source: number): string | null {
  const version = versionInNursery(state);
  if (version >= source) return null;
  return `the functions here are at version ${version} of the keeper's, those of the source at ${source}`;
}

/**
 * With what a keeper begins that takes the place of a lost one. All that clusters have came from one list of versions, so that the highest
 * one is the newest; a survivor of the keeper may have a newer one itself.
 */
export function installFunctions(draft: Draft, { version, functions }: FunctionSet): void {
  if (version <= draft.state.functionsVersion.version) return;
  const entries = functions.map(({ name, ...entry }): [string, FunctionEntry] => [name, entry]);
  draft.update({
    functions: new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1))),
    functionsVersion: { keeper: '', version },
  });
}

function whyNotHere(state: SystemState): string | null {
  // What owns everything from its founding on is in no nursery; another one gets to know its keeper, or that it is the keeper itself.
  if (state.bound === null)
    return state.owned.length > 0 ? null : 'this cluster does not know its nursery yet: try again';
  if (!isKeeper(state))
    return 'functions are put and removed at the keeper of the nursery, which tells all of its clusters';
  // One that takes the place of a lost keeper is given those that clusters have, together with its map.
  return state.map.isEmpty
    ? 'this keeper has no map yet: nursery init gives it one, or nursery rescue keeper where it takes the place of one that is lost'
    : null;
}

function change(draft: Draft, name: string, source: Uint8Array | null): number {
  const { functions, functionsVersion } = draft.state;
  const version = functionsVersion.version + 1;
  // A copy: a batch is not kept for as long.
  const entry = source === null ? null : { version, source: Buffer.from(source) };
  draft.update({
    functions: withEntry(functions, name, entry),
    functionsVersion: { ...functionsVersion, version },
  });
  return version;
}
