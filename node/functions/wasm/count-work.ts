/**
 * Rewrites a WebAssembly module so that it counts its own work, and stops at a limit: the count is the same in every process,
 * whatever that compiled before.
 *
 * Added are four globals, which are exported together with the stack pointer:
 * - `work`, of 64 bits: counts down by one at each function that is entered and at each round of a loop, and by length / 64
 *   where memory is copied or filled. Below zero, the module traps.
 * - `depth`: functions that are entered and not left. Above `depthMax` the module traps, long before the stack of the
 *   machine that runs it ends: where that is depends on how the code was compiled.
 * - `pages`: what the module believes its memory to have (64 KiB each). Whoever gives out memory asks the import for more
 *   where that is not enough, so that nothing above was ever touched.
 * - `stack`: the stack pointer of the module itself. Below `stackFloor` it traps.
 */
import {
  malformedWasm,
  moduleOf,
  SECTIONS,
  type Section,
  sectionOf,
  sectionsOf,
  signed,
  unsigned,
  WasmReader,
} from './binary.ts';
import { BULK, NO_RESULT, OPS, readInstruction } from './instructions.ts';

/** Limits that are written into the code. */
export type Limits = {
  /** Functions of the module that may be entered and not left. */
  readonly depthMax: number;
  /** Lowest value that the stack pointer, which is global 0, may have (bytes). */
  readonly stackFloor: number;
};

const TYPES = { i32: 0x7f, i64: 0x7e } as const;
const FUNCTION_TYPE = 0x60;
const IMPORT_KINDS = { FUNCTION: 0, TABLE: 1, MEMORY: 2, GLOBAL: 3 } as const;
const EXPORTED_GLOBAL = 3;
const MUTABLE = 1;
/** The stack pointer: compilers of C make it the first global. */
const STACK_POINTER = 0;
/** Bytes of memory that are copied or filled for one unit of work: 2 to this power. */
const BYTES_OF_A_UNIT_LOG2 = 6;

/** The work that there is at first, so that the module can begin: more than is ever done (a LEB128 integer, 2^55 - 1). */
const PLENTY = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f];

/** Indexes of what is added. */
type Added = {
  readonly work: number;
  readonly depth: number;
  readonly pages: number;
  readonly copy: number;
  readonly fill: number;
};

/**
 * The rewritten module.
 *
 * @throws NurseryError MALFORMED where it has instructions, or results of functions, that are not known here
 */
export function countWork(wasm: Uint8Array, limits: Limits): Uint8Array {
  const sections = sectionsOf(wasm);
  const imported = importsOf(sectionOf(sections, SECTIONS.IMPORT));
  const types = sectionOf(sections, SECTIONS.TYPE);
  const results = resultsOf(types);
  const functions = sectionOf(sections, SECTIONS.FUNCTION);
  const typesOfFunctions = integersOf(functions);
  const globals = sectionOf(sections, SECTIONS.GLOBAL);
  const firstGlobal = imported.globals + new WasmReader(globals.body).u32();
  const firstFunction = imported.functions + typesOfFunctions.length;
  const added: Added = {
    work: firstGlobal,
    depth: firstGlobal + 1,
    pages: firstGlobal + 2,
    copy: firstFunction,
    fill: firstFunction + 1,
  };

  // Copy and fill take a place, a place or a byte, and a length.
  const bulkType = results.length;
  append(types, [[FUNCTION_TYPE, 3, TYPES.i32, TYPES.i32, TYPES.i32, 0]]);
  append(functions, [unsigned(bulkType), unsigned(bulkType)]);
  append(globals, [
    [TYPES.i64, MUTABLE, OPS.I64_CONST, ...PLENTY, OPS.END],
    [TYPES.i32, MUTABLE, OPS.I32_CONST, 0, OPS.END],
    [TYPES.i32, MUTABLE, OPS.I32_CONST, 0, OPS.END],
  ]);
  append(sectionOf(sections, SECTIONS.EXPORT), [
    exported('work', added.work),
    exported('depth', added.depth),
    exported('pages', added.pages),
    exported('stack', STACK_POINTER),
  ]);

  const resultOf = (index: number): number | undefined => results[typesOfFunctions[index] ?? -1];
  const code = sectionOf(sections, SECTIONS.CODE);
  code.body = rewriteCode(code.body, resultOf, added, limits);
  return moduleOf(wasm, sections);
}

