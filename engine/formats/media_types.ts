/** Media types and annotation names, as the standards and cosign spell them. */
export const MEDIA = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
  simpleSigning: "application/vnd.dev.cosign.simplesigning.v1+json",
  dsseEnvelope: "application/vnd.dsse.envelope.v1+json",
  bundleV03: "application/vnd.dev.sigstore.bundle.v0.3+json",
  inToto: "application/vnd.in-toto+json",
  signatureArtifact: "application/vnd.dev.cosign.artifact.sig.v1+json",
  sbomArtifact: "application/vnd.dev.cosign.artifact.sbom.v1+json",
} as const;

/** What every media type of a Sigstore bundle begins with. */
export const BUNDLE_MEDIA_PREFIX = "application/vnd.dev.sigstore.bundle";

/** Annotations of signature layers and of bundle manifests. */
export const ANNOTATION = {
  signature: "dev.cosignproject.cosign/signature",
  predicateType: "predicateType",
  certificate: "dev.sigstore.cosign/certificate",
  chain: "dev.sigstore.cosign/chain",
  rekorBundle: "dev.sigstore.cosign/bundle",
  timestamp: "dev.sigstore.cosign/rfc3161timestamp",
  bundleContent: "dev.sigstore.bundle.content",
  bundlePredicateType: "dev.sigstore.bundle.predicateType",
  created: "org.opencontainers.image.created",
  refName: "org.opencontainers.image.ref.name",
  /** In the `index.json` of a directory that `save` wrote. */
  savedKind: "kind",
} as const;

/** The predicate of an image signature in a bundle. */
export const SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";
