/** What follows return code 0 of a reply: how far it reaches, and what a client reads. */
import * as shape from '../../wire/shape.ts';
import * as decoders from './reply-decoders.ts';

const { BOOL, INT, INT64, STRING, OPTION, CONSISTENCY, elements } = shape;

type Form<T> = {
  readonly shape: shape.Shape;
  /** @throws NurseryError what a reply says that is no success */
  readonly decode: (reply: Uint8Array) => T;
  /** No such reply is long, whatever is stored. */
  readonly isShort: boolean;
};

function short<T>(parts: shape.Shape, decode: (reply: Uint8Array) => T): Form<T> {
  return { shape: parts, decode, isShort: true };
}

function long<T>(parts: shape.Shape, decode: (reply: Uint8Array) => T): Form<T> {
  return { shape: parts, decode, isShort: false };
}

/** The forms that replies have, each in the order in which the caller of a client sees it (replies.ts). */
export const FORMS = {
  nothing: short([], decoders.decodeVoid),
  bool: short([BOOL], decoders.decodeBool),
  int: short([INT], decoders.decodeInt),
  int64: short([INT64], decoders.decodeInt64),
  interval: short([OPTION, OPTION, OPTION, OPTION], decoders.decodeInterval),
  version: short([INT, INT, INT, STRING], decoders.decodeVersion),
  txid: short([CONSISTENCY], decoders.decodeTxid),
  bytes: long([STRING], decoders.decodeBytes),
  optionalBytes: long([OPTION], decoders.decodeOptionalBytes),
  text: long([STRING], decoders.decodeText),
  optionalText: long([OPTION], decoders.decodeOptionalText),
  keys: long([elements(STRING)], decoders.decodeKeys),
  entries: long([elements(STRING, STRING)], decoders.decodeEntries),
  revEntries: long([elements(STRING, STRING)], decoders.decodeRevEntries),
  values: long([elements(STRING)], decoders.decodeMultiGet),
  optionalValues: long([elements(OPTION)], decoders.decodeMultiGetOptions),
  statistics: long([STRING], decoders.decodeStatistics),
  routing: long([STRING], decoders.decodeRouting),
  nurseryConfig: long([STRING], decoders.decodeNurseryConfig),
  collapse: long([elements(INT, INT64)], decoders.decodeCollapse),
};

export type FormName = keyof typeof FORMS;

/** What a client reads in a reply of this form. */
export type Read<F extends FormName> = ReturnType<(typeof FORMS)[F]['decode']>;
