import { encodePem } from "../crypto/pem.ts";
import { isObject } from "../formats/go_json.ts";
import { parseStrictJson } from "../formats/strict_json.ts";
import { type Certificate, parseCertificatesPem } from "../formats/x509.ts";
import { redactUrl } from "../io/http.ts";
import { encodeBase64, equalBytes, parseBase64, parseUtf8, utf8 } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { KeyType, PublicKey } from "../model/key.ts";
import type { IdentityToken } from "./identity_token.ts";
import {
  callService,
  describeReply,
  protocolError,
  type ServiceCall,
  type ServiceContext,
  type ServiceReply,
  serviceUrl,
} from "./service.ts";

/** What a certificate is asked for with. */
export interface CertificateRequest {
  readonly token: IdentityToken;
  readonly publicKey: PublicKey;
  /** The proof of possession: a signature of the token's `proofSubject` by the key. */
  readonly proof: Uint8Array;
}

/** A certificate as Fulcio gave it: for the key that was named, and nothing else is known of it. */
export interface IssuedCertificate {
  readonly certificate: Certificate;
  /** What stands above it, the root perhaps among them. Not believed. */
  readonly chain: readonly Certificate[];
  /** The certificate log's answer where it is not embedded: JSON. */
  readonly detachedSct?: Uint8Array;
}

const MAX_ANSWER_BYTES = 262_144; // a chain of PEM: 5 KB
const MAX_CHAIN = 8;
const WHAT = "get a certificate";

/**
 * Asks Fulcio for a certificate: by its v2 API, by v1 where that is all there is.
 *
 * @param url Fulcio's, without a path of the API.
 * @throws {CosignError} `CERTIFICATE_REFUSED` when it gives none, `SERVICE_PROTOCOL` when its answer is none or
 * the certificate is for another key, and as {@link callService}.
 */
export async function requestCertificate(
  request: CertificateRequest,
  url: string,
  context: ServiceContext,
): Promise<IssuedCertificate> {
  const second = secondCall(request, url);
  const reply = await callService(second, context);
  if (reply.status !== 404) return parseIssued(reply, second, request, parseSecond);
  const first = firstCall(request, url);
  const older = await callService(first, context);
  return parseIssued(older.status === 404 ? reply : older, first, request, parseFirst);
}

function secondCall({ token, publicKey, proof }: CertificateRequest, url: string): ServiceCall {
  const body = {
    credentials: { oidcIdentityToken: token.raw },
    publicKeyRequest: {
      publicKey: {
        algorithm: algorithmOf(publicKey.type).toUpperCase(),
        content: encodePem("PUBLIC KEY", publicKey.spki),
      },
      proofOfPossession: encodeBase64(proof),
    },
  };
  return call(url, "/api/v2/signingCert", body, {});
}

function firstCall({ token, publicKey, proof }: CertificateRequest, url: string): ServiceCall {
  const body = {
    publicKey: {
      content: encodeBase64(publicKey.spki),
      algorithm: algorithmOf(publicKey.type),
    },
    signedEmailAddress: encodeBase64(proof),
  };
  return call(url, "/api/v1/signingCert", body, {
    authorization: `Bearer ${token.raw}`,
    accept: "application/pem-certificate-chain",
  });
}

function call(
  url: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>>,
): ServiceCall {
  return {
    service: "fulcio",
    method: "POST",
    url: serviceUrl(url, path),
    what: WHAT,
    headers: { "content-type": "application/json", ...headers },
    body: utf8(JSON.stringify(body)),
    limitBytes: MAX_ANSWER_BYTES,
  };
}

interface Answer {
  readonly pem: string;
  readonly detachedSct?: Uint8Array;
}

function parseIssued(
  reply: ServiceReply,
  { url }: ServiceCall,
  { publicKey }: CertificateRequest,
  parse: (reply: ServiceReply) => Answer,
): IssuedCertificate {
  if (reply.status !== 200 && reply.status !== 201) throw refused(reply, url);
  let issued: IssuedCertificate;
  try {
    const { pem, detachedSct } = parse(reply);
    const [certificate, ...chain] = parseCertificatesPem(pem);
    if (certificate === undefined || chain.length > MAX_CHAIN) {
      throw new SyntaxError(`a chain of ${chain.length} certificates`);
    }
    issued = { certificate, chain, ...(detachedSct === undefined ? {} : { detachedSct }) };
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw protocolError(
      { what: WHAT, url },
      `its answer is no certificate: ${describeError(cause)}`,
      cause,
    );
  }
  if (!equalBytes(issued.certificate.spki, publicKey.spki)) {
    throw protocolError({ what: WHAT, url }, "the certificate is for another key than ours");
  }
  return issued;
}

function parseSecond({ body }: ServiceReply): Answer {
  const root = parseStrictJson(parseUtf8(body));
  const embedded = member(root, "signedCertificateEmbeddedSct");
  const detached = member(root, "signedCertificateDetachedSct");
  const certificates = member(member(embedded ?? detached, "chain"), "certificates");
  if (!Array.isArray(certificates) || !certificates.every((each) => typeof each === "string")) {
    throw new SyntaxError("it has no chain");
  }
  const sct = embedded === undefined ? member(detached, "signedCertificateTimestamp") : undefined;
  const pem = certificates.map((each) => `${each.trimEnd()}\n`).join("");
  return typeof sct === "string" && sct !== "" ? { pem, detachedSct: parseBase64(sct) } : { pem };
}

function parseFirst({ body, headers }: ServiceReply): Answer {
  const sct = headers.get("sct") ?? "";
  const pem = parseUtf8(body);
  return sct === "" ? { pem } : { pem, detachedSct: parseBase64(sct) };
}

function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? (value[name] ?? undefined) : undefined;
}

function algorithmOf(type: KeyType): string {
  return type.split("-")[0] ?? type;
}

function refused(reply: ServiceReply, url: string): CosignError {
  return new CosignError(
    "CERTIFICATE_REFUSED",
    `Cannot get a certificate from "${redactUrl(url)}": it answers ${describeReply(reply)}`,
    { hint: hintFor(reply.status) },
  );
}

function hintFor(status: number): string {
  if (status === 401 || status === 403) {
    return "Check the identity token: its issuer must be one that this Fulcio knows, its audience the one it expects (sigstore), and it must not have expired";
  }
  if (status === 404) return "Check --fulcio-url: there is no Fulcio there";
  return "Check the identity token: its email address must be verified";
}
