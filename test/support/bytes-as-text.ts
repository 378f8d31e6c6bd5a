/** Bytes as text that people can read and a program can read back: hexadecimal, with runs of printable ASCII in quotes. */
import { createHash } from 'node:crypto';

/** Shorter runs of printable bytes are written in hexadecimal, as numbers often look like text by accident. */
const QUOTED_MIN = 3;
/** Of longer bytes the beginning is shown, and a hash of all (bytes). */
const SHOWN_MAX = 2000;
const BEGINNING = 64;

/** Where bytes differ from run to run: `[offset, length]`. */
export type Masked = readonly (readonly [offset: number, length: number])[];

/** `bytes`; two dots stand for each byte that is masked. */
export function printBytes(bytes: Uint8Array, masked: Masked = []): string {
  if (bytes.length > SHOWN_MAX) {
    const hash = createHash('sha256').update(bytes).digest('hex');
    return `${printBytes(bytes.subarray(0, BEGINNING), masked)} … ${bytes.length} bytes, sha256 ${hash}`;
  }
  const isMasked = (at: number): boolean =>
    masked.some(([offset, length]) => at >= offset && at < offset + length);
  const tokens: string[] = [];
  let plain = '';
  let at = 0;
  while (at < bytes.length) {
    let end = at;
    while (end < bytes.length && isQuotable(bytes[end] as number) && !isMasked(end)) end += 1;
    if (end - at >= QUOTED_MIN) {
      if (plain !== '') tokens.push(plain);
      plain = '';
      tokens.push(`"${Buffer.from(bytes.subarray(at, end)).toString('latin1')}"`);
      at = end;
    } else {
      plain += isMasked(at) ? '..' : (bytes[at] as number).toString(16).padStart(2, '0');
      at += 1;
    }
  }
  if (plain !== '') tokens.push(plain);
  return tokens.join(' ');
}

/** The bytes that `text` stands for. @throws Error where it stands for none */
export function readBytes(text: string): Buffer {
  const pieces = [...text.matchAll(/"([^"]*)"|((?:[0-9a-f]{2})+)|(\S)/g)].map(([, quoted, hex, wrong]) => {
    if (wrong !== undefined) throw new Error(`${text}: neither hexadecimal nor in quotes: ${wrong}`);
    return hex === undefined ? Buffer.from(quoted ?? '', 'latin1') : Buffer.from(hex, 'hex');
  });
  return Buffer.concat(pieces);
}

/** Printable ASCII, less what would end a quotation. */
function isQuotable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f && byte !== 0x22;
}
