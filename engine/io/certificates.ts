import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { getCACertificates, rootCertificates } from "node:tls";
import { CosignError } from "../model/errors.ts";
import type { Environment } from "./env.ts";

/** Where Linux distributions and BSDs keep the certificates that they trust, as Go looks for them. */
const SYSTEM_FILES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
/** The largest store seen has about 250 KB. */
const MAX_STORE_BYTES = 8 * 1024 * 1024;
const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * The certificates that servers are checked against, as PEM: those of `SSL_CERT_FILE` and of all
 * files in the directories of `SSL_CERT_DIR`; without these variables those of the system; where
 * that has none, those that came with this program. Reads files, synchronously; certificates that
 * cannot be read are passed over, as Go does.
 */
export function trustedRoots(env: Environment): string {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directories } = env;
  const place = JSON.stringify([file, directories]);
  if (lastRead?.place !== place) lastRead = { place, pem: readRoots(file, directories) };
  return lastRead.pem;
}

/** Reading them takes 20 ms: once for a thread. */
let lastRead: { readonly place: string; readonly pem: string } | undefined;

function readRoots(file: string | undefined, directories: string | undefined): string {
  const found = new Set<string>();
  for (const path of file ? [file] : directories ? [] : SYSTEM_FILES) {
    for (const block of readBlocks(path)) found.add(block);
    if (found.size > 0) break;
  }
  for (const directory of directories ? directories.split(":") : []) {
    for (const path of filesOf(directory)) for (const block of readBlocks(path)) found.add(block);
  }
  if (found.size === 0 && !file && !directories) {
    for (const block of getCACertificates?.("system") ?? []) found.add(block);
  }
  return [...(found.size > 0 ? found : rootCertificates)].join("\n");
}

/**
 * Checks PEM certificates that the user named.
 *
 * @throws {CosignError} `CREDENTIALS_INVALID` when there is none or one cannot be read.
 */
export function checkCertificates(pem: string, what: string): void {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0) throw invalid(what, "no PEM block CERTIFICATE in it");
  for (const block of blocks) {
    if (!isCertificate(block)) throw invalid(what, "a certificate in it cannot be read");
  }
}

/**
 * Checks the PEM private key of a client certificate, and that it belongs to the certificate.
 *
 * @throws {CosignError} `CREDENTIALS_INVALID`.
 */
export function checkClientKey(keyPem: string, certificatePem: string): void {
  let belongs: boolean;
  try {
    belongs = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (cause) {
    throw invalid("the key of the client certificate", "not an unencrypted PEM private key", cause);
  }
  if (!belongs) throw invalid("the key of the client certificate", "it is of another certificate");
}

function invalid(what: string, why: string, cause?: unknown): CosignError {
  return new CosignError("CREDENTIALS_INVALID", `Cannot use ${what}: ${why}`, {
    cause,
    hint: "Name a file with PEM, as --registry-cacert, --registry-client-cert and --registry-client-key take it",
  });
}

function readBlocks(path: string): readonly string[] {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_STORE_BYTES) return [];
    return (bytes.toString("latin1").match(BLOCK) ?? []).filter(isCertificate);
  } catch {
    return []; // not there, or not for us: as Go, the next place is asked
  }
}

function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .sort()
      .map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}
