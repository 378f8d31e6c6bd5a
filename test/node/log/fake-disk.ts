/** A disk in memory that forgets what was not synced, tears it, fills up, fails, and stops dead after any operation. */
import type { Disk, LogFile } from '../../../node/log/disk.ts';
import type { Random } from '../../support/seeded.ts';

/** What a crash may keep or lose piece by piece (bytes). */
const SECTOR_BYTES = 512;

/** One file's content, whatever its name. */
class Content {
  /** What a power cut leaves for certain. */
  durable: Buffer = Buffer.alloc(0);
  /** Written since the last sync, in order. */
  pending: { readonly at: number; readonly bytes: Buffer }[] = [];

  /** As a reader sees it. */
  get present(): Buffer {
    return this.pending.reduce(patched, this.durable);
  }

  sync(): void {
    this.durable = this.present;
    this.pending = [];
  }

  /** Some sectors of what was not synced reach the disk, others do not. */
  cutPower(random: Random): void {
    const keep = random.next() < 0.3 ? 0 : random.next() < 0.5 ? 1 : random.next();
    for (const { at, bytes } of this.pending) {
      for (let from = 0; from < bytes.length; ) {
        const to = Math.min(bytes.length, from + SECTOR_BYTES - ((at + from) % SECTOR_BYTES));
        if (random.next() < keep) {
          this.durable = patched(this.durable, { at: at + from, bytes: bytes.subarray(from, to) });
        }
        from = to;
      }
    }
    this.pending = [];
  }
}

function patched(content: Buffer, { at, bytes }: { at: number; bytes: Buffer }): Buffer {
  const result = Buffer.alloc(Math.max(content.length, at + bytes.length));
  content.copy(result);
  bytes.copy(result, at);
  return result;
}

type NameChange = { readonly path: string; readonly content: Content | null };

export class FakeDisk implements Disk {
  /** Operations that still end; then the machine stops. */
  operationsLeft = Number.POSITIVE_INFINITY;
  free = Number.POSITIVE_INFINITY;
  /** Errors for the next operations of that name. */
  readonly failures: { write?: Error; datasync?: Error } = {};
  /** Called once, between the moment at which a read takes place and its end. */
  whileReading: (() => Promise<void>) | null = null;
  readonly counts = { writes: 0, datasyncs: 0, dirSyncs: 0 };
  #crashed: (() => void) | null = null;
  /** Resolves when the machine stops. */
  readonly crashed = new Promise<void>((resolve) => {
    this.#crashed = resolve;
  });
  #names = new Map<string, Content>();
  #durableNames = new Map<string, Content>();
  /** One entry per atomic change. */
  #nameChanges: NameChange[][] = [];

