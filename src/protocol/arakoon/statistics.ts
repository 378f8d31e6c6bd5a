/**
 * Statistics on the wire: a tree of named fields.
 *
 *     field := int type, string name, value
 *     value := int | int64 | float | string | list of field      for the types 1 to 5
 */
import { unreachable } from '../../base/assert.ts';
import { malformed, type Reader, type Writer } from '../../wire/codec.ts';

/** One figure, or a group of them. */
export type Field =
  | { readonly kind: 'int'; readonly name: string; readonly value: number }
  | { readonly kind: 'int64'; readonly name: string; readonly value: number }
  | { readonly kind: 'float'; readonly name: string; readonly value: number }
  | { readonly kind: 'text'; readonly name: string; readonly value: string }
  | { readonly kind: 'list'; readonly name: string; readonly value: readonly Field[] };

/** What the outermost field, a list, must be called. */
export const STATISTICS_NAME = 'arakoon_stats';

/** How deep lists may nest. */
const DEPTH_MAX = 16;
const TYPES = { int: 1, int64: 2, float: 3, text: 4, list: 5 } as const satisfies {
  readonly [K in Field['kind']]: number;
};

/** Writes one field and all below it. */
export function writeField(writer: Writer, field: Field): void {
  writer.u32(TYPES[field.kind]);
  writer.bytes(Buffer.from(field.name, 'utf8'));
  switch (field.kind) {
    case 'int':
      writer.i32(field.value);
      return;
    case 'int64':
      writer.i64(field.value);
      return;
    case 'float':
      writer.f64(field.value);
      return;
    case 'text':
      writer.bytes(Buffer.from(field.value, 'utf8'));
      return;
    case 'list':
      writer.u32(field.value.length);
      for (const inner of field.value) writeField(writer, inner);
      return;
    default:
      unreachable(field);
  }
}

/**
 * Reads one field and all below it.
 *
 * @throws NurseryError MALFORMED where it is cut, nests too deep, or has an unknown type
 */
export function readField(reader: Reader, depth = 1): Field {
  if (depth > DEPTH_MAX) throw malformed(`statistics nest more than ${DEPTH_MAX} deep`);
  const type = reader.u32();
  const name = reader.bytes().toString('utf8');
  switch (type) {
    case TYPES.int:
      return { kind: 'int', name, value: reader.i32() };
    case TYPES.int64:
      return { kind: 'int64', name, value: reader.i64() };
    case TYPES.float:
      return { kind: 'float', name, value: reader.f64() };
    case TYPES.text:
      return { kind: 'text', name, value: reader.bytes().toString('utf8') };
    case TYPES.list: {
      const value: Field[] = [];
      for (let left = reader.u32(); left > 0; left -= 1) value.push(readField(reader, depth + 1));
      return { kind: 'list', name, value };
    }
    default:
      throw malformed(`field ${name} has the unknown type ${type}`);
  }
}

/** How many connections are open, how many clients there may be, and what has become of others so far. */
export type SeatFigures = {
  readonly open: number;
  readonly clientsMax: number;
  readonly turnedAway: number;
  readonly letGo: number;
};

/** What a router knows of its connections beside: those that were let go since they took nothing. */
export type RouterFigures = SeatFigures & { readonly stalledLetGo: number };

/** The figures as statistics show them. */
export function seatFields({ open, clientsMax, turnedAway, letGo }: SeatFigures): Field[] {
  return [
    { name: 'connections', kind: 'int64', value: open },
    { name: 'connections_max', kind: 'int64', value: clientsMax },
    { name: 'connections_turned_away', kind: 'int64', value: turnedAway },
    { name: 'connections_let_go', kind: 'int64', value: letGo },
  ];
}

/** Who was turned away by a process since it began, of several reasons. */
export type TurnedAway = {
  /** Connections for which there was no descriptor. */
  readonly turnedAway: number;
  /** Idle ones that were closed for others. */
  readonly idleLetGo: number;
  /** Those that took nothing while others waited for the memory. */
  readonly stalledLetGo: number;
};

/** The same, from the statistics of a node or router; 0 where they do not say. */
export function turnedAwayOf(fields: readonly Field[]): TurnedAway {
  const figure = (name: string): number => {
    const field = fields.find((one) => one.name === name);
    return field?.kind === 'int64' ? field.value : 0;
  };
  return {
    turnedAway: figure('connections_turned_away'),
    idleLetGo: figure('connections_let_go'),
    stalledLetGo: figure('stalled_let_go'),
  };
}

/** What people should know, one line each; none where nobody was turned away. */
export function describeTurnedAway({ turnedAway, idleLetGo, stalledLetGo }: TurnedAway): string[] {
  const lines: string[] = [];
  if (turnedAway > 0) {
    lines.push(
      `since it began ${turnedAway} connections were turned away, for want of file descriptors (see ulimit -n), and ${idleLetGo} idle ones were let go`,
    );
  } else if (idleLetGo > 0) {
    lines.push(
      `since it began ${idleLetGo} idle connections were let go for others, for want of file descriptors (see ulimit -n)`,
    );
  }
  if (stalledLetGo > 0) {
    lines.push(
      `since it began ${stalledLetGo} connections were let go that took nothing while others waited for the memory`,
    );
  }
  return lines;
}
