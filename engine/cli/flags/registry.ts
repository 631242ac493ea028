/** How registries are spoken to. */
export const REGISTRY_FLAGS = {
  "allow-http-registry": { type: "bool", brief: "speak http to registries; for tests only" },
  "allow-insecure-registry": {
    type: "bool",
    brief: "do not check the certificates of registries; for tests only",
  },
  "k8s-keychain": {
    type: "bool",
    brief:
      "log in as docker is, else as the cloud lets us: Google, ECR, ACR, Alibaba Cloud, ghcr.io",
  },
  "registry-username": {
    type: "text",
    brief: "user name for registries (basic authentication)",
    placeholder: "name",
  },
  "registry-password": {
    type: "text",
    brief: "password for registries (basic authentication)",
    placeholder: "password",
  },
  "registry-token": { type: "text", brief: "bearer token for registries", placeholder: "token" },
  "registry-cacert": {
    type: "text",
    brief: "PEM file of the certificate authorities that registries may have",
    placeholder: "file",
  },
  "registry-client-cert": {
    type: "text",
    brief: "PEM file of the client certificate for registries",
    placeholder: "file",
  },
  "registry-client-key": {
    type: "text",
    brief: "PEM file of the client certificate's private key",
    placeholder: "file",
  },
  "registry-server-name": {
    type: "text",
    brief: "name that the registry's certificate must have",
    placeholder: "name",
  },
} as const;

/** How companions of an image are named. */
export const REFERENCE_FLAGS = {
  "attachment-tag-prefix": {
    type: "text",
    brief: "prefix of the tags of signatures and other attachments",
    placeholder: "prefix",
    deprecated: "please use OCI referrers",
  },
} as const;

/** How signatures are stored in registries, beyond the formats. */
export const REFERRERS_MODE_FLAGS = {
  "registry-referrers-mode": {
    type: "choice",
    values: ["legacy", "oci-1-1"],
    brief: "how signatures of the legacy format refer to their image",
  },
} as const;
