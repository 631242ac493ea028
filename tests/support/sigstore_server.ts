import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../engine/crypto/hash.ts";
import { utf8 } from "../../engine/model/bytes.ts";
import { makeFulcio, type TestFulcio } from "./_sigstore_fulcio.ts";
import type { TestLog } from "./_sigstore_log.ts";
import { makeRekorV1, type TestLogV1 } from "./_sigstore_rekor_v1.ts";
import { makeRekorV2 } from "./_sigstore_rekor_v2.ts";
import {
  makeTimestampAuthority,
  type TestTimestampAuthority,
  type TimestampChanges,
} from "./_sigstore_tsa.ts";
import type { TestCertificate } from "./certificates.ts";

/** The services, each on a port of its own. */
export type SigstoreService = "fulcio" | "rekor" | "rekorV2" | "tsa" | "oidc";

/** What a test may change at any time. */
export interface SigstoreSettings {
  /** The clock of all services. */
  now: () => Date;
  /** Of certificates: the clock's when absent. */
  notBefore: Date | undefined;
  certificateMinutes: number;
  /** How Fulcio says that the log of certificates has one; `foreign`: by another log's key. */
  sct: "embedded" | "detached" | "none" | "foreign";
  /** Whether certificates are for another key than was asked for. */
  foreignKey: boolean;
  fulcioVersions: readonly ("v1" | "v2")[];
  /** Where the entries of Rekor v1's shard begin in the whole log. */
  shardOffset: number;
  /** What timestamps say otherwise. */
  timestamp: TimestampChanges;
}

/** One way in which a service misbehaves. */
export type SigstoreFault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly retryAfter?: string;
      readonly body?: string;
    }
  /** The answer comes this much later. */
  | { readonly kind: "slow"; readonly ms: number }
  /** The connection stays, and no answer comes. */
  | { readonly kind: "stall" }
  /** The request is done, and its answer is lost: 502. */
  | { readonly kind: "lost" }
  | { readonly kind: "redirect"; readonly location: string }
  /** A lie: another answer in the place of the true one. */
  | {
      readonly kind: "answer";
      readonly change: (answer: Response, url: string) => Response | Promise<Response>;
    };

