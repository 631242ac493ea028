import { sha256 } from "../crypto/hash.ts";
import { parsePublicKeyPem } from "../crypto/public_key.ts";
import type { TrustedAuthority, TrustedLog, TrustedRoot } from "../formats/trusted_root.ts";
import { parseTrustedRoot } from "../formats/trusted_root_json.ts";
import { type Certificate, parseCertificatesPem } from "../formats/x509.ts";
import { readShort } from "../io/blob.ts";
import type { Environment } from "../io/env.ts";
import { equalBytes } from "../model/bytes.ts";
import { CosignError, describeError } from "../model/errors.ts";
import { embeddedTrustedRoot } from "./embedded.ts";

/** Where a run's trust comes from: files or URLs; what is absent was not named. */
export interface TrustSources {
  /** A Sigstore trusted root; then nothing else counts. */
  readonly trustedRoot?: string;
  /** Authorities of signing certificates that the user has named. */
  readonly authorities?: readonly TrustedAuthority[];
  /** PEM: a timestamp authority's certificate first, its root last. */
  readonly timestampChain?: string;
}

/** What opening trust needs of the world. */
export interface TrustContext {
  readonly env: Environment;
  readonly signal: AbortSignal;
}

const MAX_ROOT_BYTES = 16 * 1024 * 1024; // the public one has 12 KB
const MAX_PEM_BYTES = 1024 * 1024;

/**
 * Opens the trusted root of a run: a file, or Sigstore's own whose parts the variables `SIGSTORE_…`
 * and the user's own certificates replace.
 *
 * @throws {CosignError} `TRUST_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`.
 */
export async function openTrustedRoot(
  sources: TrustSources,
  context: TrustContext,
): Promise<TrustedRoot> {
  const { trustedRoot, authorities, timestampChain } = sources;
  if (trustedRoot !== undefined) return await readTrustedRoot(trustedRoot, context);
  const { env } = context;
  const own = {
    logs: await readLogs(env["SIGSTORE_REKOR_PUBLIC_KEY"], context),
    ctLogs: await readLogs(env["SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"], context),
    certificateAuthorities:
      authorities ?? (await readAuthorities(env["SIGSTORE_ROOT_FILE"], context)),
    timestampAuthorities: await readChain(
      timestampChain ?? env["SIGSTORE_TSA_CERTIFICATE_FILE"],
      context,
    ),
  };
  const isComplete = Object.values(own).every((part) => part !== undefined);
  const sigstore = isComplete ? undefined : await embeddedTrustedRoot();
  return {
    logs: own.logs ?? sigstore?.logs ?? [],
    ctLogs: own.ctLogs ?? sigstore?.ctLogs ?? [],
    certificateAuthorities: own.certificateAuthorities ?? sigstore?.certificateAuthorities ?? [],
    timestampAuthorities: own.timestampAuthorities ?? sigstore?.timestampAuthorities ?? [],
  };
}

/** Reads a file of a trusted root. @throws {CosignError} `TRUST_INVALID`, `FILE_READ`, `LIMIT_EXCEEDED`. */
export async function readTrustedRoot(path: string, context: TrustContext): Promise<TrustedRoot> {
  const bytes = await readShort(path, MAX_ROOT_BYTES, context);
  return parsed(`trusted root "${path}"`, () => parseTrustedRoot(bytes));
}

/** The authorities of certificates: each that has signed itself is a root, by way of all others. */
export function authoritiesOf(
  certificates: readonly Certificate[],
  uri: string,
): readonly TrustedAuthority[] {
  const isRoot = ({ issuer, subject }: Certificate) => equalBytes(issuer, subject);
  const between = certificates.filter((certificate) => !isRoot(certificate));
  return certificates
    .filter(isRoot)
    .map((root) => ({ uri, chain: [...between, root], validFor: {} }));
}

async function readLogs(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedLog[] | undefined> {
  if (!path) return undefined;
  const pem = new TextDecoder().decode(await readShort(path, MAX_PEM_BYTES, context));
  const blocks = pem.match(/-----BEGIN [\s\S]*?-----END [^\n]*/g) ?? [pem];
  return blocks.map((block) => {
    const key = parsePublicKeyPem(block, path);
    return { baseUrl: path, key, keyId: sha256(key.spki), validFor: {} };
  });
}

async function readAuthorities(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedAuthority[] | undefined> {
  if (!path) return undefined;
  return authoritiesOf(await readPem(path, context), path);
}

async function readChain(
  path: string | undefined,
  context: TrustContext,
): Promise<readonly TrustedAuthority[] | undefined> {
  if (!path) return undefined;
  return [{ uri: path, chain: await readPem(path, context), validFor: {} }];
}

async function readPem(path: string, context: TrustContext): Promise<readonly Certificate[]> {
  const bytes = await readShort(path, MAX_PEM_BYTES, context);
  return parsed(`certificates "${path}"`, () =>
    parseCertificatesPem(new TextDecoder().decode(bytes)),
  );
}

function parsed<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError("TRUST_INVALID", `Cannot read ${what}: ${describeError(cause)}`, {
      cause,
    });
  }
}
