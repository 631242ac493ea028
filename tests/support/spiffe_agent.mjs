// An agent of SPIFFE: the Workload API (gRPC) on a Unix socket, by Node's own HTTP/2. Run by Node, not by
// Bun, so that our client speaks to somebody else's server. It reads a JSON line of settings from its
// arguments: {socket, tokens, status, message, fault}.
import { createServer } from "node:http2";

const {
  socket,
  tokens = [],
  status = "0",
  message = "",
  fault,
} = JSON.parse(process.argv[2] ?? "{}");

const field = (number, bytes) =>
  Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
const varint = (value) =>
  value < 0x80
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([(value & 0x7f) | 0x80]), varint(value >>> 7)]);
// JWTSVIDResponse{svids: JWTSVID{spiffe_id = 1, svid = 2, hint = 3}}
const svid = (token) =>
  field(
    1,
    Buffer.concat([
      field(1, Buffer.from("spiffe://example.org/signer")),
      field(2, Buffer.from(token)),
      field(3, Buffer.from("internal")),
    ]),
  );
const frame = (bytes) => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
};
const ANSWERS = {
  empty: () => frame(Buffer.alloc(0)),
  nonsense: () => frame(Buffer.from([0x0f, 0xff, 0xff])),
  beyond: () => frame(Buffer.from([0x0a, 0x7f, 0x01])),
  short: () => Buffer.from([0, 0, 0, 0, 9, 1]),
  compressed: () => Buffer.from([1, 0, 0, 0, 0]),
  long: () => frame(Buffer.alloc(400_000)),
};

const server = createServer();
server.on("stream", (stream, headers) => {
  const chunks = [];
  stream.on("error", () => {});
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => {
    if (fault === "hang") return;
    if (fault === "cut") return stream.session.destroy();
    process.stdout.write(
      `${JSON.stringify({
        path: headers[":path"],
        method: headers[":method"],
        contentType: headers["content-type"],
        te: headers.te,
        security: headers["workload.spiffe.io"],
        body: Buffer.concat(chunks).toString("hex"),
      })}\n`,
    );
    // Refused calls have their status among the headers, as in "Trailers-Only" of gRPC.
    if (status !== "0") {
      stream.respond(
        {
          ":status": 200,
          "content-type": "application/grpc",
          "grpc-status": status,
          "grpc-message": message,
        },
        { endStream: true },
      );
      return;
    }
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(ANSWERS[fault]?.() ?? frame(Buffer.concat(tokens.map(svid))));
  });
});
server.listen(socket, () => process.stdout.write("ready\n"));
