import { withoutEffect } from "../flag.ts";

/** The certificate authority of keyless signatures. */
export const FULCIO_FLAGS = {
  "fulcio-url": {
    type: "text",
    brief: "address of the Sigstore certificate authority",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify a fulcio url; see `cosign signing-config --help`",
  },
  "identity-token": {
    type: "text",
    brief: "identity token: itself, a file that holds it, or - for standard input",
    placeholder: "token",
  },
  "insecure-skip-verify": {
    type: "bool",
    brief:
      "take certificates, log entries and timestamps of services that the trusted root does not know",
    deprecated: "SCT verification is no longer performed during signing/attestation.",
  },
  "fulcio-auth-flow": {
    type: "text",
    brief: "how to log in for keyless signing",
    placeholder: "normal|device|token|client_credentials",
  },
} as const;

/** cosign takes them also where nothing is signed. */
export const FULCIO_IGNORED_FLAGS: typeof FULCIO_FLAGS = withoutEffect(FULCIO_FLAGS);

/** Who vouches for the identity of a keyless signature. */
export const OIDC_FLAGS = {
  "oidc-issuer": {
    type: "text",
    brief: "OIDC provider that issues identity tokens",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify an OIDC issuer; see `cosign signing-config create --help`",
  },
  "oidc-client-id": {
    type: "text",
    brief: "OIDC client id (default sigstore)",
    placeholder: "id",
  },
  "oidc-client-secret": {
    type: "text",
    brief: "OIDC client secret",
    placeholder: "secret",
  },
  "oidc-client-secret-file": {
    type: "text",
    brief: "file that holds the OIDC client secret",
    placeholder: "file",
  },
  "oidc-redirect-url": {
    type: "text",
    brief: "where the browser comes back to (default http://localhost:0/auth/callback)",
    placeholder: "url",
  },
  "oidc-provider": {
    type: "text",
    brief: "provider of the environment that gives the identity token; see debug providers",
    placeholder: "name",
  },
  "oidc-disable-ambient-providers": {
    type: "bool",
    brief: "do not look for identity tokens of the environment",
  },
} as const;

/** The transparency log. */
export const REKOR_FLAGS = {
  "rekor-url": {
    type: "text",
    brief: "address of the transparency log",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify a rekor url; see `cosign signing-config --help`",
  },
} as const;

/** What a certificate must say, and who must have issued it. */
export const CERTIFICATE_VERIFY_FLAGS = {
  certificate: {
    type: "text",
    brief: "certificate to verify with: PEM; a file or a URL",
    placeholder: "file",
    deprecated: "please use --bundle with --trusted-root to provide the public certificate",
  },
  "certificate-chain": {
    type: "text",
    brief: "authorities of the certificate: PEM, its issuer first, the root last",
    placeholder: "file",
    deprecated: "please use --trusted-root to provide the certificate chain",
  },
  "ca-roots": {
    type: "text",
    brief: "root certificates: PEM",
    placeholder: "file",
    deprecated: "please use --trusted-root to provide CA certificates",
  },
  "ca-intermediates": {
    type: "text",
    brief: "certificates between roots and signers: PEM; with --ca-roots",
    placeholder: "file",
    deprecated: "please use --trusted-root to provide CA certificates",
  },
  "certificate-email": {
    type: "text",
    brief: "email that the certificate must have",
    placeholder: "email",
    hidden: true,
  },
  "certificate-identity": {
    type: "text",
    brief: "name that the certificate must have: email, URI, DNS name or IP address",
    placeholder: "identity",
  },
  "certificate-identity-regexp": {
    type: "text",
    brief: "pattern of that name, in Go's syntax",
    placeholder: "pattern",
  },
  "certificate-oidc-issuer": {
    type: "text",
    brief: "issuer of the identity that the certificate must name",
    placeholder: "url",
  },
  "certificate-oidc-issuer-regexp": {
    type: "text",
    brief: "pattern of that issuer, in Go's syntax",
    placeholder: "pattern",
  },
  "certificate-github-workflow-trigger": {
    type: "text",
    brief: "GitHub event that the certificate must name",
    placeholder: "event",
  },
  "certificate-github-workflow-sha": {
    type: "text",
    brief: "commit that the certificate must name",
    placeholder: "sha",
  },
  "certificate-github-workflow-name": {
    type: "text",
    brief: "GitHub workflow that the certificate must name",
    placeholder: "name",
  },
  "certificate-github-workflow-repository": {
    type: "text",
    brief: "GitHub repository that the certificate must name",
    placeholder: "name",
  },
  "certificate-github-workflow-ref": {
    type: "text",
    brief: "git ref that the certificate must name",
    placeholder: "ref",
  },
  "insecure-ignore-sct": {
    type: "bool",
    brief: "do not demand that the certificate is in a certificate transparency log",
  },
  sct: {
    type: "text",
    brief: "detached signed certificate timestamp: JSON",
    placeholder: "file",
    deprecated: "a Signed Certificate Timestamp is now provided via a Sigstore bundle",
  },
  "enforce-sct": {
    type: "bool",
    brief: "demand a signed certificate timestamp with --compat 1, where none is otherwise",
  },
} as const;

/** The certificate that goes with a key. */
export const CERTIFICATE_SIGN_FLAGS = {
  certificate: {
    type: "text",
    brief: "certificate to include in the signature",
    placeholder: "file",
  },
  "certificate-chain": {
    type: "text",
    brief: "PEM file of the authorities of the certificate",
    placeholder: "file",
  },
  "issue-certificate": {
    type: "bool",
    brief: "have a certificate issued although a key is given",
    deprecated: "support for this flag will be removed in the future",
  },
} as const;

/** Where the certificate is written. */
export const OUTPUT_CERTIFICATE_FLAGS = {
  "output-certificate": {
    type: "text",
    brief: "write the certificate to a file",
    placeholder: "file",
    deprecated:
      "please use --bundle to provide the output bundle location, which will include the certificate",
  },
} as const;

/** Timestamps of RFC 3161. */
export const TIMESTAMP_SIGN_FLAGS = {
  "timestamp-client-cacert": {
    type: "text",
    brief: "PEM file of the timestamp authority's CA",
    placeholder: "file",
  },
  "timestamp-client-cert": {
    type: "text",
    brief: "PEM file of the client certificate for the timestamp authority",
    placeholder: "file",
  },
  "timestamp-client-key": {
    type: "text",
    brief: "PEM file of that certificate's private key",
    placeholder: "file",
  },
  "timestamp-server-name": {
    type: "text",
    brief: "name that the timestamp authority's certificate must have",
    placeholder: "name",
  },
  "timestamp-server-url": {
    type: "text",
    brief: "address of a timestamp authority",
    placeholder: "url",
    deprecated:
      "please use a signing config to specify a timestamp server url; see `cosign signing-config --help`",
  },
} as const;

/** Names to sign instead of the repository's. */
export const CONTAINER_IDENTITY_FLAGS = {
  "sign-container-identity": {
    type: "list",
    brief: "name to sign instead of the repository's; repeatable",
    placeholder: "name,...",
    deprecated: "not possible when OCI referrers become the default behavior",
  },
} as const;
