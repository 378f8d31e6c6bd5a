/**
 * Histories of the state machine as text: each command with its answer and every row that it changed, each read and query with
 * what came of it. Kept under test/golden/traces/machine; `TRACES=write npm test -- node` writes them anew, to be reviewed
 * as a diff.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as assert from 'uvu/assert';
import {
  type AdminCommand,
  type AdminQuery,
  decodeAnswer,
  type SealAge,
} from '../../../src/protocol/admin/admin.ts';
import type { Request } from '../../../src/protocol/arakoon/requests.ts';
import type { Update } from '../../../src/protocol/arakoon/updates.ts';
import type { Answer } from '../../../src/protocol/arakoon/values.ts';
import { finish, TestCluster } from './cluster.ts';

const FOLDER = 'test/golden/traces/machine';
const IS_WRITING = process.env['TRACES'] === 'write';
/** Longest value that is shown whole (characters). */
const SHOWN_MAX = 160;

/** Records what a cluster of one machine does. */
export class Trace {
  readonly cluster: TestCluster;
  readonly #lines: string[];

  /** @param rule what this history shows, at its head */
  constructor(rule: string, cluster = new TestCluster({ nursery: true })) {
    this.cluster = cluster;
    this.#lines = [`# ${rule}`];
  }

  /** A heading between steps. */
  note(text: string): void {
    this.#lines.push('', `## ${text}`);
  }

  command(command: AdminCommand): void {
    this.#applied(show(command), [{ kind: 'admin', command }]);
  }

  /** One slot with these updates. */
  apply(...updates: Update[]): void {
    this.#applied(updates.map(show).join(' ; '), updates);
  }

  read(request: Request): void {
    this.#lines.push(`? ${show(request)}`, `  = ${reply(this.cluster.read(request))}`);
  }

  query(query: AdminQuery, sealAge: SealAge | null = null): void {
    const { machine, slot, store } = this.cluster;
    const answer = finish(machine.query(query, slot, store, sealAge));
    this.#lines.push(`? ${show(query)}`, `  = ${adminReply(answer)}`);
  }

  /** Compares with what is kept under `name`, or keeps it. */
  check(name: string): void {
    const path = `${FOLDER}/${name}.txt`;
    const text = `${this.#lines.join('\n')}\n`;
    if (IS_WRITING) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    assert.ok(existsSync(path), `${path} is missing: TRACES=write writes it`);
    assert.fixture(text, readFileSync(path, 'utf8'));
  }

  #applied(what: string, updates: readonly Update[]): void {
    const before = new Map(this.cluster.dump());
    const answers = this.cluster.apply(...updates);
    this.#lines.push(`> ${what}`);
    for (const [index, answer] of answers.entries()) {
      const isAdmin = updates[index]?.kind === 'admin';
      this.#lines.push(`  = ${isAdmin ? adminReply(answer) : reply(answer)}`);
    }
    const after = new Map(this.cluster.dump());
    for (const [key, value] of after) {
      if (before.get(key) !== value) this.#lines.push(`  + ${plain(key)} = ${short(plain(value))}`);
    }
    for (const key of before.keys()) if (!after.has(key)) this.#lines.push(`  - ${plain(key)}`);
  }
}

function reply({ bytes, hint }: Answer): string {
  const text = short(plain(Buffer.from(bytes).toString('latin1')));
  return hint === null ? text : `${text} ${show({ kind: 'hint', ...hint })}`;
}

function adminReply(answer: Answer): string {
  const isFailure = answer.bytes[0] !== 0;
  return isFailure ? reply(answer) : show(decodeAnswer(answer.bytes));
}

/** As JSON, without quotes where none are needed. */
function show(value: object): string {
  const { kind, ...rest } = value as { kind: string };
  const text = JSON.stringify(rest, (_name, inner: unknown) => {
    if (typeof inner === 'bigint') return `0x${inner.toString(16)}`;
    if (typeof inner === 'string') return short(plain(inner));
    if (inner instanceof Uint8Array) return short(plain(Buffer.from(inner).toString('latin1')));
    const { type, data } = (inner ?? {}) as { type?: unknown; data?: number[] };
    return type === 'Buffer' && data ? short(plain(Buffer.from(data).toString('latin1'))) : inner;
  });
  return `${kind} ${text.replaceAll(/"([\w-]+)":/g, '$1: ').replaceAll('\\\\', '\\')}`;
}

/** Bytes that do not print, as `\x1f`. */
function plain(text: string): string {
  return text
    .replaceAll(/x{200,}/g, (run) => `x{${run.length}}`)
    .replaceAll(/[^\x20-\x7e]/g, (char) => {
      const code = char.charCodeAt(0);
      return code > 0xff ? char : `\\x${code.toString(16).padStart(2, '0')}`;
    });
}

function short(text: string): string {
  if (text.length <= SHOWN_MAX) return text;
  let sum = 0;
  for (let at = 0; at < text.length; at += 1) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) >>> 0;
  return `${text.slice(0, SHOWN_MAX)}… (${text.length}, ${sum.toString(16)})`;
}
