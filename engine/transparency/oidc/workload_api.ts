import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { abortReason } from "../../io/wait.ts";
import { concatBytes, parseUtf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import { encodeTextField, readFields } from "./protobuf.ts";

const PATH = "/SpiffeWorkloadAPI/FetchJWTSVID";
/** SPIFFE Workload Endpoint §5: no proxy that is tricked into asking sends it. */
const SECURITY_HEADER = "workload.spiffe.io";
const MAX_ANSWER_BYTES = 262_144; // a token has 1 KB
const TIMEOUT_MS = 30_000;
const PREFIX_BYTES = 5; // gRPC: a flag for compression, and the length in 4 bytes
const PERMISSION_DENIED = "7"; // of gRPC: no identity is registered for this process
/** JWTSVIDRequest.audience, JWTSVIDResponse.svids, JWTSVID.svid. */
const FIELD = { audience: 1, svids: 1, svid: 2 } as const;

/**
 * Asks the agent behind a socket for this process's token (SPIFFE Workload API §6.2.1, by gRPC).
 *
 * @throws {CosignError} `IDENTITY_UNAVAILABLE` when it gives none, `SERVICE_UNAVAILABLE`, `SERVICE_PROTOCOL`,
 * `LIMIT_EXCEEDED`, or why the signal fired.
 */
export async function fetchJwtSvid(
  socketPath: string,
  audience: string,
  signal?: AbortSignal,
): Promise<string> {
  const request = frame(encodeTextField(FIELD.audience, audience));
  const message = await callOnce(socketPath, request, signal);
  try {
    const [first] = readFields(message, FIELD.svids);
    const [token] = first === undefined ? [] : readFields(first, FIELD.svid);
    if (token !== undefined && token.length > 0) return parseUtf8(token);
  } catch {
    throw wrong(socketPath, "its answer is no message of the Workload API");
  }
  throw wrong(socketPath, "its answer has no token");
}

function callOnce(
  socketPath: string,
  request: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const session = connect("http://localhost", {
      createConnection: () => connectSocket(socketPath),
    });
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      session.destroy();
      settle();
    };
    const fail = (error: CosignError): void => end(() => reject(error));
    const onAbort = (): void => {
      if (signal !== undefined) fail(abortReason(signal, `Cannot ask "${socketPath}"`));
    };
    const timer = setTimeout(
      () => fail(unavailable(socketPath, `no answer for ${TIMEOUT_MS} ms`)),
      TIMEOUT_MS,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) return onAbort();
    session.on("error", (error) => fail(unavailable(socketPath, describeError(error))));
    collect(startCall(session, request), socketPath, fail, (message) =>
      end(() => resolve(message)),
    );
  });
}

function startCall(session: ClientHttp2Session, request: Uint8Array): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": PATH,
    "content-type": "application/grpc",
    te: "trailers",
    [SECURITY_HEADER]: "true",
  });
  stream.end(request);
  return stream;
}

function collect(
  stream: ClientHttp2Stream,
  socketPath: string,
  fail: (error: CosignError) => void,
  done: (message: Uint8Array) => void,
): void {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let status: string | undefined;
  let why: string | undefined;
  // An answer without a message has the status among its headers.
  const takeStatus = (headers: Readonly<Record<string, unknown>>): void => {
    if (typeof headers["grpc-status"] === "string") status = headers["grpc-status"];
    if (typeof headers["grpc-message"] === "string") why = headers["grpc-message"];
  };
  stream.on("response", takeStatus);
  stream.on("trailers", takeStatus);
  stream.on("error", (error: Error) => fail(unavailable(socketPath, describeError(error))));
  stream.on("data", (chunk: Uint8Array) => {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) {
      const limit = `its answer is longer than ${MAX_ANSWER_BYTES} bytes`;
      fail(new CosignError("LIMIT_EXCEEDED", `Cannot read "${socketPath}": ${limit}`));
    } else chunks.push(chunk);
  });
  stream.on("close", () => {
    if (status !== "0") return fail(refusal(socketPath, status, why));
    try {
      done(unframe(concatBytes(...chunks)));
    } catch {
      fail(wrong(socketPath, "its answer is no message of gRPC"));
    }
  });
}

/** One message of gRPC, not compressed. */
function frame(message: Uint8Array): Uint8Array {
  const prefix = new Uint8Array(PREFIX_BYTES);
  new DataView(prefix.buffer).setUint32(1, message.length);
  return concatBytes(prefix, message);
}

function unframe(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWhole = bytes.length >= PREFIX_BYTES && view.getUint8(0) === 0;
  if (!isWhole || bytes.length !== PREFIX_BYTES + view.getUint32(1)) {
    throw new SyntaxError("Not one message");
  }
  return bytes.subarray(PREFIX_BYTES);
}

function refusal(
  socketPath: string,
  status: string | undefined,
  why: string | undefined,
): CosignError {
  if (status === undefined) return unavailable(socketPath, "the call broke off");
  const text = (why ?? "").replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").slice(0, 200);
  const said = text === "" ? "" : `: ${text}`;
  return new CosignError(
    "IDENTITY_UNAVAILABLE",
    `Cannot get an identity token from the SPIFFE agent "${socketPath}": it answers with status ${status.slice(0, 10)}${said}`,
    status === PERMISSION_DENIED
      ? { hint: "Register an entry whose selectors fit this process" }
      : {},
  );
}

function unavailable(socketPath: string, why: string): CosignError {
  return new CosignError(
    "SERVICE_UNAVAILABLE",
    `Cannot ask the SPIFFE agent "${socketPath}": ${why}`,
  );
}

function wrong(socketPath: string, why: string): CosignError {
  return new CosignError("SERVICE_PROTOCOL", `Cannot use the SPIFFE agent "${socketPath}": ${why}`);
}