  /** What a new process finds. After a power cut, what was not synced is lost in parts; after a kill, the system still has it. */
  restart(how: 'power cut' | 'kill', random: Random): FakeDisk {
    const disk = new FakeDisk();
    disk.free = this.free;
    if (how === 'kill') {
      disk.#names = this.#names;
      disk.#durableNames = this.#durableNames;
      disk.#nameChanges = this.#nameChanges;
      return disk;
    }
    // Names that were not synced survive in any combination.
    for (const changes of this.#nameChanges) if (random.chance(0.5)) apply(this.#durableNames, changes);
    disk.#names = new Map(this.#durableNames);
    disk.#durableNames = new Map(this.#durableNames);
    for (const content of new Set(disk.#names.values())) content.cutPower(random);
    return disk;
  }

  /** Names of all files, sorted. */
  get paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  bytesOf(path: string): Buffer {
    return this.#content(path).present;
  }

  /** Changes a file behind the log's back, durably. */
  alter(path: string, change: (bytes: Buffer) => Buffer | undefined): void {
    const content = this.#content(path);
    content.sync();
    const bytes = Buffer.from(content.durable);
    content.durable = change(bytes) ?? bytes;
  }

  remove(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  copy(from: string, to: string): void {
    const content = new Content();
    content.durable = Buffer.from(this.#content(from).present);
    this.#names.set(to, content);
    this.#durableNames.set(to, content);
  }

  makeDir(_dir: string): Promise<void> {
    return this.#operation(() => undefined);
  }

  list(dir: string): Promise<string[]> {
    return this.#operation(() =>
      this.paths.filter((path) => path.startsWith(`${dir}/`)).map((path) => path.slice(dir.length + 1)),
    );
  }

  open(path: string, how: 'read' | 'write' | 'create'): Promise<LogFile> {
    return this.#operation(() => {
      if (how === 'create') this.#change([{ path, content: new Content() }]);
      return new FakeFile(this, this.#content(path));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#operation(() =>
      this.#change([
        { path: to, content: this.#content(from) },
        { path: from, content: null },
      ]),
    );
  }

  unlink(path: string): Promise<void> {
    return this.#operation(() => {
      this.#content(path);
      this.#change([{ path, content: null }]);
    });
  }

  async syncDir(_dir: string): Promise<void> {
    this.counts.dirSyncs += 1;
    await this.#operation(() => undefined);
    this.#durableNames = new Map(this.#names);
    this.#nameChanges = [];
  }

  freeBytes(_dir: string): Promise<number> {
    return this.#operation(() => this.free);
  }

  /** Carries `effect` out; ends, unless the machine stops right after it. */
  #operation<T>(effect: () => T): Promise<T> {
    if (this.operationsLeft <= 0) return new Promise(() => undefined);
    this.operationsLeft -= 1;
    return new Promise((resolve, reject) => {
      try {
        const result = effect();
        if (this.operationsLeft > 0) resolve(result);
        else this.#crashed?.();
      } catch (error) {
        reject(error);
      }
    });
  }

  /** The same, for the operations that call back. */
  call(effect: () => Error | null, ended: () => void, done: (error: Error | null) => void): void {
    this.#operation(effect).then((error) => {
      if (error === null) ended();
      done(error);
    });
  }

  #change(changes: NameChange[]): void {
    this.#nameChanges.push(changes);
    apply(this.#names, changes);
  }

  #content(path: string): Content {
    const content = this.#names.get(path);
    if (content === undefined) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
    return content;
  }
}

function apply(names: Map<string, Content>, changes: readonly NameChange[]): void {
  for (const { path, content } of changes) {
    if (content === null) names.delete(path);
    else names.set(path, content);
  }
}

class FakeFile implements LogFile {
  readonly #disk: FakeDisk;
  readonly #content: Content;
  #closed = false;

  constructor(disk: FakeDisk, content: Content) {
    this.#disk = disk;
    this.#content = content;
  }

  write(bytes: Uint8Array, position: number, done: (error: Error | null) => void): void {
    if (this.#closed) throw new Error('write to a closed file');
    const disk = this.#disk;
    const effect = (): Error | null => {
      disk.counts.writes += 1;
      const error = disk.failures.write ?? null;
      delete disk.failures.write;
      const grows = position + bytes.length - this.#content.present.length;
      if (error === null && grows > disk.free)
        return Object.assign(new Error('no space'), { code: 'ENOSPC' });
      if (error === null) this.#content.pending.push({ at: position, bytes: Buffer.from(bytes) });
      if (grows > 0) disk.free -= grows;
      return error;
    };
    const ended = (error: Error | null): void => (error === null ? this.datasync(done) : done(error));
    disk.call(effect, () => undefined, ended);
  }

  datasync(done: (error: Error | null) => void): void {
    if (this.#closed) throw new Error('sync of a closed file');
    const disk = this.#disk;
    const effect = (): Error | null => {
      disk.counts.datasyncs += 1;
      const error = disk.failures.datasync ?? null;
      delete disk.failures.datasync;
      return error;
    };
    disk.call(effect, () => this.#content.sync(), done);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    if (this.#closed) throw new Error('read of a closed file');
    const read = this.#content.present.copy(into, 0, position, position + into.length);
    const run = this.#disk.whileReading;
    this.#disk.whileReading = null;
    await run?.();
    return read;
  }

  async size(): Promise<number> {
    return this.#content.present.length;
  }

  async close(): Promise<void> {
    if (this.#closed) throw new Error('file closed twice');
    this.#closed = true;
  }
}
