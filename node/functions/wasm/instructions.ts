/** How long each instruction of WebAssembly is, so that others can be put between them. */
import { malformedWasm, type WasmReader } from './binary.ts';

/** Instructions that are looked at here, by their first byte. */
export const OPS = {
  UNREACHABLE: 0x00,
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  END: 0x0b,
  BR: 0x0c,
  RETURN: 0x0f,
  CALL: 0x10,
  LOCAL_GET: 0x20,
  GLOBAL_GET: 0x23,
  GLOBAL_SET: 0x24,
  MEMORY_SIZE: 0x3f,
  MEMORY_GROW: 0x40,
  I32_CONST: 0x41,
  I64_CONST: 0x42,
  I32_LT_U: 0x49,
  I32_GT_S: 0x4a,
  I64_LT_S: 0x53,
  I32_ADD: 0x6a,
  I32_SUB: 0x6b,
  I32_SHR_U: 0x76,
  I64_SUB: 0x7d,
  I64_EXTEND_I32_U: 0xad,
  PREFIX: 0xfc,
} as const;

/** Behind `OPS.PREFIX`. */
export const BULK = { MEMORY_COPY: 10, MEMORY_FILL: 11 } as const;

/** The type of a block without parameters and results. */
export const NO_RESULT = 0x40;

/** One instruction: its first byte, and what of its arguments is looked at here. */
export type Instruction = { readonly op: number; readonly argument: number };

/**
 * Reads one instruction. `argument` is the index of a global, or the second opcode of a bulk instruction; 0 elsewhere.
 *
 * @throws NurseryError MALFORMED at an instruction that is not known here, such as those of threads, vectors and exceptions
 */
export function readInstruction(reader: WasmReader): Instruction {
  const op = reader.byte();
  return { op, argument: readArguments(reader, op) };
}

function readArguments(reader: WasmReader, op: number): number {
  if (op === OPS.GLOBAL_GET || op === OPS.GLOBAL_SET) return reader.u32();
  if (op === OPS.PREFIX) return readPrefixed(reader);
  if (op === OPS.BLOCK || op === OPS.LOOP || op === OPS.IF) skipBlockType(reader);
  else if (op === 0x0e) for (let count = reader.u32() + 1; count > 0; count -= 1) reader.u32();
  else if (op === 0x11) skipIntegers(reader, 2);
  else if (op === 0x1c) reader.take(reader.u32());
  else if (op >= 0x28 && op <= 0x3e) skipIntegers(reader, 2);
  else if (op === 0x43) reader.take(4);
  else if (op === 0x44) reader.take(8);
  else if (ONE_INTEGER.has(op)) reader.skipInteger();
  else if (!isBare(op)) throw malformedWasm(`it has an instruction 0x${op.toString(16)}`);
  return 0;
}

/** Branches, calls, locals, tables, the size of the memory, constants, and `ref.func`. */
const ONE_INTEGER = new Set([
  0x0c,
  0x0d,
  OPS.CALL,
  0x20,
  0x21,
  0x22,
  0x25,
  0x26,
  OPS.MEMORY_SIZE,
  OPS.MEMORY_GROW,
  OPS.I32_CONST,
  OPS.I64_CONST,
  0xd0,
  0xd2,
]);

/** Control without arguments, `drop` and `select`, and all that computes. */
function isBare(op: number): boolean {
  return op <= 0x01 || op === 0x05 || op === OPS.END || op === OPS.RETURN || isComputing(op);
}

function isComputing(op: number): boolean {
  return op === 0x1a || op === 0x1b || (op >= 0x45 && op <= 0xc4) || op === 0xd1;
}

function skipIntegers(reader: WasmReader, count: number): void {
  for (let index = 0; index < count; index += 1) reader.skipInteger();
}

/** One byte for a type or none; else the index of a function type. */
function skipBlockType(reader: WasmReader): void {
  reader.skipInteger();
}

/** Conversions that saturate (0 to 7), and the two of bulk memory that compilers write. */
function readPrefixed(reader: WasmReader): number {
  const second = reader.u32();
  if (second === BULK.MEMORY_COPY) reader.take(2);
  else if (second === BULK.MEMORY_FILL) reader.take(1);
  else if (second > 7) throw malformedWasm(`it has an instruction 0xfc ${second}`);
  return second;
}
