import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { fulcioHandler, initializeCTLog } from "@sigstore/mock";
import { encodeDer, TAG } from "../../engine/crypto/der.ts";
import { concatBytes, utf8 } from "../../engine/model/bytes.ts";
import { extension, makeAuthority, makeCertificate, type TestCertificate } from "./certificates.ts";
import type { SigstoreSettings } from "./sigstore_server.ts";

/** Fulcio in memory: an authority with an intermediate one, and its log of certificates. */
export interface TestFulcio {
  /** The issuing authority first, the root last. */
  readonly chain: readonly TestCertificate[];
  readonly ctLogKey: KeyObject;
  handle(request: Request): Promise<Response>;
}

/** The claims of a token that its issuer has signed; nothing when it has not. */
export type TokenCheck = (token: string) => Promise<Readonly<Record<string, unknown>> | undefined>;

// biome-ignore lint/suspicious/noExplicitAny: what a client posts is looked at as the server finds it
type Posted = any;

const SCT_LIST = "2b06010401d679020402";
const CODE_SIGNING = "2b06010505070303";
const TAG_EMAIL = 0x81;
const TAG_URI = 0x86;

/** Makes Fulcio with keys of its own. The claims become extensions as `@sigstore/mock` has it. */
export async function makeFulcio(
  settings: SigstoreSettings,
  checkToken: TokenCheck,
): Promise<TestFulcio> {
  const validity = { notBefore: "20200101000000Z", notAfter: "20460101000000Z" };
  const root = makeAuthority("fulcio root", undefined, { ...validity, pathLength: 1 });
  const issuer = makeAuthority("fulcio intermediate", root, {
    ...validity,
    pathLength: 0,
    extendedKeyUsages: [CODE_SIGNING],
  });
  const ctLog = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const chain = [issuer, root];
  const issue = (publicKey: Uint8Array, name: string, extensions: readonly Uint8Array[]) =>
    issueCertificate({ issuer, ctLog, settings, publicKey, name, extensions });
  return {
    chain,
    ctLogKey: ctLog.privateKey,
    handle: async (request) => {
      const { pathname } = new URL(request.url);
      const version = /^\/api\/(v[12])\/signingCert$/.exec(pathname)?.[1];
      if (request.method === "GET" && pathname === "/api/v2/trustBundle") {
        return Response.json({ chains: [{ certificates: chain.map(({ pem }) => pem) }] });
      }
      if (request.method !== "POST" || (version !== "v1" && version !== "v2"))
        return problem(404, 5, "Not Found");
      if (!settings.fulcioVersions.includes(version)) return problem(404, 5, "Not Found");
      const asked = await readRequest(request, version);
      if (asked === undefined) return problem(400, 3, "There was an error processing the request");
      const claims = await checkToken(asked.token);
      if (claims === undefined || !isFresh(claims)) {
        return problem(401, 16, "There was an error processing the identity token");
      }
      const subject = subjectOf(claims);
      if (subject === undefined) {
        return problem(400, 3, "There was an error processing the identity token");
      }
      if (!hasProof(asked.publicKey, subject, asked.proof)) {
        return problem(400, 3, "The signature supplied in the request could not be verified");
      }
      const made = await issueByMock(claims, subject, asked.publicKey, issue);
      const pems = [made.certificate, ...chain].map(({ pem }) => pem);
      if (version === "v1") {
        return new Response(pems.join(""), {
          status: 201,
          headers: {
            "content-type": "application/pem-certificate-chain",
            ...(made.sct === undefined ? {} : { SCT: made.sct.toBase64() }),
          },
        });
      }
      const answered = { chain: { certificates: pems } };
      return Response.json(
        made.sct === undefined
          ? { signedCertificateEmbeddedSct: answered }
          : {
              signedCertificateDetachedSct: {
                ...answered,
                signedCertificateTimestamp: made.sct.toBase64(),
              },
            },
      );
    },
  };
}

interface Issued {
  readonly certificate: TestCertificate;
  /** Detached: the JSON of the log's answer. */
  readonly sct?: Uint8Array;
}

interface Order {
  readonly issuer: TestCertificate;
  readonly ctLog: { readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  readonly settings: SigstoreSettings;
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly extensions: readonly Uint8Array[];
}

async function issueCertificate(order: Order): Promise<Issued> {
  const { issuer, settings, publicKey, name, extensions } = order;
  const notBefore = settings.notBefore ?? settings.now();
  const notAfter = new Date(notBefore.getTime() + settings.certificateMinutes * 60_000);
  const spki = settings.foreignKey
    ? spkiOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey)
    : publicKey;
  const make = (more: readonly Uint8Array[]): TestCertificate =>
    makeCertificate({
      subject: "",
      issuer,
      spki,
      keyUsage: 0x80,
      extendedKeyUsages: [CODE_SIGNING],
      names: [[name.includes("@") && !name.includes("://") ? TAG_EMAIL : TAG_URI, name]],
      notBefore: timeText(notBefore),
      notAfter: timeText(notAfter),
      more: [...extensions, ...more],
    });
  const key = order.ctLog;
  const clock = settings.now();
  if (settings.sct === "none") return { certificate: make([]) };
  if (settings.sct === "detached") {
    const certificate = make([]);
    return { certificate, sct: detachedSct(certificate.der, key, clock) };
  }
  const log = await initializeCTLog(
    settings.sct === "foreign" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : key,
    clock,
  );
  const issuerHash = createHash("sha256")
    .update(spkiOf(createPublicKey(issuer.privateKey)))
    .digest();
  const hash = new Uint8Array(issuerHash).buffer;
  const sct = new Uint8Array(await log.log(new Uint8Array(make([]).der).buffer, hash));
  // Its length stands before the timestamp already.
  const list = concatBytes(Uint8Array.of(sct.length >> 8, sct.length & 255), sct);
  return { certificate: make([extension(SCT_LIST, encodeDer(TAG.octetString, list))]) };
}

