import { type Bundle, encodeBundle, parseBundle } from "../../formats/bundle.ts";
import {
  formatDistinguishedName,
  parseDistinguishedName,
} from "../../formats/distinguished_name.ts";
import type { LogEntry } from "../../formats/log_entry.ts";
import { parseCertificate } from "../../formats/x509.ts";
import { readShort } from "../../io/blob.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import { equalBytes } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import { entryAt } from "../../transparency/rekor_search.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import type { BUNDLE_UPGRADE_FLAGS } from "../flags/bundle.ts";
import { printableLine } from "../printable.ts";
import { serviceContext } from "../searched_log.ts";

type Call = Invocation<typeof BUNDLE_UPGRADE_FLAGS>;

const MAX_BUNDLE_BYTES = 32 * 1024 * 1024;

/** `bundle upgrade`: a bundle of version 0.1 or 0.2 as one of version 0.3, with the proofs that this wants. */
export const bundleUpgradeCommand: CommandFunction<typeof BUNDLE_UPGRADE_FLAGS> = async (call) => {
  const { flags, args, env, stdout, stderr } = call;
  const [path = ""] = args;
  using deadline = startDeadline(flags.timeout, "Cannot upgrade the bundle");
  const bytes = await readShort(path, MAX_BUNDLE_BYTES, { env, signal: deadline.signal });
  const upgraded = await upgrade(bytes, path, call, deadline.signal);
  if (!flags.out) {
    stdout.write(upgraded);
    stdout.write("\n");
    return 0;
  }
  writeOutputFile(flags.out, upgraded, 0o600);
  stderr.write(`Successfully upgraded bundle written to ${printableLine(flags.out)}\n`);
  return 0;
};

async function upgrade(
  bytes: Uint8Array,
  path: string,
  call: Call,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const tell = (line: string): void => call.stderr.write(`${line}\n`);
  const bundle = parsed(bytes, path);
  if (bundle.version === "0.3") {
    tell("Bundle is already at v0.3, no upgrade needed.");
    return bytes;
  }
  tell(`Upgrading from v${bundle.version} to v0.3...`);
  if (bundle.certificates.length > 0) {
    tell("Truncating certificate chain to only the leaf certificate...");
    for (const [at, der] of bundle.certificates.entries()) tell(identityLine(der, at));
  }
  const logEntries: LogEntry[] = [];
  for (const entry of bundle.logEntries) {
    if (entry.proof !== undefined) {
      logEntries.push(entry);
      continue;
    }
    tell(`Fetching missing inclusion proof from Rekor for log index ${entry.logIndex}...`);
    logEntries.push(await proven(entry, call, signal));
  }
  return encodeBundle({ ...bundle, logEntries });
}

/** The entry with the log's proof, once it is seen that the log has this very entry there. */
async function proven(entry: LogEntry, call: Call, signal: AbortSignal): Promise<LogEntry> {
  const url = call.flags["rekor-url"];
  const found = await entryAt(entry.logIndex, url, serviceContext(call, signal));
  if (found?.proof === undefined) {
    throw new CosignError(
      "LOG_ENTRY_MISSING",
      `The log "${url}" has no entry with a proof at index ${entry.logIndex}`,
      { hint: "Name the log that the entry is in: --rekor-url" },
    );
  }
  if (!equalBytes(found.body, entry.body) || !equalBytes(found.logId, entry.logId)) {
    throw new CosignError(
      "LOG_ENTRY_MISMATCH",
      `The log "${url}" has another entry at index ${entry.logIndex} than the bundle`,
    );
  }
  return { ...entry, proof: found.proof };
}

function parsed(bytes: Uint8Array, path: string): Bundle {
  try {
    return parseBundle(bytes);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CosignError(
      "BUNDLE_INVALID",
      `Cannot read bundle "${path}": ${describeError(cause)}`,
      { cause },
    );
  }
}

function identityLine(der: Uint8Array, at: number): string {
  try {
    const { alternativeNames, subject } = parseCertificate(der);
    const named = (kind: "email" | "uri") =>
      alternativeNames.find((name) => name.kind === kind)?.value;
    const subjectText = formatDistinguishedName(parseDistinguishedName(subject));
    const identity = named("email") || named("uri") || subjectText || "<none>";
    return `  Certificate ${at} Identity: ${printableLine(identity)}`;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return `  Certificate ${at}: <unable to parse: ${printableLine(error.message)}>`;
  }
}
