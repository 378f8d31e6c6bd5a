/** A server that does nothing but answer: what a load against it reaches is the generator's own ceiling. */
import { createServer, type Socket } from 'node:net';
import { PROLOGUE_MAGIC, REQUEST_CODES, scanRequest } from '../../protocol/arakoon/requests.ts';

const NOTHING = Buffer.alloc(0);
const PROLOGUE_BYTES = 12;

/** Answers gets with a value, and everything else with OK; tells its parent process its port. */
function serveNull(valueBytes: number): void {
  const ok = Buffer.alloc(4);
  const value = Buffer.alloc(8 + valueBytes, 'v');
  value.writeUInt32LE(0, 0);
  value.writeUInt32LE(valueBytes, 4);
  const server = createServer({ noDelay: true }, (socket) => {
    serve(socket, (code) => (code === REQUEST_CODES.get ? value : ok));
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') process.send?.(address.port);
  });
}

function serve(socket: Socket, answerOf: (code: number) => Buffer): void {
  let left = NOTHING;
  let greeted = false;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    const input = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
    let at = 0;
    if (!greeted && input.length >= PROLOGUE_BYTES && input.readUInt32LE(0) === PROLOGUE_MAGIC) {
      at = PROLOGUE_BYTES + input.readUInt32LE(8);
      greeted = at <= input.length;
      if (!greeted) at = 0;
    }
    const answers: Buffer[] = [];
    while (greeted && at < input.length) {
      const scanned = scanRequest(input, at, input.length);
      if (scanned.kind === 'need') break;
      at = scanned.end;
      answers.push(answerOf(scanned.code));
    }
    left = at === input.length ? NOTHING : input.subarray(at);
    if (answers.length === 1) socket.write(answers[0] as Buffer);
    else if (answers.length > 1) socket.write(Buffer.concat(answers));
  });
}

process.once('disconnect', () => process.exit());
serveNull(Number(process.argv[2]));