/** A request that a service has seen. */
export interface SigstoreRequest {
  readonly service: SigstoreService;
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

/** Sigstore in memory, over HTTP of the loopback. */
export interface Sigstore {
  readonly fulcioUrl: string;
  readonly rekorUrl: string;
  readonly rekorV2Url: string;
  /** With the path that requests go to. */
  readonly tsaUrl: string;
  /** Whose tokens Fulcio takes, beside those of any issuer on the loopback that can be discovered. */
  readonly issuerUrl: string;
  readonly settings: SigstoreSettings;
  readonly fulcio: TestFulcio;
  readonly rekor: TestLogV1;
  readonly rekorV2: TestLog;
  readonly tsa: TestTimestampAuthority;
  readonly trustedRootJson: string;
  readonly trustedRootPath: string;
  /** Of Rekor v2 and the timestamp authority. */
  readonly signingConfigJson: string;
  readonly signingConfigPath: string;
  /** The same with Rekor v1. */
  readonly signingConfigV1Path: string;
  readonly requests: readonly SigstoreRequest[];
  /** A token for the audience `sigstore`, an hour valid, of `mail@example.com`; claims go before. */
  oidcToken(claims?: Readonly<Record<string, unknown>>): string;
  count(service: SigstoreService, path?: string): number;
  /** Lets a service misbehave for its next requests; for all when `times` is absent. */
  fail(service: SigstoreService, fault: SigstoreFault, times?: number): void;
  /** Everything is well again. */
  heal(): void;
  close(): Promise<void>;
}

interface Failing {
  readonly fault: SigstoreFault;
  left: number;
}

const START = "2020-01-01T00:00:00Z";

/** Starts all services on free ports. Whoever starts them closes them. */
export async function startSigstore(changes: Partial<SigstoreSettings> = {}): Promise<Sigstore> {
  const settings: SigstoreSettings = {
    now: () => new Date(),
    notBefore: undefined,
    certificateMinutes: 10,
    sct: "embedded",
    foreignKey: false,
    fulcioVersions: ["v1", "v2"],
    shardOffset: 1000,
    timestamp: {},
    ...changes,
  };
  const requests: SigstoreRequest[] = [];
  const failing = new Map<SigstoreService, Failing>();
  const servers: Bun.Server<undefined>[] = [];
  const serve = (service: SigstoreService, handle: (request: Request) => Promise<Response>) => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      idleTimeout: 60,
      fetch: async (request) => {
        const answer = await misbehave(takeFault(failing, service), request, handle);
        const path = new URL(request.url).pathname;
        requests.push({ service, method: request.method, path, status: answer.status });
        return answer;
      },
    });
    servers.push(server);
    return `http://127.0.0.1:${server.port}`;
  };

  const issuerKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuerUrl: string = serve("oidc", async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/.well-known/openid-configuration") {
      return Response.json({ issuer: issuerUrl, jwks_uri: `${issuerUrl}/keys` });
    }
    if (pathname !== "/keys") return new Response("not found", { status: 404 });
    const key = { ...issuerKeys.publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256" };
    return Response.json({ keys: [key] });
  });
  const fulcio = await makeFulcio(settings, (token) => checkToken(token));
  const rekor = makeRekorV1(generateKeyPairSync("ec", { namedCurve: "P-256" }), settings);
  const rekorV2 = makeRekorV2(generateKeyPairSync("ed25519"));
  const tsa = makeTimestampAuthority();
  const fulcioUrl = serve("fulcio", fulcio.handle);
  const rekorUrl = serve("rekor", rekor.handle);
  const rekorV2Url = serve("rekorV2", rekorV2.handle);
  const tsaUrl = `${serve("tsa", (request) => answerTimestamp(tsa, settings, request))}/api/v1/timestamp`;

  const trustedRootJson = JSON.stringify({
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [
      logJson(rekorUrl, rekor.publicKey, rekor.keyId),
      logJson(rekorV2Url, rekorV2.publicKey, rekorV2.keyId),
    ],
    certificateAuthorities: [authorityJson(fulcioUrl, fulcio.chain)],
    ctlogs: [logJson("http://ct.test", createPublicKey(fulcio.ctLogKey))],
    timestampAuthorities: [authorityJson(tsaUrl, tsa.chain)],
  });
  const config = (rekorServices: readonly (readonly [string, number])[]): string =>
    JSON.stringify({
      mediaType: "application/vnd.dev.sigstore.signingconfig.v0.2+json",
      caUrls: [serviceJson(fulcioUrl, 1)],
      oidcUrls: [serviceJson(issuerUrl, 1)],
      rekorTlogUrls: rekorServices.map(([url, version]) => serviceJson(url, version)),
      rekorTlogConfig: { selector: "ANY" },
      tsaUrls: [serviceJson(tsaUrl, 1)],
      tsaConfig: { selector: "ANY" },
    });
  const signingConfigJson = config([[rekorV2Url, 2]]);
  const folder = mkdtempSync(join(tmpdir(), "sigstore-"));
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  return {
    fulcioUrl,
    rekorUrl,
    rekorV2Url,
    tsaUrl,
    issuerUrl,
    settings,
    fulcio,
    rekor,
    rekorV2,
    tsa,
    trustedRootJson,
    trustedRootPath: write("trusted_root.json", trustedRootJson),
    signingConfigJson,
    signingConfigPath: write("signing_config.v0.2.json", signingConfigJson),
    signingConfigV1Path: write("signing_config_v1.json", config([[rekorUrl, 1]])),
    requests,
    oidcToken: (claims = {}) => makeToken(issuerKeys.privateKey, issuerUrl, claims),
    count: (service, path) =>
      requests.filter((each) => each.service === service && (path ?? each.path) === each.path)
        .length,
    fail: (service, fault, times = Number.POSITIVE_INFINITY) =>
      failing.set(service, { fault, left: times }),
    heal: () => failing.clear(),
    close: async () => {
      await Promise.all(servers.map((server) => server.stop(true)));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function takeFault(
  failing: Map<SigstoreService, Failing>,
  service: SigstoreService,
): SigstoreFault | undefined {
  const found = failing.get(service);
  if (found === undefined || found.left <= 0) return undefined;
  found.left -= 1;
  return found.fault;
}

async function misbehave(
  fault: SigstoreFault | undefined,
  request: Request,
  handle: (request: Request) => Promise<Response>,
): Promise<Response> {
  switch (fault?.kind) {
    case "status":
      return new Response(fault.body ?? "no", {
        status: fault.status,
        headers: fault.retryAfter === undefined ? {} : { "retry-after": fault.retryAfter },
      });
    case "slow":
      await Bun.sleep(fault.ms);
      return await handle(request);
    case "stall":
      return await new Promise(() => {});
    case "lost":
      await handle(request);
      return new Response("bad gateway", { status: 502 });
    case "redirect":
      return new Response("", { status: 307, headers: { location: fault.location } });
    case "answer":
      return await fault.change(await handle(request), request.url);
    default:
      return await handle(request);
  }
}

async function answerTimestamp(
  tsa: TestTimestampAuthority,
  settings: SigstoreSettings,
  request: Request,
): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (request.method !== "POST" || pathname !== "/api/v1/timestamp") {
    return new Response("not found", { status: 404 });
  }
  if (request.headers.get("content-type") !== "application/timestamp-query") {
    return new Response("unsupported media type", { status: 415 });
  }
  try {
    const changes = { time: settings.now(), ...settings.timestamp };
    const reply = tsa.answer(await request.bytes(), changes);
    return new Response(new Uint8Array(reply), {
      status: 201,
      headers: { "content-type": "application/timestamp-reply" },
    });
  } catch (error) {
    return Response.json({ code: 400, message: String(error) }, { status: 400 });
  }
}

function makeToken(key: KeyObject, iss: string, claims: Readonly<Record<string, unknown>>): string {
  const now = Math.floor(Date.now() / 1000);
  const hasIdentity = "sub" in claims || "email" in claims;
  const identity = hasIdentity
    ? {}
    : { sub: "subject-1", email: "mail@example.com", email_verified: true };
  const payload = { iss, aud: "sigstore", iat: now, exp: now + 3600, ...identity, ...claims };
  const signed = `${encodePart({ alg: "ES256", kid: "one", typ: "JWT" })}.${encodePart(payload)}`;
  const signature = sign("sha256", utf8(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** The claims of a token, when the issuer that it names has signed it; only issuers of the loopback are asked. */
async function checkToken(token: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const [head = "", body = "", signature = ""] = token.split(".");
    const { kid, alg } = JSON.parse(Buffer.from(head, "base64url").toString());
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const issuer = new URL(claims.iss);
    if (issuer.hostname !== "127.0.0.1" && issuer.hostname !== "localhost") return undefined;
    const base = claims.iss.replace(/\/$/, "");
    const known = await readJson(`${base}/.well-known/openid-configuration`);
    if (known.issuer !== claims.iss) return undefined;
    const { keys } = await readJson(known.jwks_uri);
    const jwk = keys.find(
      (each: { readonly kid?: string }) => kid === undefined || each.kid === kid,
    );
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const signed = utf8(`${head}.${body}`);
    const bytes = Buffer.from(signature, "base64url");
    const isRsa = key.asymmetricKeyType === "rsa";
    if (alg !== (isRsa ? "RS256" : "ES256")) return undefined;
    const isGood = isRsa
      ? verify("sha256", signed, key, bytes)
      : verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, bytes);
    return isGood ? claims : undefined;
  } catch {
    return undefined;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: whatever is wrong in it makes the token a bad one
async function readJson(url: string): Promise<any> {
  return await (await fetch(url)).json();
}

function logJson(baseUrl: string, key: KeyObject, keyId?: Uint8Array): object {
  const spki = new Uint8Array(key.export({ format: "der", type: "spki" }));
  return {
    baseUrl,
    hashAlgorithm: "SHA2_256",
    publicKey: {
      rawBytes: spki.toBase64(),
      keyDetails: key.asymmetricKeyType === "ed25519" ? "PKIX_ED25519" : "PKIX_ECDSA_P256_SHA_256",
      validFor: { start: START },
    },
    logId: { keyId: (keyId ?? sha256(spki)).toBase64() },
  };
}

function authorityJson(uri: string, chain: readonly TestCertificate[]): object {
  return {
    subject: { organization: "test", commonName: "test" },
    uri,
    certChain: { certificates: chain.map(({ der }) => ({ rawBytes: der.toBase64() })) },
    validFor: { start: START },
  };
}

function serviceJson(url: string, majorApiVersion: number): object {
  return { url, majorApiVersion, validFor: { start: START }, operator: "test" };
}
