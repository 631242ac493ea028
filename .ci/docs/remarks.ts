/** Why a flag has no effect in this version. */
export const IGNORED: Readonly<Record<string, string>> = {
  "fulcio-auth-flow": "nothing is signed here; cosign takes it all the same",
  "fulcio-url": keyless(),
  "identity-token": "nothing is signed here; cosign takes it all the same",
  "insecure-ignore-sct": "there is no certificate that would need a timestamp when a key verifies",
  "insecure-skip-verify": keyless(),
  "max-workers":
    "the signatures of one image take a thread a few milliseconds; images at once: `batch verify --threads`",
  "output-certificate": "signing with a key makes no certificate",
  recursive: "cosign itself signs the image that is named only",
  "rekor-entry-type": "nothing is uploaded to a log",
  "rekor-url": "no log is asked",
  "rfc3161-timestamp-bundle": "no timestamps are asked for",
  "signing-algorithm":
    "it is about keys that keyless signing makes up; `--key` has its own algorithm",
  slot: "it is about hardware keys, and `--sk` is refused",
  "timestamp-client-cacert": "no timestamps are asked for",
  "timestamp-client-cert": "no timestamps are asked for",
  "timestamp-client-key": "no timestamps are asked for",
  "timestamp-server-name": "no timestamps are asked for",
  "trusted-root": "it is read, but a key needs none of what is in it",
};

/** What to use instead of a flag that is refused in this version. */
export const INSTEAD: Readonly<Record<string, string>> = {
  "ca-intermediates": byKey(),
  "ca-roots": byKey(),
  certificate: byKey(),
  "certificate-chain": byKey(),
  "certificate-email": byKey(),
  "certificate-github-workflow-name": byKey(),
  "certificate-github-workflow-ref": byKey(),
  "certificate-github-workflow-repository": byKey(),
  "certificate-github-workflow-sha": byKey(),
  "certificate-github-workflow-trigger": byKey(),
  "certificate-identity": byKey(),
  "certificate-identity-regexp": byKey(),
  "certificate-oidc-issuer": byKey(),
  "certificate-oidc-issuer-regexp": byKey(),
  "enforce-sct": byKey(),
  "issue-certificate": "leave it out: the key alone signs",
  "rfc3161-timestamp": "leave it out, and verify with `--key`",
  sct: byKey(),
  "signing-config": "`--tlog-upload=false` signs without services",
  sk: "a key file: `--key`",
  "timestamp-certificate-chain": byKey(),
  "timestamp-server-url": "leave it out: signatures by a key do not expire",
  "use-signed-timestamps": byKey(),
  "use-signing-config": "`--tlog-upload=false` signs without services",
};

/** In which generations commands are that had no flags in each of them. */
export const PLAIN_COMMANDS: Readonly<Record<string, string>> = {
  clean: "yyyy",
  "download attestation": "-yyy",
  "download sbom": "yyyy",
  tree: "-yyy",
  login: "-yyy",
  completion: "yyyy",
  version: "yyyy",
  "download signature": "yyyy",
  "bundle inspect": "---y",
  "debug providers": "--HH",
  "piv-tool reset": "yyyy",
  sget: "yy--",
};

function keyless(): string {
  return "only keyless signing needs it, and that comes with a later version";
}

function byKey(): string {
  return "a key: `--key`";
}
