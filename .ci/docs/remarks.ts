/** Why a flag has no effect in this version. */
export const IGNORED: Readonly<Record<string, string>> = {
  "fulcio-auth-flow": "nothing is signed here; cosign takes it all the same",
  "fulcio-url": "nothing is signed here; cosign takes it all the same",
  "identity-token": "nothing is signed here; cosign takes it all the same",
  "insecure-skip-verify": "nothing is signed here; cosign takes it all the same",
  "max-workers":
    "the signatures of one image take a thread a few milliseconds; images at once: `batch verify --workers`",
  recursive: "cosign itself signs the image that is named only",
  slot: "it is about hardware keys, and `--sk` is refused",
};

/** What to use instead of a flag that is refused in this version. */
export const INSTEAD: Readonly<Record<string, string>> = {
  sk: "a key file: `--key`",
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
