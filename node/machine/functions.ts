/** Functions of users as replicated state: who may change them, and how a cluster comes to have those of its keeper. */
import { sha256Of } from '../../src/keyspace/digest.ts';
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import {
  FUNCTIONS_MAX,
  type FunctionEntry,
  type FunctionNote,
  type FunctionsPage,
  type FunctionsStatus,
  whyNoName,
  whyNoSource,
} from '../../src/protocol/admin/functions.ts';
import type { Work } from '../store/types.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { isKeeper } from './registry.ts';
import { type SystemState, withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;
type Functions = SystemState['functions'];
type FunctionsPlace = Pick<SystemState, 'bound' | 'functionsVersion'>;

/** Sources of one page of functions (bytes); the last one may go beyond it. */
const PAGE_BYTES = 1024 * 1024;

/** Keeps a function: at the keeper, or at a cluster without one. Only bytes are stored: whoever proposes it has tried them. */
export function putFunction(draft: Draft, { name, source }: Of<'putFunction'>): AdminAnswer {
  const why = whyNotHere(draft.state) ?? whyNoName(name) ?? whyNoSource(source);
  if (why !== null) return refused(why);
  const { functions } = draft.state;
  const isNew = (functions.get(name)?.source ?? null) === null;
  if (isNew && present(functions).length >= FUNCTIONS_MAX) {
    return refused(`there are ${FUNCTIONS_MAX} functions, the most there may be: remove one first`);
  }
  return { kind: 'changed', version: change(draft, name, source) };
}

/** Drops a function; its name stays for as long as clusters may have to hear that it is gone. */
export function removeFunction(draft: Draft, { name }: Of<'removeFunction'>): AdminAnswer {
  const why = whyNotHere(draft.state);
  if (why !== null) return refused(why);
  if ((draft.state.functions.get(name)?.source ?? null) === null) return { kind: 'none' };
  return { kind: 'changed', version: change(draft, name, null) };
}

/**
 * Brings this cluster on to what its keeper has: proposed by its own master. What comes late or twice does nothing, so that
 * functions never go back.
 */
export function takeFunctions(draft: Draft, page: Of<'takeFunctions'>): AdminAnswer {
  const { bound, functionsVersion } = draft.state;
  if (bound === null || bound.keeper.founding !== page.keeper || isKeeper(draft.state)) {
    return refused(`functions of keeper ${page.keeper} are not for this cluster`);
  }
  const isFirst = functionsVersion.keeper !== page.keeper;
  if (page.from !== (isFirst ? 0 : functionsVersion.version)) {
    return { kind: 'busy', why: `functions are at version ${functionsVersion.version} here` };
  }
  let { functions } = draft.state;
  for (const { name, version, source } of page.functions) {
    functions = withEntry(functions, name, { version, source });
  }
  draft.update({
    functions: withoutOldRemovals(functions),
    functionsVersion: { keeper: page.keeper, version: page.version },
  });
  return { kind: 'changed', version: page.version };
}

/** The engine that runs every function from the next slot's on: proposed by the master, once every member has it. */
export function useEngine(draft: Draft, { engine }: Of<'useEngine'>): AdminAnswer {
  if (engine !== draft.state.engine) draft.update({ engine });
  return { kind: 'ok' };
}

/** Functions that came after `version`, up to some length. */
export function functionsAbove(state: SystemState, version: number): FunctionsPage {
  const { functionsVersion, functions } = state;
  const above = [...functions]
    .map(([name, entry]) => ({ name, ...entry }))
    .filter((each) => each.version > version)
    .sort((a, b) => a.version - b.version);
  let bytes = 0;
  const cut = above.findIndex(({ source }) => {
    const isFull = bytes >= PAGE_BYTES;
    bytes += source?.length ?? 0;
    return isFull;
  });
  const keeper = keeperOf(state);
  if (cut < 0) return { keeper, version: functionsVersion.version, functions: above };
  const page = above.slice(0, cut);
  return { keeper, version: page.at(-1)?.version ?? version, functions: page };
}

/** Functions for people, without their sources. */
export function* functionsStatus(state: SystemState): Work<FunctionsStatus> {
  const functions: FunctionNote[] = [];
  for (const [name, { version, source }] of state.functions) {
    if (source === null) continue;
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

/** The functions that there are, without those that were removed. */
export function present(functions: Functions): readonly (readonly [string, FunctionEntry])[] {
  return [...functions].filter(([, { source }]) => source !== null);
}

function whyNotHere(state: SystemState): string | null {
  if (state.bound === null || isKeeper(state)) return null;
  return 'functions are put and removed at the keeper of the nursery, which tells all of its clusters';
}

function change(draft: Draft, name: string, source: Uint8Array | null): number {
  const { functions, functionsVersion } = draft.state;
  const version = functionsVersion.version + 1;
  // A copy: a batch is not kept for as long.
  const kept = source === null ? null : Buffer.from(source);
  draft.update({
    functions: withoutOldRemovals(withEntry(functions, name, { version, source: kept })),
    functionsVersion: { ...functionsVersion, version },
  });
  return version;
}

/** Of names of removed functions only so many are kept, the last ones. */
function withoutOldRemovals(functions: Functions): Functions {
  const removed = [...functions].filter(([, { source }]) => source === null);
  if (removed.length <= FUNCTIONS_MAX) return functions;
  const oldest = removed.sort(([, a], [, b]) => a.version - b.version).slice(0, -FUNCTIONS_MAX);
  return oldest.reduce<Functions>((kept, [name]) => withEntry(kept, name, null), functions);
}