/** Adds items to a section that begins with their number. */
function append(section: Section, items: readonly number[][]): void {
  const reader = new WasmReader(section.body);
  const count = reader.u32() + items.length;
  section.body = Buffer.concat([Uint8Array.from(unsigned(count)), reader.rest(), ...items.map(bytesOf)]);
}

function bytesOf(bytes: number[]): Uint8Array {
  return Buffer.from(bytes);
}

function exported(name: string, global: number): number[] {
  return [name.length, ...Buffer.from(name, 'latin1'), EXPORTED_GLOBAL, ...unsigned(global)];
}

/** How many functions and globals are imported: the indexes of its own begin behind them. */
function importsOf(section: Section): { functions: number; globals: number } {
  const reader = new WasmReader(section.body);
  const counts = { functions: 0, globals: 0 };
  for (let count = reader.u32(); count > 0; count -= 1) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === IMPORT_KINDS.FUNCTION) {
      reader.u32();
      counts.functions += 1;
    } else if (kind === IMPORT_KINDS.MEMORY) skipLimits(reader);
    else if (kind === IMPORT_KINDS.TABLE) {
      reader.byte();
      skipLimits(reader);
    } else if (kind === IMPORT_KINDS.GLOBAL) {
      reader.take(2);
      counts.globals += 1;
    } else throw malformedWasm(`it imports something of kind ${kind}`);
  }
  return counts;
}

function skipLimits(reader: WasmReader): void {
  const hasMaximum = (reader.byte() & 1) === 1;
  reader.u32();
  if (hasMaximum) reader.u32();
}

/** Per function type, the block type that has the same result; undefined where it has several. */
function resultsOf(section: Section): (number | undefined)[] {
  const reader = new WasmReader(section.body);
  const results: (number | undefined)[] = [];
  for (let count = reader.u32(); count > 0; count -= 1) {
    if (reader.byte() !== FUNCTION_TYPE) throw malformedWasm('it has a type that is not of a function');
    reader.take(reader.u32());
    const types = reader.take(reader.u32());
    results.push(types.length === 0 ? NO_RESULT : types.length === 1 ? types[0] : undefined);
  }
  return results;
}

function integersOf(section: Section): number[] {
  const reader = new WasmReader(section.body);
  return Array.from({ length: reader.u32() }, () => reader.u32());
}

/** Every body, and behind them those of copy and fill. */
function rewriteCode(
  code: Uint8Array,
  resultOf: (index: number) => number | undefined,
  added: Added,
  limits: Limits,
): Uint8Array {
  const reader = new WasmReader(code);
  const count = reader.u32();
  const parts = partsOf(added, limits);
  const out = new Output(2 * code.length);
  out.put(unsigned(count + 2));
  const push = (body: Uint8Array): void => {
    out.put(unsigned(body.length));
    out.copy(body, 0, body.length);
  };
  for (let index = 0; index < count; index += 1) {
    const result = resultOf(index);
    if (result === undefined) throw malformedWasm(`function ${index} has several results`);
    push(rewriteBody(reader.take(reader.u32()), result, parts));
  }
  push(bulkBody(added, [OPS.PREFIX, BULK.MEMORY_COPY, 0, 0]));
  push(bulkBody(added, [OPS.PREFIX, BULK.MEMORY_FILL, 0]));
  return out.bytes();
}

/** What is put between the instructions of a body, or in their place. */
type Parts = { readonly [name in keyof ReturnType<typeof partsOf>]: readonly number[] };

function partsOf({ work, depth, pages, copy, fill }: Added, { depthMax, stackFloor }: Limits) {
  const isTooDeep = [OPS.GLOBAL_GET, ...unsigned(depth), OPS.I32_CONST, ...signed(depthMax), OPS.I32_GT_S];
  const floor = [OPS.I32_CONST, ...signed(stackFloor)];
  const isTooLow = [OPS.GLOBAL_GET, ...unsigned(STACK_POINTER), ...floor, OPS.I32_LT_U];
  return {
    tick: [...spend(work, [OPS.I64_CONST, 1]), ...trapIfSpent(work)],
    enter: [...changeDepth(depth, OPS.I32_ADD), ...trapIf(isTooDeep)],
    leave: [...changeDepth(depth, OPS.I32_SUB), OPS.END],
    checkStack: trapIf(isTooLow),
    pages: [OPS.GLOBAL_GET, ...unsigned(pages)],
    copy: [OPS.CALL, ...unsigned(copy)],
    fill: [OPS.CALL, ...unsigned(fill)],
  };
}

