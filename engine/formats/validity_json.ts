import type { Json } from "./go_json.ts";
import type { ProtobufMessage } from "./protobuf_json.ts";
import type { Validity } from "./trusted_root.ts";

/** Reads a `TimeRange` (protobuf-specs, `sigstore_common.proto`); always valid when it is not there. @throws {SyntaxError} */
export function parseValidity(range: ProtobufMessage | undefined): Validity {
  const start = range?.time("start");
  const end = range?.time("end");
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}

/** Encodes a `TimeRange` as Go's protojson does: whole seconds have no fraction. */
export function encodeValidity({ start, end }: Validity): Json {
  return {
    ...(start === undefined ? {} : { start: timeJson(start) }),
    ...(end === undefined ? {} : { end: timeJson(end) }),
  };
}

function timeJson(time: Date): string {
  return time.toISOString().replace(".000Z", "Z");
}
