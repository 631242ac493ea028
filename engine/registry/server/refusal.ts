import { utf8 } from "../../model/bytes.ts";

/** The error identifiers that a registry may use (OCI distribution-spec, "Error Codes"). */
export type RefusalCode =
  | "BLOB_UNKNOWN"
  | "BLOB_UPLOAD_INVALID"
  | "BLOB_UPLOAD_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "SIZE_INVALID"
  | "UNAUTHORIZED"
  | "UNSUPPORTED";

/** What a {@link Refusal} carries beside its message. */
export interface RefusalOptions {
  /** Sent as `detail`. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The registry says no: thrown anywhere below the request handler, which makes the answer of it. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: RefusalCode;
  readonly detail: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: RefusalCode, message: string, options: RefusalOptions = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = options.detail;
    this.headers = options.headers ?? {};
  }
}

/** The JSON body of a refusal (OCI distribution-spec, "Error Codes"). */
export function encodeRefusal(refusal: Refusal): Uint8Array {
  const { code, message, detail } = refusal;
  return utf8(JSON.stringify({ errors: [{ code, message, ...(detail && { detail }) }] }));
}

/** 404 for a repository that nothing was ever pushed to. */
export function unknownRepository(repository: string): Refusal {
  return new Refusal(404, "NAME_UNKNOWN", "repository name not known to registry", {
    detail: { name: repository },
  });
}