/** What is put around a body takes less than this (bytes). */
const ROOM = 128;

/**
 * Puts a body into a block, so that whatever leaves the function passes the end, where the depth is counted back. The block
 * has the label that the function had.
 */
function rewriteBody(body: Uint8Array, result: number, parts: Parts): Uint8Array {
  const reader = new WasmReader(body);
  for (let count = reader.u32(); count > 0; count -= 1) {
    reader.u32();
    reader.byte();
  }
  const { tick, enter, leave, checkStack, pages, copy, fill } = parts;
  const out = new Output(2 * body.length + ROOM);
  out.copy(body, 0, reader.at);
  out.put(tick);
  out.put(enter);
  out.put([OPS.BLOCK, result]);
  /** Up to here the body is in `out`. */
  let copied = reader.at;
  const put = (upTo: number, instructions: readonly number[]): void => {
    out.copy(body, copied, upTo);
    out.put(instructions);
    copied = reader.at;
  };
  let nesting = 0;
  while (reader.at < body.length) {
    const begin = reader.at;
    const { op, argument } = readInstruction(reader);
    if (op === OPS.BLOCK || op === OPS.LOOP || op === OPS.IF) nesting += 1;
    else if (op === OPS.END && nesting > 0) nesting -= 1;
    if (op === OPS.LOOP) put(reader.at, tick);
    else if (op === OPS.RETURN) put(begin, [OPS.BR, ...unsigned(nesting)]);
    else if (op === OPS.MEMORY_SIZE) put(begin, pages);
    else if (op === OPS.MEMORY_GROW) throw malformedWasm('it makes its memory grow by itself');
    else if (op === OPS.GLOBAL_SET && argument === STACK_POINTER) put(reader.at, checkStack);
    else if (op === OPS.PREFIX && argument === BULK.MEMORY_COPY) put(begin, copy);
    else if (op === OPS.PREFIX && argument === BULK.MEMORY_FILL) put(begin, fill);
  }
  put(body.length, leave);
  return out.bytes();
}

/** Bytes that grow at their end. */
class Output {
  #buffer: Buffer;
  #length = 0;

  /** @param size how many bytes there will be, about */
  constructor(size: number) {
    this.#buffer = Buffer.allocUnsafe(size);
  }

  put(bytes: readonly number[]): void {
    this.#reserve(bytes.length);
    for (const byte of bytes) this.#buffer[this.#length++] = byte;
  }

  /** Appends `bytes[begin, end)`. */
  copy(bytes: Uint8Array, begin: number, end: number): void {
    this.#reserve(end - begin);
    for (let at = begin; at < end; at += 1) this.#buffer[this.#length++] = bytes[at] as number;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#length + count));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** A function that charges for its third argument, the length, and does what `instruction` does. */
function bulkBody({ work }: Added, instruction: readonly number[]): Uint8Array {
  const units = [
    ...[OPS.LOCAL_GET, 2, OPS.I32_CONST, BYTES_OF_A_UNIT_LOG2],
    ...[OPS.I32_SHR_U, OPS.I64_EXTEND_I32_U],
  ];
  const argumentsOf = [OPS.LOCAL_GET, 0, OPS.LOCAL_GET, 1, OPS.LOCAL_GET, 2];
  const noLocals = 0;
  return bytesOf([
    ...[noLocals, ...spend(work, units), ...trapIfSpent(work)],
    ...[...argumentsOf, ...instruction, OPS.END],
  ]);
}

/** Takes what `units` leaves on the stack from `work`. */
function spend(work: number, units: readonly number[]): number[] {
  const global = unsigned(work);
  return [OPS.GLOBAL_GET, ...global, ...units, OPS.I64_SUB, OPS.GLOBAL_SET, ...global];
}

function trapIfSpent(work: number): number[] {
  return trapIf([OPS.GLOBAL_GET, ...unsigned(work), OPS.I64_CONST, 0, OPS.I64_LT_S]);
}

function changeDepth(depth: number, op: number): number[] {
  const global = unsigned(depth);
  return [OPS.GLOBAL_GET, ...global, OPS.I32_CONST, 1, op, OPS.GLOBAL_SET, ...global];
}

function trapIf(condition: readonly number[]): number[] {
  return [...condition, OPS.IF, NO_RESULT, OPS.UNREACHABLE, OPS.END];
}