/** The log's answer to `add-chain` (RFC 6962 §4.1). */
function detachedSct(der: Uint8Array, key: Order["ctLog"], at: Date): Uint8Array {
  const signed = new Uint8Array(2 + 8 + 2 + 3 + der.length + 2);
  const view = new DataView(signed.buffer);
  view.setBigUint64(2, BigInt(at.getTime()));
  view.setUint8(12, der.length >> 16);
  view.setUint16(13, der.length & 0xffff);
  signed.set(der, 15);
  const signature = new Uint8Array(sign("sha256", signed, key.privateKey));
  const digitallySigned = concatBytes(Uint8Array.of(4, 3, 0, signature.length), signature);
  return utf8(
    JSON.stringify({
      sct_version: 0,
      id: createHash("sha256").update(spkiOf(key.publicKey)).digest("base64"),
      timestamp: at.getTime(),
      extensions: "",
      signature: digitallySigned.toBase64(),
    }),
  );
}

/** Lets `@sigstore/mock` turn claims into extensions, and issues what it asks for. */
async function issueByMock(
  claims: Readonly<Record<string, unknown>>,
  subject: string,
  publicKey: Uint8Array,
  issue: (
    publicKey: Uint8Array,
    name: string,
    extensions: readonly Uint8Array[],
  ) => Promise<Issued>,
): Promise<Issued> {
  let issued: Issued | undefined;
  const handler = fulcioHandler({
    rootCertificate: Buffer.from([0]),
    issueCertificate: async ({ extensions = [] }) => {
      const encoded = extensions.map(({ oid, value, legacy }) =>
        extension(oidOf(oid), legacy === true ? utf8(value) : encodeDer(0x0c, utf8(value))),
      );
      issued = await issue(publicKey, nameOf(claims, subject), encoded);
      return new Uint8Array(issued.certificate.der);
    },
  });
  const part = (value: unknown): string =>
    utf8(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const pem = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" }).export({
    format: "pem",
    type: "spki",
  });
  await handler.fn(
    JSON.stringify({
      credentials: { oidcIdentityToken: `${part({ alg: "none" })}.${part(claims)}.` },
      publicKeyRequest: { publicKey: { content: pem } },
    }),
  );
  if (issued === undefined) throw new Error("the mock has issued no certificate");
  return issued;
}

/** What Fulcio writes as the subject: of CI workflows, their file; else what was proved. */
function nameOf(claims: Readonly<Record<string, unknown>>, subject: string): string {
  const workflow = claims["job_workflow_ref"];
  return typeof workflow === "string" ? `https://github.com/${workflow}` : subject;
}

/** What the proof of possession is over. */
function subjectOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const { email, email_verified: verified, sub } = claims;
  if (email !== undefined) {
    return typeof email === "string" && verified === true ? email : undefined;
  }
  return typeof sub === "string" && sub !== "" ? sub : undefined;
}

function isFresh({ aud, exp }: Readonly<Record<string, unknown>>): boolean {
  const audiences = Array.isArray(aud) ? aud : [aud];
  return audiences.includes("sigstore") && typeof exp === "number" && exp * 1000 > Date.now();
}

interface Asked {
  readonly token: string;
  readonly publicKey: Uint8Array;
  readonly proof: Uint8Array;
}

async function readRequest(request: Request, version: "v1" | "v2"): Promise<Asked | undefined> {
  try {
    const body: Posted = await request.json();
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (version === "v1") {
      return {
        token: bearer,
        publicKey: derOf(Buffer.from(body.publicKey.content, "base64")),
        proof: Uint8Array.fromBase64(body.signedEmailAddress),
      };
    }
    return {
      token: body.credentials?.oidcIdentityToken ?? bearer, // cosign 3.1 sends it as in v1
      publicKey: spkiOf(createPublicKey(body.publicKeyRequest.publicKey.content)),
      proof: Uint8Array.fromBase64(body.publicKeyRequest.proofOfPossession),
    };
  } catch {
    return undefined;
  }
}

/** Fulcio's first API takes DER and PEM alike; cosign 2.6 sends PEM. */
function derOf(content: Buffer): Uint8Array {
  return content[0] === 0x30 ? content : spkiOf(createPublicKey(content));
}

function hasProof(spki: Uint8Array, subject: string, proof: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const digest =
    key.asymmetricKeyType === "ed25519"
      ? null
      : curve === "secp384r1"
        ? "sha384"
        : curve === "secp521r1"
          ? "sha512"
          : "sha256";
  return verify(digest, utf8(subject), key, proof);
}

function problem(status: number, code: number, message: string): Response {
  return Response.json({ code, message, details: [] }, { status });
}

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: "der", type: "spki" }));
}

function timeText(time: Date): string {
  return time.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
}

/** The contents of an OBJECT IDENTIFIER in hexadecimal. */
function oidOf(dotted: string): string {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octetsOf = (arc: number): readonly number[] => {
    const octets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      octets.unshift(128 + (left % 128));
    }
    return octets;
  };
  return Uint8Array.from([first * 40 + second, ...rest.flatMap(octetsOf)]).toHex();
}
