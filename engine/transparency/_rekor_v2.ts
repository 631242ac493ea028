import type { MessageDigest } from "../formats/bundle.ts";
import type { LogEntry } from "../formats/log_entry.ts";
import { parseBundleEntry } from "../formats/log_entry_json.ts";
import { parseProtobufJson } from "../formats/protobuf_json.ts";
import type { TrustedLog } from "../formats/trusted_root.ts";
import { redactUrl } from "../io/http.ts";
import { encodeBase64, utf8 } from "../model/bytes.ts";
import { CosignError } from "../model/errors.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import { type LoggedEntry, readAnswer, refused, UPLOAD } from "./_log_answer.ts";
import { readTiledEntry } from "./_tiles.ts";
import {
  callService,
  protocolError,
  type ServiceCall,
  type ServiceContext,
  type ServiceReply,
  serviceUrl,
} from "./service.ts";

/** A signature over a digest as Rekor v2 is asked to log it (rekor-tiles, `HashedRekordRequestV002`). */
export interface HashedRequest {
  readonly digest: MessageDigest;
  readonly signature: Uint8Array;
  readonly key: PublicKey;
  /** DER; absent where a bare key has signed. */
  readonly certificate?: Uint8Array;
}

interface KeyDetails {
  readonly name: string;
  readonly digest: MessageDigest["algorithm"];
}

/** What each type of key is used with (protobuf-specs, `PublicKeyDetails`): v2 takes nothing else. */
const KEY_DETAILS: Readonly<Partial<Record<KeyType, KeyDetails>>> = {
  "ecdsa-p256": { name: "PKIX_ECDSA_P256_SHA_256", digest: "sha256" },
  "ecdsa-p384": { name: "PKIX_ECDSA_P384_SHA_384", digest: "sha384" },
  "ecdsa-p521": { name: "PKIX_ECDSA_P521_SHA_512", digest: "sha512" },
  ed25519: { name: "PKIX_ED25519_PH", digest: "sha512" },
  "rsa-2048": { name: "PKIX_RSA_PKCS1V15_2048_SHA256", digest: "sha256" },
  "rsa-3072": { name: "PKIX_RSA_PKCS1V15_3072_SHA256", digest: "sha256" },
  "rsa-4096": { name: "PKIX_RSA_PKCS1V15_4096_SHA256", digest: "sha256" },
};
const MAX_ANSWER_BYTES = 262_144; // with a hundred cosignatures of witnesses: 20 KB
const ENTRIES = "/api/v2/log/entries";

/** The digest that Rekor v2 demands of a key's signatures. @throws {CosignError} `KEY_UNSUPPORTED` for weak keys. */
export function digestFor(type: KeyType): MessageDigest["algorithm"] {
  return detailsOf(type).digest;
}

/**
 * Writes an entry into a log of Rekor v2, which answers when its checkpoint has the entry: seconds later.
 *
 * @throws {CosignError} `LOG_REFUSED`, `KEY_UNSUPPORTED`, `SERVICE_PROTOCOL`, and as {@link callService}.
 */
export async function addToV2(
  request: HashedRequest,
  { url, trusted = [] }: { readonly url: string; readonly trusted?: readonly TrustedLog[] },
  context: ServiceContext,
): Promise<LoggedEntry> {
  const call: ServiceCall = {
    service: "rekor",
    method: "POST",
    url: serviceUrl(url, ENTRIES),
    what: UPLOAD,
    headers: { "content-type": "application/json", accept: "application/json" },
    body: utf8(JSON.stringify({ hashedRekordRequestV002: encodeRequest(request, url) })),
    limitBytes: MAX_ANSWER_BYTES,
  };
  const reply = await callService(call, context);
  if (reply.status === 409) {
    const entry = await readTiledEntry(indexOf(reply, call), url, trusted, context);
    return { entry, wasThere: true };
  }
  if (reply.status !== 201 && reply.status !== 200) throw refused(reply, call);
  return { entry: parseEntry(call, reply), wasThere: false };
}

function encodeRequest(
  { digest, signature, key, certificate }: HashedRequest,
  url: string,
): object {
  const details = detailsOf(key.type);
  if (digest.algorithm !== details.digest) {
    throw new CosignError(
      "KEY_UNSUPPORTED",
      `Cannot ${UPLOAD} from "${redactUrl(url)}": Rekor v2 takes signatures by keys of the type ${key.type} over ${details.digest} only, this one is over ${digest.algorithm}`,
    );
  }
  const verifier =
    certificate === undefined
      ? { publicKey: { rawBytes: encodeBase64(key.spki) } }
      : { x509Certificate: { rawBytes: encodeBase64(certificate) } };
  return {
    digest: encodeBase64(digest.digest),
    signature: {
      content: encodeBase64(signature),
      verifier: { ...verifier, keyDetails: details.name },
    },
  };
}

function parseEntry(call: ServiceCall, { body }: ServiceReply): LogEntry {
  return readAnswer(call, () => {
    const entry = parseBundleEntry(parseProtobufJson(body, "The log's entry"));
    if (entry.proof?.checkpoint === undefined) {
      throw new SyntaxError("it has no inclusion proof with a checkpoint");
    }
    return entry;
  });
}

/** Where the log says that the entry stands already: in a header, and in words. */
function indexOf({ headers, body }: ServiceReply, call: ServiceCall): number {
  const words = /\bindex (\d{1,16})\b/.exec(new TextDecoder().decode(body))?.[1];
  const text = headers.get("x-log-index") ?? words ?? "";
  const index = Number(text);
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(index)) return index;
  throw protocolError(call, "it has the entry already, and does not say where");
}

function detailsOf(type: KeyType): KeyDetails {
  const details = KEY_DETAILS[type];
  if (details !== undefined) return details;
  throw new CosignError(
    "KEY_UNSUPPORTED",
    `Cannot log a signature: Rekor v2 takes no ${type} keys`,
    {
      hint: "Sign with another key",
    },
  );
}
