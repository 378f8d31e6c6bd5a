/** What Node has of WebAssembly, as far as it is used here: its types describe no more than Node itself. */

type Global<T> = { value: T };

type Instance = { readonly exports: Readonly<Record<string, unknown>> };

type WebAssemblyApi = {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => Instance;
  /** Thrown where an instance traps. */
  readonly RuntimeError: new (
    message?: string,
  ) => Error;
};

/** A mutable global of an instance, of 32 bits. */
export type Global32 = Global<number>;
/** A mutable global of an instance, of 64 bits. */
export type Global64 = Global<bigint>;

export const webAssembly = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;
