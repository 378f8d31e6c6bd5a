/** Functions of users, as commands, queries and rows have them. */
import { storedWithMore } from '../../identity/founding.ts';
import { bytes, type Codec, type Coded, i64, list, option, struct, text } from '../../wire/codec.ts';

const stored = option(bytes);
/** Of a function that was removed: earlier builds kept its name, without a source. No function has an empty one. */
export const REMOVED = new Uint8Array(0);

/** Bytes that are a copy: a function is kept for longer than what it came in. */
const kept: Codec<Uint8Array> = {
  write: (writer, source) => stored.write(writer, source === REMOVED ? null : source),
  read: (reader) => {
    const source = stored.read(reader);
    return source === null ? REMOVED : Buffer.from(source);
  },
};

/**
 * A function as it is stored: the version of all functions at which it came, and its source. Below 0: a cluster had it before it came to
 * a keeper, and this keeper has none of its name.
 */
const entry = { version: i64, source: kept };
export const functionEntryCodec = struct(entry);
export type FunctionEntry = Coded<typeof functionEntryCodec>;

/** The same with its name. */
export const namedFunctionCodec = struct({ name: text, ...entry });
export type NamedFunction = Coded<typeof namedFunctionCodec>;

/** How far a cluster has come: the founding of the keeper whose functions it has ('': its own), and their version. */
export const functionsVersionCodec = struct({ keeper: text, version: i64 });
export type FunctionsVersion = Coded<typeof functionsVersionCodec>;
/** Nothing was ever put. */
export const NO_FUNCTIONS: FunctionsVersion = { keeper: '', version: 0 };

/** For people: a function without its source. `sha256`: of the source, in hexadecimal. */
export const functionNoteCodec = struct({ name: text, version: i64, bytes: i64, sha256: text });
export type FunctionNote = Coded<typeof functionNoteCodec>;

/** What a cluster has: how far it has come, and the engine in force, '' before there is one. */
export const functionsStatusCodec = struct({
  ...{ keeper: text, version: i64, engine: text },
  functions: list(functionNoteCodec),
});
export type FunctionsStatus = Coded<typeof functionsStatusCodec>;

/**
 * Some of them, ascending by version, above the version that was asked for. `version`: up to here none is left out. `names`: of all
 * that there are; what is not among them was removed, however long ago.
 */
export const functionsPageCodec = struct({
  ...{ keeper: text, version: i64, functions: list(namedFunctionCodec) },
  names: list(text),
});
export type FunctionsPage = Coded<typeof functionsPageCodec>;

/** All functions of a nursery as of one version. */
export const functionSetCodec = struct({ version: i64, functions: list(namedFunctionCodec) });
export type FunctionSet = Coded<typeof functionSetCodec>;

/** By the master: what came at `keeper` since version `from` of its functions, up to `version`. */
const changedCodec = struct({ keeper: text, from: i64, version: i64, functions: list(namedFunctionCodec) });
/** `names`: of all that the keeper has; what is not among them goes. Earlier builds said what was removed since instead. */
export const takeFunctionsCodec: Codec<Coded<typeof changedCodec> & { readonly names?: readonly string[] }> =
  storedWithMore(
    changedCodec,
    list(text),
    ({ names }) => names ?? null,
    (value, names) => ({ ...value, names }),
  );

/** Said by clusters of a move, and missing where it is 0: how far the functions are, of a cluster or of the keeper. */
export type SaysFunctions = { readonly functions?: number };

/** What ends a message, and says behind that how far the functions are. */
export function withFunctions<T extends object>(codec: Codec<T>): Codec<T & SaysFunctions> {
  return storedWithMore(
    codec,
    i64,
    ({ functions = 0 }) => (functions > 0 ? functions : null),
    (value, functions) => ({ ...value, functions }),
  );
}

/** Longest source (bytes). */
export const SOURCE_MAX = 64 * 1024;
/** Functions of a cluster. */
export const FUNCTIONS_MAX = 256;
/** Longest name of a function (bytes). */
export const FUNCTION_NAME_MAX = 256;

/** Why a function cannot have this name; null where it can. */
export function whyNoName(name: string): string | null {
  if (name.length === 0 || name.length > FUNCTION_NAME_MAX) {
    return `a function's name of ${name.length} characters: it has 1 to ${FUNCTION_NAME_MAX}`;
  }
  return /^[\x21-\x7e]*$/.test(name)
    ? null
    : `a function's name is printable ASCII without blanks: "${name}"`;
}

/** Why a source is too long; null where it is not. */
export function whyNoSource(source: Uint8Array): string | null {
  return source.length > SOURCE_MAX
    ? `a function of ${source.length} bytes: the limit is ${SOURCE_MAX} bytes`
    : null;
}
