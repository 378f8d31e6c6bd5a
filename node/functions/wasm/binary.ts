/** The binary format of WebAssembly, as far as a module is taken apart and put together again here. */
import { NurseryError } from '../../../src/base/errors.ts';

/** Section ids of the format that are touched. */
export const SECTIONS = {
  TYPE: 1,
  IMPORT: 2,
  FUNCTION: 3,
  GLOBAL: 6,
  EXPORT: 7,
  CODE: 10,
} as const;

/** One section: its id and its bytes, without the length before them. */
export type Section = { readonly id: number; body: Uint8Array };

/** Reads integers of the format (LEB128) out of bytes, one after the other. */
export class WasmReader {
  readonly bytes: Uint8Array;
  /** Where the next read begins. */
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  /** @throws NurseryError MALFORMED at the end of the bytes */
  byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw malformedWasm('it ends too early');
    this.at += 1;
    return byte;
  }

  /** An unsigned integer of 32 bits. */
  u32(): number {
    let result = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      result |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return result >>> 0;
    }
  }

  /** Passes over an integer of whatever width and sign. */
  skipInteger(): void {
    while ((this.byte() & 0x80) !== 0);
  }

  /** Passes over so many bytes, and returns them. */
  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) throw malformedWasm('it ends too early');
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** A name: its length, then that many bytes of UTF-8. */
  name(): string {
    return Buffer.from(this.take(this.u32())).toString('utf8');
  }

  /** All that was not read. */
  rest(): Uint8Array {
    return this.bytes.subarray(this.at);
  }
}

/** An unsigned integer (LEB128). */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; ) {
    const low = rest & 0x7f;
    rest >>>= 7;
    if (rest === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** A signed integer of 32 bits (LEB128). */
export function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; ) {
    const low = rest & 0x7f;
    rest >>= 7;
    const isLast = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    if (isLast) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const HEADER_BYTES = 8;

/** The sections of a module, in their order. */
export function sectionsOf(wasm: Uint8Array): Section[] {
  const reader = new WasmReader(wasm, HEADER_BYTES);
  const sections: Section[] = [];
  while (reader.at < wasm.length) {
    const id = reader.byte();
    sections.push({ id, body: reader.take(reader.u32()) });
  }
  return sections;
}

/** The module that consists of `sections`; its header is that of `wasm`. */
export function moduleOf(wasm: Uint8Array, sections: readonly Section[]): Uint8Array {
  const pieces: Uint8Array[] = [wasm.subarray(0, HEADER_BYTES)];
  for (const { id, body } of sections) {
    pieces.push(Uint8Array.from([id, ...unsigned(body.length)]), body);
  }
  return Buffer.concat(pieces);
}

/** The section of a module with this id. @throws NurseryError MALFORMED where there is none */
export function sectionOf(sections: readonly Section[], id: number): Section {
  const section = sections.find((each) => each.id === id);
  if (section === undefined) throw malformedWasm(`it has no section ${id}`);
  return section;
}

/** What is said of a module that cannot be rewritten: nobody but us chooses it. */
export function malformedWasm(why: string): NurseryError {
  return new NurseryError('MALFORMED', `the WebAssembly module cannot be rewritten: ${why}`);
}
