import type { TrustedAuthority, TrustedRoot } from "../formats/trusted_root.ts";
import type { Certificate } from "../formats/x509.ts";
import { CosignError } from "../model/errors.ts";
import { authoritiesOf, certificatesOf, isSelfSigned, logsOf } from "./bare_material.ts";
import type { TufRepository } from "./tuf_repository.ts";

/** What a target is for (`custom.sigstore.usage`), and what it is called where nothing says so. */
const USES = {
  Fulcio: [/^fulcio\.crt\.pem$/, /^fulcio_v1\.crt\.pem$/, /^fulcio_intermediate_v1\.crt\.pem$/],
  Rekor: [/^rekor\.pub$/],
  CTFE: [/^ctfe\.pub$/],
  TSA: [/^tsa_leaf\.crt\.pem$/, /^tsa_root\.crt\.pem$/, /^tsa_intermediate_\d+\.crt\.pem$/],
} as const;

const MAX_PEM_BYTES = 65_536; // a chain of three certificates has 3 KB
const MAX_FILES = 64; // of each kind

/**
 * The trusted root of a repository as it was before there was `trusted_root.json`: keys and certificates
 * one by one, by the use that is written beside them, or by their names. A key that is marked as expired counts
 * for what it signed before, as in cosign; there is no time beside it.
 *
 * @throws {CosignError} `TRUST_INVALID` when there is no such thing either; as {@link TufRepository.read}.
 */
export async function readSigstoreTargets(repository: TufRepository): Promise<TrustedRoot> {
  const read = (use: keyof typeof USES) => readUse(repository, use);
  const logs = await read("Rekor");
  const ctLogs = await read("CTFE");
  const authorities = await certificates(read("Fulcio"));
  const stamps = await certificates(read("TSA"));
  if (logs.length + ctLogs.length + authorities.length === 0) {
    throw new CosignError(
      "TRUST_INVALID",
      "The TUF repository has neither trusted_root.json nor keys of Sigstore's services",
      { hint: "Ask who runs it, or name the keys yourself: --trusted-root FILE" },
    );
  }
  return {
    logs: logs.flatMap(({ name, bytes }) => logsOf(bytes, name)),
    ctLogs: ctLogs.flatMap(({ name, bytes }) => logsOf(bytes, name)),
    certificateAuthorities: authoritiesOf(authorities, "fulcio"),
    timestampAuthorities: timestampAuthoritiesOf(stamps),
  };
}

interface Target {
  readonly name: string;
  readonly bytes: Uint8Array;
}

async function readUse(
  repository: TufRepository,
  use: keyof typeof USES,
): Promise<readonly Target[]> {
  const marked = repository.targets.filter(({ sigstore }) => sigstore.usage === use);
  const named = repository.targets.filter(({ name }) => USES[use].some((each) => each.test(name)));
  const chosen = marked.length > 0 ? marked : named;
  if (chosen.length > MAX_FILES) {
    throw new CosignError(
      "TRUST_INVALID",
      `The TUF repository has ${chosen.length} targets of the use ${use}, at most ${MAX_FILES} are read`,
    );
  }
  const targets: Target[] = [];
  for (const { name } of chosen) {
    const bytes = await repository.read(name, MAX_PEM_BYTES);
    if (bytes !== undefined) targets.push({ name, bytes });
  }
  return targets;
}

async function certificates(targets: Promise<readonly Target[]>): Promise<readonly Certificate[]> {
  return (await targets).flatMap(({ name, bytes }) =>
    certificatesOf(bytes, `"${name}" of the TUF repository`),
  );
}

/** The one that signs stands first, below what is between it and its root. */
function timestampAuthoritiesOf(chain: readonly Certificate[]): readonly TrustedAuthority[] {
  const leaves = chain.filter(({ isCa }) => !isCa);
  const between = chain.filter((each) => each.isCa && !isSelfSigned(each));
  const roots = chain.filter((each) => each.isCa && isSelfSigned(each));
  return leaves.flatMap((leaf) =>
    roots.map((root) => ({ uri: "tsa", chain: [leaf, ...between, root], validFor: {} })),
  );
}
