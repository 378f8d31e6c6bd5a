/**
 * The last lines of a log, of every level, whatever its file takes: kept as they were given, and made text only when somebody wants
 * to read them.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lines that are kept. */
export const LAST_LINES = 1000;
/** Files of one name that are kept, the newest: a server that is started again and again leaves no more. */
const FILES_MAX = 10;

type Level = 'debug' | 'info' | 'warn' | 'error';
/** What is logged with (log.ts). */
type Logging = { readonly [L in Level]: (facts: object, message: string) => void };
type Line = {
  readonly level: Level;
  readonly wallMs: number;
  readonly facts: object;
  readonly message: string;
};

/** A ring of lines, and the logger that fills it. */
export class LastLines {
  readonly #wallMs: () => number;
  readonly #lines: Line[] = [];
  /** Where the next line goes, once there are so many. */
  #next = 0;

  /** @param wallMs the clock on the wall, for people (ms since 1970) */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** Logs to `logger`, and keeps each line. */
  keeping(logger: Logging): Logging {
    const at =
      (level: Level) =>
      (facts: object, message: string): void => {
        this.#keep({ level, wallMs: this.#wallMs(), facts, message });
        logger[level](facts, message);
      };
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  /** The lines as text, the oldest first, each a JSON object; `fields` stand on each of them. */
  text(fields: object): string {
    const inOrder = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return inOrder
      .map(({ level, wallMs, facts, message }) => {
        const time = new Date(wallMs).toISOString();
        return `${JSON.stringify({ level, time, ...fields, ...plain(facts), msg: message })}\n`;
      })
      .join('');
  }

  #keep(line: Line): void {
    if (this.#lines.length < LAST_LINES) this.#lines.push(line);
    else {
      this.#lines[this.#next] = line;
      this.#next = (this.#next + 1) % LAST_LINES;
    }
  }
}

/**
 * Writes `text` to `<folder>/<name>.last-<time>.log`, and removes the oldest such files beyond ten. Returns its path.
 *
 * @throws the system's error where it cannot be written
 */
export function writeLastLines(folder: string, name: string, text: string, wallMs: number): string {
  const begin = `${name}.last-`;
  const time = new Date(wallMs).toISOString().replaceAll(/[:.]/g, '-');
  const path = join(folder, `${begin}${time}.log`);
  writeFileSync(path, text);
  const all = readdirSync(folder).filter((file) => file.startsWith(begin) && file.endsWith('.log'));
  for (const old of all.sort().slice(0, -FILES_MAX)) rmSync(join(folder, old), { force: true });
  return path;
}

/** What JSON can hold of facts: an error would be empty. */
function plain(facts: object): object {
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => {
      if (value instanceof Error) return [key, value.message];
      return [key, typeof value === 'bigint' ? String(value) : value];
    }),
  );
}
